// Memory under many connections that stay, measured. Owns what a row of it says.
import {setTimeout as sleep} from 'node:timers/promises'
import type {Row} from '../bench.ts'
import {cpuMsOfTree, round, rssMibOfTree} from '../stages/figures.ts'
import {type Candidate, startFleet} from './candidates.ts'
import type {Run} from './loads.ts'
import {openFilesMax} from './processes.ts'
import type {HoldScenario} from './scenarios.ts'
import {startEchoes} from './upstream.ts'

/** As many connections as are wanted, or the limits on open files allow. */
const fitting = (wanted: number, {filesEach}: HoldScenario): number => {
  const {ours, theirs} = openFilesMax()
  return Math.min(wanted, Math.floor((ours - 500) / filesEach), Math.floor((theirs - 500) / filesEach))
}

/** A router opens at most 1,024 connections to one instance. */
const echoes = 8
/** From the last connection until memory is read. */
const settleMs = 1_000

const holdRow = async (candidate: Candidate, scenario: HoldScenario, connections: number): Promise<Row> => {
  const {pid, name, port} = candidate
  const [rssBefore, cpuBefore] = [rssMibOfTree(pid), cpuMsOfTree(pid)]
  const held = await scenario.hold(port, connections)
  try {
    const cpuMicros = ((cpuMsOfTree(pid) - cpuBefore) * 1_000) / connections
    await sleep(settleMs)
    if (held.open() !== connections) throw new Error(`${name}: only ${held.open()} of ${connections} connections stayed open`)
    const rssMib = rssMibOfTree(pid)
    return {
      candidate: name,
      scenario: `${connections.toLocaleString('en-US')} ${scenario.name}`,
      cpuMicrosPerRequest: round(cpuMicros, 1),
      rssMib: round(rssMib),
      rssMibBefore: round(rssBefore),
      kibPerConnection: round(((rssMib - rssBefore) * 1_024) / connections, 1),
    }
  } finally {
    held.close()
  }
}

/** Every candidate anew, and alone: memory that an earlier load has left behind does not count. */
export const measureHeld = async (run: Run, scenario: HoldScenario): Promise<Row[]> => {
  const {processes, folder, program, options} = run
  const wanted = options.quick ? scenario.connectionsQuick : scenario.connections
  const connections = fitting(wanted, scenario)
  if (connections < wanted) options.progress(`${scenario.name}: only ${connections}, for want of open files (ulimit -n)`)
  const rows: Row[] = []
  const {ports, stop: stopEchoes} = await startEchoes(echoes)
  try {
    for (const spec of run.specs.filter(({workers}) => workers === 1)) {
      const {isWebSocket} = scenario
      const fleet = await startFleet([spec], {processes, folder, program, upstreams: isWebSocket ? ports : run.upstreams, isWebSocket})
      try {
        for (const candidate of fleet.candidates) rows.push(await holdRow(candidate, scenario, connections))
      } finally {
        await fleet.stop()
      }
    }
  } finally {
    stopEchoes()
  }
  options.progress(`${scenario.name}: ${rows.map(row => `${row.candidate} ${row.rssMib} MiB`).join(', ')}`)
  return rows
}
