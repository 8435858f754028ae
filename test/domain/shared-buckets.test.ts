// Rate limits that several processes keep together: what each lets through is told to the others.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import {Buckets, spentKeysMax} from '#shared/domain/rate-limit.ts'

const tell = (all: readonly Buckets[], now: number): void => {
  const told = all.map(buckets => buckets.spent())
  for (const [from, spent] of told.entries()) for (const [to, buckets] of all.entries()) if (from !== to) buckets.charge(spent, now)
}

test('processes that tell each other let through one burst and one rate, and what passes between two tellings', () => {
  const someRequests = fc.array(fc.record({gap: fc.nat(40), to: fc.nat(2), isTold: fc.boolean()}), {minLength: 1, maxLength: 200})
  fc.assert(
    fc.property(fc.integer({min: 1, max: 20}), fc.integer({min: 1, max: 20}), someRequests, (requests, burst, steps) => {
      const limit = {requests, perMs: 1_000, burst}
      const all = [new Buckets(), new Buckets(), new Buckets()]
      let now = 0
      let passed = 0
      let untold = 0
      let untoldMax = 0
      for (const {gap, to, isTold} of steps) {
        now += gap
        if (all[to]?.take('a', limit, now) === 0) {
          passed += 1
          untold += 1
        }
        untoldMax = Math.max(untoldMax, untold)
        if (isTold) {
          tell(all, now)
          untold = 0
        }
      }
      assert.ok(passed <= burst + (now * requests) / 1_000 + untoldMax * all.length + 1e-6)
    }),
    {numRuns: 500},
  )
})

test('a bucket owes no more than a burst, and pays it back', () => {
  const limit = {requests: 10, perMs: 1_000, burst: 5}
  const buckets = new Buckets()
  buckets.charge([{key: 'a', limit, count: 1_000}], 0)
  assert.equal(buckets.take('a', limit, 0), 600)
  assert.equal(buckets.take('a', limit, 600), 0)
})

test('only what was let through is told, once, and of a bounded number of keys', () => {
  const limit = {requests: 1, perMs: 1_000}
  const buckets = new Buckets()
  buckets.take('a', limit, 0)
  buckets.take('a', limit, 0)
  assert.deepEqual(buckets.spent(), [{key: 'a', limit, count: 1}])
  assert.deepEqual(buckets.spent(), [])
  for (let key = 0; key < 2 * spentKeysMax; key++) buckets.take(`k${key}`, limit, 0)
  assert.equal(buckets.spent().length, spentKeysMax)
})
