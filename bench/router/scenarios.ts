// What a router is asked to do, as data: loads that end, and connections that stay.
import type {Candidate} from './candidates.ts'
import {type Held, holdIdle, holdWebSockets} from './hold.ts'
import {type ClosedLoop, type Load, runLoad} from './load.ts'
import {runOpenLoop} from './open-loop.ts'
import {getRequest, smallPath} from './requests.ts'

interface Named {
  /** What `--scenarios` calls it. */
  readonly key: string
  readonly name: string
}

/** A load, run in rounds. */
export interface LoadScenario extends Named {
  readonly workers: 1 | 2
  readonly run: (candidate: Candidate, seconds: number, folder: string) => Promise<Load>
}

/** Connections that are opened and then stay: what they cost in memory. */
export interface HoldScenario extends Named {
  readonly connections: number
  /** In a quick run. */
  readonly connectionsQuick: number
  /** Files open for each connection, in the candidate and in the benchmark’s own process. */
  readonly filesEach: number
  readonly isWebSocket: boolean
  /** Opens them, each used once; returns how to close them. Throws when one is refused. */
  readonly hold: (port: number, connections: number) => Promise<Held>
}

const perSecond = 4_000

const closed =
  (load: ClosedLoop): LoadScenario['run'] =>
  ({port}, seconds, folder) =>
    runLoad(load, port, seconds, folder)

const fixed: LoadScenario['run'] = ({port}, seconds) =>
  runOpenLoop({port, seconds, perSecond, connections: 64, request: getRequest(smallPath)})

const small = (connections: number): ClosedLoop => ({connections, target: smallPath})

export const loadScenarios: readonly LoadScenario[] = [
  {key: 'small', name: 'GET 1 KB, 64 connections', workers: 1, run: closed(small(64))},
  {key: 'one', name: 'GET 1 KB, 1 connection', workers: 1, run: closed(small(1))},
  {key: 'post', name: 'POST 64 KB, 16 connections', workers: 1, run: closed({connections: 16, target: '/users', bodyBytes: 65_536})},
  {key: 'large', name: 'GET 1 MB, 8 connections', workers: 1, run: closed({connections: 8, target: '/large'})},
  {key: 'fixed', name: `GET 1 KB, ${perSecond.toLocaleString('en-US')} per second, 64 connections`, workers: 1, run: fixed},
  {key: 'new', name: 'GET 1 KB, a new connection each, 64 at once', workers: 1, run: closed({...small(64), closes: true})},
  {key: 'two-workers', name: 'GET 1 KB, 64 connections, 2 workers', workers: 2, run: closed(small(64))},
]

export const holdScenarios: readonly HoldScenario[] = [
  {
    key: 'idle',
    name: 'idle keep-alive connections',
    connections: 10_000,
    connectionsQuick: 2_000,
    filesEach: 1,
    isWebSocket: false,
    hold: holdIdle,
  },
  {
    key: 'websockets',
    name: 'WebSockets',
    connections: 5_000,
    connectionsQuick: 1_000,
    filesEach: 2,
    isWebSocket: true,
    hold: holdWebSockets,
  },
]
