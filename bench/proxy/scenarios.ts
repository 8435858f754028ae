// What a forward proxy is asked to do, and how it is measured: absolute-form requests, much through tunnels, little to and fro.
import type {BenchOptions, Row} from '../bench.ts'
import {type Load, runLoad} from '../router/load.ts'
import {plans, requestRows} from '../router/loads.ts'
import {smallPath} from '../router/requests.ts'
import {measureRounds, type Plan, roundsText} from '../router/rounds.ts'
import {medianOf, rowsOf} from '../router/rows.ts'
import {round} from '../stages/figures.ts'
import type {Candidate} from './candidates.ts'
import {runBulk, runPingPong} from './tunnel-loads.ts'

const peers = {timesSquid: /^squid$/}

export interface Scenario {
  /** What `--scenarios` calls it. */
  readonly key: string
  readonly measure: (candidates: readonly Candidate[], options: BenchOptions, folder: string) => Promise<Row[]>
}

const absolute: Scenario['measure'] = async (candidates, {quick, progress}, folder) => {
  const scenario = 'absolute-form GET 1 KB, 64 connections'
  const take = ({port, web, endsSilently = false}: Candidate, seconds: number): Promise<Load> =>
    runLoad({connections: 64, target: `http://${web}${smallPath}`, host: web, endsSilently}, port, seconds, folder)
  const samples = await measureRounds(candidates, quick ? plans.quick : plans.full, take)
  progress(`${scenario}, CPU µs per request: ${roundsText(samples)}`)
  return requestRows(samples, scenario, peers)
}

const tunnels = 4
const mib = 1_048_576
/** Megabytes are what a bulk round is measured by, not seconds; warm-up included. */
const bulkPlan = (quick: boolean): Plan => ({
  rounds: quick ? 1 : 5,
  seconds: 0,
  warmUp: {seconds: 0, windows: 1, windowsMax: quick ? 1 : 3},
})

const bulk =
  (way: 'down' | 'up'): Scenario['measure'] =>
  async (candidates, {quick, progress}) => {
    const bytes = (quick ? 64 : 256) * mib
    const scenario = `CONNECT, ${tunnels} × ${bytes / mib} MiB ${way === 'down' ? 'to' : 'from'} the client`
    const take = ({port, far}: Candidate) => runBulk(way, {port, authority: far, count: tunnels, bytes})
    const samples = await measureRounds(candidates, bulkPlan(quick), take)
    progress(`${scenario}, CPU µs per GB: ${roundsText(samples)}`)
    return rowsOf(samples, {
      scenario,
      peers,
      cpu: micros => ({cpuSecondsPerGb: round(micros / 1e6, 3)}),
      figures: taken => ({megabytesPerSecond: medianOf(taken, ({load}) => load.mbPerSecond)}),
    })
  }

const pingPong =
  (count: number): Scenario['measure'] =>
  async (candidates, {quick, progress}) => {
    const scenario = `CONNECT, 64 bytes to and fro, ${count} tunnel${count === 1 ? '' : 's'}`
    const take = ({port, far}: Candidate, seconds: number) => runPingPong({port, authority: far, count, seconds})
    const samples = await measureRounds(candidates, quick ? plans.quick : plans.full, take)
    progress(`${scenario}, CPU µs per round trip: ${roundsText(samples)}`)
    return rowsOf(samples, {
      scenario,
      peers,
      cpu: micros => ({cpuMicrosPerRoundTrip: round(micros, 1)}),
      figures: taken => ({
        p50RoundTripMicros: medianOf(taken, ({load}) => load.p50Micros),
        p99RoundTripMicros: medianOf(taken, ({load}) => load.p99Micros),
      }),
    })
  }

export const scenarios: readonly Scenario[] = [
  {key: 'absolute', measure: absolute},
  {key: 'down', measure: bulk('down')},
  {key: 'up', measure: bulk('up')},
  {key: 'ping-pong-1', measure: pingPong(1)},
  {key: 'ping-pong-64', measure: pingPong(64)},
]
