// Forward proxies to measure: ours, asked for service addresses and for hosts outside, Squid without and with its log, tinyproxy. Owns the list of them.
import {closedPort} from '#test/proxy/rig.ts'
import {Feed} from '../router/feed.ts'
import {startProgram} from '../router/gilliam.ts'
import {isInstalled, type Processes} from '../router/processes.ts'
import type {Measured} from '../router/rounds.ts'
import {type PeerOptions, startSquid, startSquidWithLog, startTinyproxy} from './peers.ts'

export interface Candidate extends Measured {
  readonly port: number
  /** What is asked for in a URL; it leads to the upstream. */
  readonly web: string
  /** What is asked for in a CONNECT; it leads to the far end. */
  readonly far: string
  readonly logFile?: string
  /** Ends every connection after one answer, without saying so. */
  readonly endsSilently?: boolean
}

interface Spec {
  readonly name: string
  readonly program?: string
  readonly start?: (options: PeerOptions) => Promise<number>
  readonly logs?: boolean
  readonly endsSilently?: boolean
}

/** Those without a program of their own to install are ours, and one process. */
export const specs: readonly Spec[] = [
  {name: 'gilliam'},
  {name: 'gilliam-outside'},
  {name: 'squid', program: 'squid', start: startSquid},
  {name: 'squid-log', program: 'squid', start: startSquidWithLog, logs: true},
  {name: 'tinyproxy', program: 'tinyproxy', start: startTinyproxy, endsSilently: true},
]

/** Why a candidate can not be measured here; undefined when it can. */
export const missing = ({name, program}: Spec): string | undefined =>
  program === undefined || isInstalled(program) ? undefined : `${name} left out: ${program} is not installed (apt-get install ${program})`

export interface FleetOptions {
  readonly processes: Processes
  readonly folder: string
  /** Ours, in one file. */
  readonly program: string
  readonly upstream: number
  readonly farEnd: number
}

/** Ours with the access log on: as a service address it is the same program and process as for hosts outside. */
const startOurs = async (options: FleetOptions, names: readonly string[]): Promise<{candidates: Candidate[]; feed: Feed}> => {
  const {processes, folder, program, upstream, farEnd} = options
  const instances = [
    {service: 'users', port: upstream, release: 1},
    {service: 'far', port: farEnd, release: 1},
  ]
  const feed = new Feed({instances, routes: []})
  const [api, port, adminPort, logFile] = [await feed.start(), await closedPort(), await closedPort(), `${folder}/gilliam.log`]
  const pid = await startProgram({role: 'proxy', processes, program, api, port, adminPort, workers: 1, logFile})
  const candidates = names.map(name => ({
    name,
    pid,
    port,
    logFile,
    isCompiledLate: true,
    ...(name === 'gilliam' ? {web: 'users.crm.service', far: 'far.crm.service:80'} : outside(options)),
  }))
  return {candidates, feed}
}

const outside = ({upstream, farEnd}: FleetOptions): {web: string; far: string} => ({
  web: `127.0.0.1:${upstream}`,
  far: `127.0.0.1:${farEnd}`,
})

/** Starts candidates on loopback, one process tree each, ours together. */
export const startFleet = async (
  wanted: readonly Spec[],
  options: FleetOptions,
): Promise<{readonly candidates: readonly Candidate[]; readonly stop: () => Promise<void>}> => {
  const {processes, folder} = options
  const names = wanted.filter(({start}) => start === undefined).map(({name}) => name)
  const ours = names.length === 0 ? undefined : await startOurs(options, names)
  const candidates = [...(ours?.candidates ?? [])]
  for (const {name, start, logs, endsSilently = false} of wanted) {
    if (start === undefined) continue
    const [port, logFile] = [await closedPort(), `${folder}/${name}.log`]
    const pid = await start({name, processes, folder, port, logFile})
    candidates.push({name, pid, port, isCompiledLate: false, endsSilently, ...outside(options), ...(logs === true ? {logFile} : {})})
  }
  return {
    candidates,
    stop: async () => {
      await processes.end()
      await ours?.feed.stop()
    },
  }
}
