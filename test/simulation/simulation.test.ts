// A bounded share of the simulations: seeds that must hold, a seed that must replay, and planted faults that must be found.
import assert from 'node:assert/strict'
import {execFile} from 'node:child_process'
import {describe, it} from 'node:test'
import {fileURLToPath} from 'node:url'
import type {MutantName} from './mutants.ts'
import {mutants} from './mutants.ts'
import {type Outcome, simulate} from './simulation.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))

/** One line per seed, in a process of its own: a mutant must not be loaded here. */
const run = (...words: string[]): Promise<Outcome[]> =>
  new Promise(resolve => {
    execFile(process.execPath, [main, ...words], {timeout: 60_000}, (_, stdout) =>
      resolve(stdout.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line) as Outcome]))),
    )
  })

const told = ({seed, violation}: Outcome): string =>
  violation === undefined
    ? ''
    : `${violation.invariant}: ${violation.what}\nreplay: node test/simulation/main.ts --seed ${seed} --steps 6000 --trace`

describe('a simulation of hosts and control plane', () => {
  it('keeps every invariant, whatever goes wrong, and comes to what is desired', async () => {
    const checks: Record<string, number> = {}
    const happened = new Set<string>()
    for (let seed = 1; seed <= 8; seed++) {
      const outcome = await simulate({seed, steps: 6_000})
      assert.equal(outcome.violation, undefined, told(outcome))
      for (const [name, count] of Object.entries(outcome.checks)) checks[name] = (checks[name] ?? 0) + count
      for (const name of Object.keys(outcome.happened)) happened.add(name)
    }
    for (const name of ['1', '2', '5', 'lost', 'usage', 'ready', 'volume', 'fence'])
      assert.ok((checks[name] ?? 0) > 20, `invariant ${name} was checked ${checks[name]} times`)
    assert.ok(happened.size > 25, `these happened: ${[...happened].join(', ')}`)
  })

  it('has the same outcome for the same seed', async () => {
    const [first, second] = [await simulate({seed: 3, steps: 6_000}), await simulate({seed: 3, steps: 6_000})]
    assert.deepEqual(first, second)
  })

  it('runs a thousand hosts', async () => {
    const outcome = await simulate({seed: 2, steps: 20_000, hosts: 1_000})
    assert.equal(outcome.violation, undefined, told(outcome))
    assert.equal(outcome.hosts, 1_000)
  })
})

/** Those that are found soon; how long the others take, and which is not found, is in docs/simulation.md. */
const soon = ['assignsTwice', 'createsFromOldViews', 'ignoresDesired', 'forgetsToFree'] as const satisfies readonly MutantName[]

describe('a simulation of a platform with a fault planted in it', () => {
  for (const name of soon)
    it(`finds ${name}`, async () => {
      const outcomes = await run('--mutant', name, '--seed', '50', '--seeds', '12', '--steps', '3000')
      const violation = outcomes.find(outcome => outcome.violation !== undefined)?.violation
      assert.ok(violation !== undefined, `it was not found in ${outcomes.length} seeds`)
      assert.ok((mutants[name].caughtBy as readonly string[]).includes(violation.invariant), `${violation.invariant}: ${violation.what}`)
    })
})
