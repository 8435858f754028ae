// How much of a simulation there is per second, and what it found: `npm run bench -- simulation [SEEDS [STEPS [FIRST]]]`.
import {simulate} from '#test/simulation/simulation.ts'
import type {Bench, Row} from './bench.ts'

const figures = (name: string, hosts: number | undefined) => ({
  candidate: hosts === undefined ? 'few hosts' : `${hosts} hosts`,
  scenario: name,
})

/** Runs the seeds one after the other; throws at the first that does not hold, naming it. */
const runSeeds = async (seeds: readonly number[], steps: number, hosts?: number): Promise<Row> => {
  const began = process.cpuUsage()
  const sums = {steps: 0, simulatedMs: 0, instances: 0, checks: 0, faults: 0, convergedMsMax: 0}
  for (const seed of seeds) {
    const outcome = await simulate({seed, steps, ...(hosts !== undefined && {hosts})})
    if (outcome.violation !== undefined) throw new Error(`seed ${seed}: ${outcome.violation.invariant}: ${outcome.violation.what}`)
    const add = (all: Readonly<Record<string, number>>): number => Object.values(all).reduce((sum, each) => sum + each, 0)
    sums.steps += outcome.steps
    sums.simulatedMs += outcome.simulatedMs
    sums.instances += outcome.instances
    sums.checks += add(outcome.checks)
    sums.faults += add(outcome.happened)
    sums.convergedMsMax = Math.max(sums.convergedMsMax, outcome.convergedMsMax)
  }
  const {user, system} = process.cpuUsage(began)
  return {
    ...figures(`${seeds.length} seeds`, hosts),
    steps: sums.steps,
    cpuMicrosPerStep: Math.round(((user + system) / sums.steps) * 10) / 10,
    simulatedHours: Math.round(sums.simulatedMs / 360_000) / 10,
    faultsAndCommands: sums.faults,
    instances: sums.instances,
    checks: sums.checks,
    convergedSecondsMax: Math.round(sums.convergedMsMax / 1_000),
  }
}

export const run: Bench = async ({quick, arguments: [seedsText, stepsText, firstText], progress}) => {
  const count = Number(seedsText ?? (quick ? 4 : 100))
  const steps = Number(stepsText ?? (quick ? 5_000 : 20_000))
  const first = Number(firstText ?? 1)
  const seeds = Array.from({length: count}, (_, at) => first + at)
  progress(`${count} seeds from ${first}, ${steps} steps each`)
  const few = await runSeeds(seeds, steps)
  const many = await runSeeds(seeds.slice(0, 1), quick ? steps : 200_000, 2_000)
  return [few, many]
}
