// The tournament tree against a walk over all leaves.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import {notEligible, RankTree} from '#shared/domain/placement-tree.ts'

interface Leaf {
  rank: number
  cpu: number
  memory: number
}

const leaf: fc.Arbitrary<Leaf> = fc.record({
  rank: fc.constantFrom(notEligible, -Number.MAX_VALUE, -1, 0, 1, 2),
  cpu: fc.integer({min: -1, max: 4}),
  memory: fc.integer({min: -1, max: 4}),
})

const linear = (leaves: readonly Leaf[], cpu: number, memory: number): number => {
  let best = -1
  leaves.forEach((each, at) => {
    if (each.rank === notEligible || each.cpu < cpu || each.memory < memory) return
    if (best < 0 || each.rank > (leaves[best]?.rank ?? 0)) best = at
  })
  return best
}

test('finds what a walk over all leaves finds, whatever was changed before', () => {
  fc.assert(
    fc.property(
      fc.array(leaf, {minLength: 1, maxLength: 40}),
      fc.array(fc.record({at: fc.nat(39), leaf, cpu: fc.nat(4), memory: fc.nat(4)}), {maxLength: 60}),
      (start, changes) => {
        const leaves = [...start]
        const tree = new RankTree(leaves.length)
        for (const [at, {rank, cpu, memory}] of leaves.entries()) tree.put(at, rank, cpu, memory)
        tree.rebuild()
        for (const {at, leaf: changed, cpu, memory} of changes) {
          const position = at % leaves.length
          leaves[position] = changed
          tree.set(position, changed.rank, changed.cpu, changed.memory)
          assert.equal(tree.find(cpu, memory), linear(leaves, cpu, memory))
        }
      },
    ),
    {numRuns: 2_000},
  )
})

test('an empty tree finds nothing', () => {
  assert.equal(new RankTree(0).find(0, 0), -1)
})
