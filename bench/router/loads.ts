// The loads of a router, measured: rows of CPU, rate, latency and memory for each candidate. Owns what a row of a load says.
import {truncateSync} from 'node:fs'
import type {BenchOptions, Row} from '../bench.ts'
import {round, threadCpuMs} from '../stages/figures.ts'
import {type Candidate, type Spec, startFleet} from './candidates.ts'
import type {Load} from './load.ts'
import type {Processes} from './processes.ts'
import {routesCount} from './requests.ts'
import {type Measured, measureRounds, type Plan, roundsText, type Sample, type Samples} from './rounds.ts'
import {medianOf, type Peers, rowsOf} from './rows.ts'
import type {LoadScenario} from './scenarios.ts'
import {verify} from './verify.ts'

/** What is there while a benchmark runs. */
export interface Run {
  readonly options: BenchOptions
  readonly folder: string
  readonly processes: Processes
  /** Ours, in one file. */
  readonly program: string
  readonly upstreams: readonly [number, number]
  readonly specs: readonly Spec[]
}

export const plans: Readonly<Record<'quick' | 'full', Plan>> = {
  quick: {rounds: 1, seconds: 1, warmUp: {seconds: 1, windows: 0, windowsMax: 3}},
  full: {rounds: 5, seconds: 2, warmUp: {seconds: 2, windows: 1, windowsMax: 6}},
}

/** Plain ones, with as many workers. */
const peers = {timesHaproxy: /^haproxy(?:-2-threads)?$/, timesCaddy: /^caddy/}

const figures = (samples: readonly Sample[]): Record<string, number> => {
  const late = medianOf(samples, ({load}) => ('lateP99Ms' in load ? Number(load.lateP99Ms) : Number.NaN), 2)
  return {
    requestsPerSecond: medianOf(samples, ({load}) => load.requestsPerSecond),
    p50Ms: medianOf(samples, ({load}) => load.p50Ms, 2),
    p99Ms: medianOf(samples, ({load}) => load.p99Ms, 2),
    ...(Number.isNaN(late) ? {} : {generatorLateP99Ms: late}),
  }
}

export const requestRows = <C extends Measured>(samples: Samples<C>, scenario: string, columns: Peers): Row[] =>
  rowsOf(samples, {scenario, peers: columns, cpu: micros => ({cpuMicrosPerRequest: round(micros, 1)}), figures})

/** How many threads did at least a fifth of a candidate's work. */
const busyThreads = (before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number => {
  const did = [...after].map(([thread, ms]) => ms - (before.get(thread) ?? 0))
  const all = did.reduce((sum, ms) => sum + ms, 0)
  return did.filter(ms => ms >= all / 5).length
}

const threadsOf = (candidates: readonly Candidate[]) => new Map(candidates.map(one => [one, threadCpuMs(one.pid)]))

/** Measures one scenario on candidates that are there. */
const measureLoad = async (candidates: readonly Candidate[], scenario: LoadScenario, {options, folder}: Run): Promise<Row[]> => {
  const {quick, progress} = options
  const before = threadsOf(candidates)
  const take = (one: Candidate, seconds: number): Promise<Load> => scenario.run(one, seconds, folder)
  const samples = await measureRounds(candidates, quick ? plans.quick : plans.full, take)
  progress(`${scenario.name}, CPU µs per request: ${roundsText(samples)}`)
  if (scenario.workers > 1) {
    const threads = candidates.map(one => `${one.name} ${busyThreads(before.get(one) ?? new Map(), threadCpuMs(one.pid))}`)
    progress(`threads that did at least a fifth of the work: ${threads.join(', ')}`)
  }
  for (const {logFile} of candidates) if (logFile !== undefined) truncateSync(logFile)
  return requestRows(samples, scenario.name, peers)
}

/** Measures scenarios for as many workers, on candidates that serve all of them. */
export const measureLoads = async (run: Run, workers: 1 | 2, scenarios: readonly LoadScenario[]): Promise<Row[]> => {
  const {processes, folder, program, upstreams} = run
  const wanted = run.specs.filter(spec => spec.workers === workers)
  if (scenarios.length === 0 || wanted.length === 0) return []
  const {candidates, stop} = await startFleet(wanted, {processes, folder, program, upstreams})
  try {
    for (const candidate of candidates) run.options.progress(await verify(candidate, routesCount))
    const rows: Row[] = []
    for (const scenario of scenarios) rows.push(...(await measureLoad(candidates, scenario, run)))
    return rows
  } finally {
    await stop()
  }
}
