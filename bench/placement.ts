// How fast instances are placed, with requirements and ranks on: a grid of executors and instances, then a trace of production tasks. Measures
// `place` only, from plain data to a plan, on one thread; reading and writing the database is not in it.
//   npm run bench -- placement [--quick] [--json] [--nodes FILE.csv --pods FILE.csv]
import type {Executor} from '#shared/domain/executor.ts'
import type {PendingInstance} from '#shared/domain/placement.ts'
import type {Bench, Row} from './bench.ts'
import {type Candidate, gilliam, naiveExact, samplingLikeKubernetes, samplingLikeNomad} from './placement/candidates.ts'
import {type Arrival, makeExecutors, makePending, randomFrom} from './placement/generate.ts'
import {executorsOf, generateTrace, pendingOf, readTrace} from './placement/trace.ts'

const candidates: readonly (readonly [string, Candidate])[] = [
  ['gilliam', gilliam],
  ['naive exact', naiveExact],
  ['sampling like kube-scheduler', samplingLikeKubernetes],
  ['sampling like Nomad', samplingLikeNomad],
]

const servicesInGrid = 20
/** In the hardest cell: every fifth counts neighbours, so that nothing is shared between those. */
const servicesAtMost = 200
/** Runs measured after one to warm up (the median counts), and how long a candidate that does not finish is measured; its row tells how many it decided. */
const efforts = {quick: {runs: 1, patienceMs: 200}, full: {runs: 3, patienceMs: 1_000}} as const

type Effort = (typeof efforts)[keyof typeof efforts]

interface Case {
  readonly scenario: string
  readonly executors: readonly Executor[]
  readonly pending: readonly PendingInstance[]
}

interface Run {
  readonly wallMs: number
  readonly cpuMicros: number
  readonly decided: number
  readonly unplaced: number
}

const runOnce = (candidate: Candidate, {executors, pending}: Case, ms: number): Run => {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const {decided, unplaced} = candidate(executors, pending, start + ms)
  const wallMs = performance.now() - start
  const {user, system} = process.cpuUsage(cpu)
  return {wallMs, cpuMicros: user + system, decided, unplaced}
}

const measure = (name: string, candidate: Candidate, scenario: Case, {runs, patienceMs}: Effort): Row => {
  runOnce(candidate, scenario, patienceMs / 4)
  const measured = Array.from({length: runs}, () => runOnce(candidate, scenario, patienceMs)).sort(
    (a, b) => a.wallMs / a.decided - b.wallMs / b.decided,
  )
  const {wallMs, cpuMicros, decided, unplaced} = measured[Math.floor(runs / 2)] as Run
  const placed = decided - unplaced
  return {
    candidate: name,
    scenario: scenario.scenario,
    executors: scenario.executors.length,
    instances: scenario.pending.length,
    decided,
    unplaced,
    placementsPerSecond: Math.round((placed * 1_000) / wallMs),
    cpuMicrosPerPlacement: Math.round((cpuMicros / Math.max(1, placed)) * 100) / 100,
    wallMs: Math.round(wallMs * 10) / 10,
  }
}

const cell = (executors: number, instances: number, services: number, arrival: Arrival): Case => ({
  scenario: `grid, ${services} services, ${arrival}`,
  executors: makeExecutors(executors, randomFrom(executors)),
  pending: makePending(instances, services, arrival),
})

const grid = (quick: boolean): Case[] => {
  const counts = quick ? [1_000, 10_000] : [1_000, 10_000, 100_000]
  const arrivals = ['mixed', 'grouped'] satisfies Arrival[]
  const cells = arrivals.flatMap(arrival =>
    [100, 1_000, 10_000].flatMap(executors => counts.map(instances => cell(executors, instances, servicesInGrid, arrival))),
  )
  return quick ? cells : [...cells, cell(10_000, 100_000, servicesAtMost, 'mixed')]
}

const option = (given: readonly string[], name: string): string | undefined => {
  const at = given.indexOf(name)
  return at < 0 ? undefined : given[at + 1]
}

const trace = (given: readonly string[], quick: boolean): Case[] => {
  const nodes = option(given, '--nodes')
  const pods = option(given, '--pods')
  if ((nodes === undefined) !== (pods === undefined)) throw new Error('--nodes and --pods go together: the two files of one trace')
  const read = nodes !== undefined && pods !== undefined ? readTrace(nodes, pods) : generateTrace()
  const source = nodes === undefined ? 'generated trace' : 'trace'
  return (quick ? [1] : [1, 7]).map(times => ({
    scenario: times === 1 ? source : `${source} × ${times}`,
    executors: executorsOf(read, times),
    pending: pendingOf(read, times),
  }))
}

export const run: Bench = async ({quick, arguments: given, progress}) => {
  const rows: Row[] = []
  for (const scenario of [...grid(quick), ...trace(given, quick)])
    for (const [name, candidate] of candidates) {
      progress(`${scenario.scenario}: ${scenario.executors.length} executors, ${scenario.pending.length} instances: ${name}`)
      rows.push(measure(name, candidate, scenario, quick ? efforts.quick : efforts.full))
    }
  return rows
}
