// CPU per request of the router, with all it does for a request, beside nginx and HAProxy that do as little as they can. Rounds are interleaved and medians
// shown, as the machine is shared with the load and the upstream: compare CPU, and ratios within one run.
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {closedPort, Feed} from '#test/proxy/rig.ts'
import type {Bench, BenchOptions, Row} from '../bench.ts'
import {cpuMsOf, median, memoryOf, round} from '../stages/figures.ts'
import {type Candidate, Processes, startCandidates, startUpstream} from './candidates.ts'
import {runLoad, type Scenario, scenarios} from './load.ts'

interface Sample {
  readonly cpuMicros: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const sample = async (candidate: Candidate, scenario: Scenario, seconds: number, folder: string): Promise<Sample> => {
  const before = cpuMsOf(candidate.pid)
  const {requests, requestsPerSecond, p50Ms, p99Ms} = await runLoad(scenario, candidate.port, seconds, folder)
  const cpuMicros = ((cpuMsOf(candidate.pid) - before) * 1_000) / requests
  return {cpuMicros, perSecond: requestsPerSecond, p50Ms, p99Ms}
}

const rowOf = (candidate: Candidate, scenario: Scenario, samples: readonly Sample[], haproxyMicros: number): Row => {
  const of = (read: (one: Sample) => number): number => median(samples.map(read))
  const cpuMicros = of(one => one.cpuMicros)
  return {
    candidate: candidate.name,
    scenario: scenario.name,
    cpuMicrosPerRequest: round(cpuMicros, 1),
    timesHaproxy: round(cpuMicros / haproxyMicros, 2),
    requestsPerSecond: round(of(one => one.perSecond)),
    p50Ms: round(
      of(one => one.p50Ms),
      2,
    ),
    p99Ms: round(
      of(one => one.p99Ms),
      2,
    ),
    rssMib: round(memoryOf(candidate.pid).rssMib),
  }
}

const measure = async (candidates: readonly Candidate[], folder: string, {quick, progress}: BenchOptions): Promise<Row[]> => {
  const [rounds, seconds, warmUpSeconds] = quick ? [1, 2, 3] : [3, 4, 4]
  const rows: Row[] = []
  for (const scenario of scenarios) {
    const samples = new Map<Candidate, Sample[]>(candidates.map(candidate => [candidate, []]))
    for (let i = 0; i <= rounds; i++) {
      for (const [candidate, taken] of samples) {
        const one = await sample(candidate, scenario, i === 0 ? warmUpSeconds : seconds, folder)
        // The first round warms up.
        if (i > 0) taken.push(one)
      }
    }
    const haproxy = candidates.find(({name}) => name === 'haproxy') as Candidate
    const base = median((samples.get(haproxy) ?? []).map(({cpuMicros}) => cpuMicros))
    rows.push(...candidates.map(candidate => rowOf(candidate, scenario, samples.get(candidate) ?? [], base)))
    progress(
      `${scenario.name}: ${candidates.map(({name}, at) => `${name} ${rows.at(at - candidates.length)?.cpuMicrosPerRequest}`).join(', ')}`,
    )
  }
  return rows
}

export const run: Bench = async options => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-bench-router-'))
  const processes = new Processes()
  const feed = new Feed()
  try {
    const ports = await Promise.all(Array.from({length: 6}, closedPort))
    const upstream = [ports[4] ?? 0, ports[5] ?? 0] as const
    await feed.start()
    await startUpstream(processes, folder, upstream)
    const candidates = await startCandidates(processes, feed, {folder, ports, upstream})
    return await measure(candidates, folder, options)
  } finally {
    await processes.end()
    await feed.stop()
    rmSync(folder, {recursive: true, force: true})
  }
}
