// Runs simulations from the command line, and replays a seed: the same options have the same outcome.
//
//   node test/simulation/main.ts [--seed N] [--seeds N] [--steps M] [--hosts N] [--trace] [--shrink] [--mutant NAME]
//
// One JSON line per seed; with a mutant, none after the one that finds it. Ends with 1 when an invariant did not hold; `--shrink` then finds out which faults it takes.
import {parseArgs} from 'node:util'
import {type FaultName, faultNames} from './faults.ts'
import {type MutantName, mutants, plant} from './mutants.ts'
import type {Outcome} from './simulation.ts'

const {values} = parseArgs({
  options: {
    seed: {type: 'string', default: '1'},
    seeds: {type: 'string', default: '1'},
    steps: {type: 'string', default: '20000'},
    hosts: {type: 'string'},
    trace: {type: 'boolean', default: false},
    shrink: {type: 'boolean', default: false},
    mutant: {type: 'string'},
  },
})

if (values.mutant !== undefined && !Object.hasOwn(mutants, values.mutant)) {
  process.stderr.write(`There is no mutant “${values.mutant}”. There are: ${Object.keys(mutants).join(', ')}\n`)
  process.exit(2)
}
if (values.mutant !== undefined) plant(values.mutant as MutantName)
// After the mutant is planted: what it changes must not be loaded before.
const {simulate} = await import('./simulation.ts')

const trace = (step: number, at: number, what: string) => void process.stdout.write(`${step} ${(at / 1_000).toFixed(3)} s ${what}\n`)

const run = (seed: number, without: readonly FaultName[] = []): Promise<Outcome> =>
  simulate({
    seed,
    steps: Number(values.steps),
    without,
    ...(values.hosts !== undefined && {hosts: Number(values.hosts)}),
    ...(values.trace && {trace}),
  })

/** Leaves out one kind of fault after the other, for as long as some invariant still fails. */
const shrink = async (seed: number): Promise<string> => {
  let without: FaultName[] = []
  let outcome = await run(seed)
  for (const name of faultNames) {
    const next = await run(seed, [...without, name])
    if (next.violation === undefined) continue
    without = [...without, name]
    outcome = next
  }
  return JSON.stringify({needs: faultNames.filter(name => !without.includes(name)), steps: outcome.steps, violation: outcome.violation})
}

const first = Number(values.seed)
for (let seed = first; seed < first + Number(values.seeds); seed++) {
  const began = performance.now()
  const outcome = await run(seed)
  const stepsPerSecond = Math.round((1_000 * outcome.steps) / (performance.now() - began))
  process.stdout.write(`${JSON.stringify({...outcome, stepsPerSecond})}\n`)
  if (outcome.violation === undefined) continue
  process.exitCode = 1
  if (values.mutant !== undefined) break
  if (values.shrink) process.stdout.write(`${await shrink(seed)}\n`)
}
