// Runs simulations from the command line: `node test/simulation/main.ts [--seed N] [--seeds N] [--steps M] [--hosts N] [--trace]`. A seed replays.
import {parseArgs} from 'node:util'
import {simulate} from './simulation.ts'

const {values} = parseArgs({
  options: {
    seed: {type: 'string', default: '1'},
    seeds: {type: 'string', default: '1'},
    steps: {type: 'string', default: '20000'},
    hosts: {type: 'string'},
    trace: {type: 'boolean', default: false},
  },
})

const trace = (step: number, at: number, what: string) => void process.stdout.write(`${step} ${(at / 1_000).toFixed(3)} s ${what}\n`)
let failed = 0
for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.seeds); seed++) {
  const began = performance.now()
  const outcome = await simulate({
    seed,
    steps: Number(values.steps),
    ...(values.hosts !== undefined && {hosts: Number(values.hosts)}),
    ...(values.trace && {trace}),
  })
  const seconds = (performance.now() - began) / 1_000
  process.stdout.write(`${JSON.stringify({...outcome, stepsPerSecond: Math.round(outcome.steps / seconds)})}\n`)
  if (outcome.violation !== undefined) failed += 1
}
process.exitCode = failed === 0 ? 0 : 1
