// What absolute-form requests and CONNECT tunnels cost in our forward proxy, with its metrics and access log, beside Squid that keeps nothing and tinyproxy.
// CPU and ratios within one run are what to compare. `--scenarios` and `--candidates` pick some of them.
import {fileURLToPath} from 'node:url'
import {closedPort} from '#test/proxy/rig.ts'
import type {Bench, BenchOptions, Row} from '../bench.ts'
import {bundleProgram} from '../router/gilliam.ts'
import {machineText, readChosen} from '../router/options.ts'
import {during, isInstalled, Processes, temporaryFolder} from '../router/processes.ts'
import {startUpstream} from '../router/upstream.ts'
import {missing, specs, startFleet} from './candidates.ts'
import {type Scenario, scenarios} from './scenarios.ts'
import {verify} from './verify.ts'

/** Starts what stands behind every candidate: the upstream and the far end of tunnels. */
const startBehind = async (behind: Processes, folder: string): Promise<{upstream: number; farEnd: number}> => {
  const [upstream, second, farEnd] = [await closedPort(), await closedPort(), await closedPort()]
  await startUpstream(behind, folder, [upstream, second])
  const program = fileURLToPath(new URL('./far-end.ts', import.meta.url))
  await behind.start({command: process.execPath, args: [program, String(farEnd)], port: farEnd})
  return {upstream, farEnd}
}

interface Place {
  readonly folder: string
  readonly behind: Processes
  readonly processes: Processes
}

const measure = async (able: typeof specs, wanted: readonly Scenario[], place: Place, options: BenchOptions): Promise<Row[]> => {
  const {folder, behind, processes} = place
  const program = await bundleProgram(folder)
  const {candidates, stop} = await startFleet(able, {processes, folder, program, ...(await startBehind(behind, folder))})
  try {
    for (const candidate of candidates) options.progress(await verify(candidate))
    const rows: Row[] = []
    for (const scenario of wanted) rows.push(...(await scenario.measure(candidates, options, folder)))
    return rows
  } finally {
    await stop()
  }
}

export const run: Bench = async options => {
  const {progress} = options
  const names = specs.map(({name}) => name)
  const keys = scenarios.map(({key}) => key)
  const chosen = readChosen(options.arguments, keys, names)
  for (const program of ['nginx', 'wrk'])
    if (!isInstalled(program)) throw new Error(`${program} is not installed (apt-get install ${program})`)
  const wanted = specs.filter(({name}) => chosen.candidate(name))
  for (const spec of wanted) if (missing(spec) !== undefined) progress(missing(spec) ?? '')
  progress(machineText('before'))
  const place = {folder: temporaryFolder('gilliam-bench-proxy-'), behind: new Processes(), processes: new Processes()}
  return during([place.processes, place.behind], async () => {
    const able = wanted.filter(spec => missing(spec) === undefined)
    const picked = scenarios.filter(({key}) => chosen.scenario(key))
    const rows = await measure(able, picked, place, options)
    progress(machineText('after'))
    return rows
  })
}
