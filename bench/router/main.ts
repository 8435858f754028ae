// What a request costs in our router, with all it does, beside HAProxy, nginx and Caddy: CPU per request, latency, and memory under many connections. CPU
// and ratios within one run are what to compare: load, candidate and upstream share the machine. `--scenarios` and `--candidates` pick some of them.
import {closedPort} from '#test/proxy/rig.ts'
import type {Bench, Row} from '../bench.ts'
import {missing, specs} from './candidates.ts'
import {bundleProgram} from './gilliam.ts'
import {measureHeld} from './held.ts'
import {measureLoads, type Run} from './loads.ts'
import {machineText, readChosen} from './options.ts'
import {during, isInstalled, Processes, temporaryFolder} from './processes.ts'
import {holdScenarios, loadScenarios} from './scenarios.ts'
import {startUpstream} from './upstream.ts'

/** Everything that was asked for. */
const measure = async (run: Run, isWanted: (key: string) => boolean): Promise<Row[]> => {
  const rows: Row[] = []
  for (const workers of [1, 2] as const) {
    const scenarios = loadScenarios.filter(one => one.workers === workers && isWanted(one.key))
    rows.push(...(await measureLoads(run, workers, scenarios)))
  }
  for (const scenario of holdScenarios) if (isWanted(scenario.key)) rows.push(...(await measureHeld(run, scenario)))
  return rows
}

export const run: Bench = async options => {
  const {progress} = options
  const keys = [...loadScenarios, ...holdScenarios].map(({key}) => key)
  const chosen = readChosen(
    options.arguments,
    keys,
    specs.map(({name}) => name),
  )
  for (const program of ['nginx', 'wrk'])
    if (!isInstalled(program)) throw new Error(`${program} is not installed (apt-get install ${program})`)
  const able = specs.filter(spec => {
    const reason = chosen.candidate(spec.name) ? missing(spec) : ''
    if (reason !== undefined && reason !== '') progress(reason)
    return reason === undefined
  })
  progress(machineText('before'))
  const folder = temporaryFolder('gilliam-bench-router-')
  const [behind, processes] = [new Processes(), new Processes()]
  const upstreams = [await closedPort(), await closedPort()] as const
  return during([processes, behind], async () => {
    const program = await bundleProgram(folder)
    await startUpstream(behind, folder, upstreams)
    const rows = await measure({options, folder, processes, program, upstreams, specs: able}, chosen.scenario)
    progress(machineText('after'))
    return rows
  })
}
