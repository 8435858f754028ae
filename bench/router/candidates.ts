// What is measured: our router with everything on, HAProxy likewise, and HAProxy, nginx and Caddy as plain as they can be; each between the load and the same
// upstream. Owns the list of them and how a set of them is started.
import {closedPort} from '#test/proxy/rig.ts'
import {startCaddy} from './caddy.ts'
import {Feed} from './feed.ts'
import {hasWorkers, startProgram} from './gilliam.ts'
import {startHaproxy, startHaproxyRoutes} from './haproxy.ts'
import {startNginx} from './nginx.ts'
import type {PeerOptions} from './peer.ts'
import {isInstalled, type Processes} from './processes.ts'
import {hostOf, routesCount} from './requests.ts'
import type {Measured} from './rounds.ts'

export interface Candidate extends Measured {
  readonly port: number
  /** Where it logs requests, if it does. */
  readonly logFile?: string
  /** Where it tells its metrics, if it does. */
  readonly adminPort?: number
}

export interface Spec {
  readonly name: string
  readonly program?: string
  readonly workers: 1 | 2
  readonly start?: (options: PeerOptions) => Promise<number>
  readonly logs?: boolean
}

/** Those without a program of their own to install are ours. */
export const specs: readonly Spec[] = [
  {name: 'gilliam', workers: 1},
  {name: 'haproxy', program: 'haproxy', workers: 1, start: startHaproxy},
  {name: 'haproxy-routes', program: 'haproxy', workers: 1, start: startHaproxyRoutes, logs: true},
  {name: 'nginx', program: 'nginx', workers: 1, start: startNginx},
  {name: 'caddy', program: 'caddy', workers: 1, start: startCaddy},
  {name: 'gilliam-2-workers', workers: 2},
  {name: 'haproxy-2-threads', program: 'haproxy', workers: 2, start: startHaproxy},
  {name: 'haproxy-routes-2-threads', program: 'haproxy', workers: 2, start: startHaproxyRoutes, logs: true},
  {name: 'nginx-2-workers', program: 'nginx', workers: 2, start: startNginx},
  {name: 'caddy-2-processors', program: 'caddy', workers: 2, start: startCaddy},
]

/** Why a candidate can not be measured here; undefined when it can. */
export const missing = ({name, program, workers}: Spec): string | undefined => {
  if (program !== undefined && !isInstalled(program)) return `${name} left out: ${program} is not installed (apt-get install ${program})`
  if (program === undefined && workers > 1 && !hasWorkers()) return `${name} left out: the program does not know GILLIAM_WORKERS yet`
  return undefined
}

export interface Fleet {
  readonly candidates: readonly Candidate[]
  readonly stop: () => Promise<void>
}

export interface FleetOptions {
  readonly processes: Processes
  readonly folder: string
  /** Ours, in one file. */
  readonly program: string
  /** Ports of instances; of the first release and the second in turn. */
  readonly upstreams: readonly number[]
  readonly isWebSocket?: boolean
}

const routes = Array.from({length: routesCount}, (_, index) => ({
  name: `route-${index}`,
  domain: hostOf(index),
  path: '/{rest:.*}',
  target: 'users.crm.service/{rest}',
}))

/** Starts candidates, one process tree each. */
export const startFleet = async (wanted: readonly Spec[], options: FleetOptions): Promise<Fleet> => {
  const {processes, folder, program, upstreams, isWebSocket = false} = options
  const feed = new Feed({instances: upstreams.map((port, index) => ({service: 'users', port, release: 1 + (index % 2)})), routes})
  const api = await feed.start()
  const candidates: Candidate[] = []
  for (const {name, workers, start, logs} of wanted) {
    const [port, adminPort] = [await closedPort(), await closedPort()]
    const logFile = `${folder}/${name}.log`
    if (start === undefined) {
      const pid = await startProgram({role: 'router', processes, program, api, port, adminPort, workers, logFile})
      candidates.push({name, port, pid, isCompiledLate: true, logFile, adminPort})
    } else {
      const pid = await start({name, processes, folder, port, upstreams, workers, isWebSocket, logFile})
      candidates.push({name, port, pid, isCompiledLate: false, ...(logs === true ? {logFile} : {})})
    }
  }
  return {
    candidates,
    stop: async () => {
      await processes.end()
      await feed.stop()
    },
  }
}
