// A running router or proxy, put together of its parts. Owns their start and their end; reads no environment.
import {randomBytes} from 'node:crypto'
import type {AddressInfo} from 'node:net'
import {Buckets} from '#shared/domain/rate-limit.ts'
import type {Logger} from '#shared/log.ts'
import {compilePattern} from '#shared/patterns.ts'
import {type AccessLogMode, createAccessLog} from './access-log.ts'
import {closeAdmin, createAdmin} from './admin.ts'
import {Attempts} from './attempts.ts'
import {Candidates} from './candidates.ts'
import type {Role} from './destination.ts'
import {Directory} from './directory.ts'
import {Discovery, type DiscoveryOptions} from './discovery.ts'
import {createForwarder, type OutsidePolicy} from './forward.ts'
import {createHttpDate} from './http/date.ts'
import {Deadlines} from './http/deadlines.ts'
import {createReadBuffer} from './http/read-buffer.ts'
import {type Limits, shortestMs} from './limits.ts'
import {Listener, listen} from './listener.ts'
import {createMetrics} from './metrics.ts'
import {createOutside} from './outside.ts'
import type {Report} from './report.ts'
import {createRouter} from './router.ts'
import {Traffic} from './traffic.ts'
import {Tunnels} from './tunnels.ts'
import {Upstreams, upstreamIdleMsMax} from './upstreams.ts'

export interface DataPlaneOptions {
  readonly role: Role['name']
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  readonly adminPort: number
  readonly outside: OutsidePolicy
  readonly discover: DiscoveryOptions['discover']
  readonly snapshotFile?: string
  /** Instances of this zone come first. */
  readonly zone?: string
  readonly accessLog: AccessLogMode
  readonly limits: Limits
  readonly log: Logger
  readonly now: () => number
  readonly random: () => number
}

export interface DataPlane {
  readonly address: AddressInfo
  readonly adminAddress: AddressInfo
  /** Stops accepting, waits for what is in flight up to the drain timeout, closes everything, saves the table. */
  readonly stop: () => Promise<void>
}

/** Starts a router or a proxy. Resolves when both listeners listen; it is ready when its first table is there. */
export const startDataPlane = async (options: DataPlaneOptions): Promise<DataPlane> => {
  const {limits, log, now, random, snapshotFile} = options
  const directory = new Directory({compile: compilePattern, withRoutes: options.role === 'router'})
  const discovery = new Discovery({
    directory,
    discover: options.discover,
    log,
    now,
    random,
    ...(snapshotFile === undefined ? {} : {snapshotFile}),
  })
  const metrics = createMetrics(directory, now)
  // A fault of ours ends the connection it happened on, not the process.
  const onFault = (error: unknown): void => log.error({err: error}, 'a request could not be served')
  const deadlines = new Deadlines(now, shortestMs(limits), onFault)
  const shared = {limits, deadlines, readBuffer: createReadBuffer(), onFault}
  const upstreams = new Upstreams(shared, options.zone)
  const outside = createOutside(shared)
  const date = createHttpDate(now)
  const accessLog = createAccessLog(log, options.accessLog, {now, random})
  const report: Report = entry => {
    metrics.report(entry)
    accessLog(entry)
  }
  let isDraining = false
  const draining = (): boolean => isDraining
  const role =
    options.role === 'router'
      ? createRouter(() => (directory.loaded ? directory.table : undefined), {buckets: new Buckets(), now})
      : createForwarder(options.outside)
  const self = {role, pseudonym: `gilliam-${role.name}-${randomBytes(6).toString('hex')}`}
  const attempts = new Attempts({now, random}, metrics)
  const candidates = new Candidates(upstreams)
  const parts = {self, discovery, candidates, attempts, onFault, outside, limits, deadlines, report, draining, now, random, date}
  const tunnels = new Tunnels({...parts, shared, opened: () => metrics.tunnels.inc(), closed: () => metrics.tunnels.dec()})
  const listener = new Listener({traffic: new Traffic(parts), tunnels, shared, date})
  const admin = createAdmin({role: role.name, directory, upstreams, metrics, draining, now})

  await discovery.start()
  const adminAddress = await listen(admin, options.host, options.adminPort)
  const address = await listen(listener.server, options.host, options.port)
  const sweeper = setInterval(() => {
    upstreams.sweep(now())
    outside.sweep()
  }, upstreamIdleMsMax / 4)

  const stop = async (): Promise<void> => {
    isDraining = true
    const drained = await listener.drain(limits.drainTimeoutMs)
    if (!drained) log.warn({tunnels: tunnels.size}, 'cut off what was still in flight')
    tunnels.destroyAll()
    clearInterval(sweeper)
    await discovery.stop()
    upstreams.destroy()
    outside.destroy()
    deadlines.stop()
    await closeAdmin(admin)
  }
  return {address, adminAddress, stop}
}
