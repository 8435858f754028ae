// A running router or proxy, put together of its parts: all of one worker, but for the admin listener. Owns their start and their end; reads no environment.
import type {AddressInfo} from 'node:net'
import {Buckets, type Spent} from '#shared/domain/rate-limit.ts'
import type {Logger} from '#shared/log.ts'
import {compilePattern} from '#shared/patterns.ts'
import {type AccessLogMode, createAccessLog} from './access-log.ts'
import type {AdminSource} from './admin.ts'
import {Attempts} from './attempts.ts'
import {Candidates} from './candidates.ts'
import type {Role} from './destination.ts'
import {Directory, type Discovered} from './directory.ts'
import {Discovery, type DiscoveryOptions} from './discovery.ts'
import {createForwarder, type OutsidePolicy} from './forward.ts'
import {createHttpDate} from './http/date.ts'
import {Deadlines} from './http/deadlines.ts'
import {createReadBuffer} from './http/read-buffer.ts'
import {Turn} from './http/turn.ts'
import {Ids} from './ids.ts'
import {type Limits, shortestMs} from './limits.ts'
import {LineWriter, type Sink} from './line-writer.ts'
import {type Drain, Listener, listen, type Place, shutdown} from './listener.ts'
import {Lookout} from './lookout.ts'
import {createMetrics} from './metrics.ts'
import {createOutside} from './outside.ts'
import type {Report} from './report.ts'
import {createRouter} from './router.ts'
import {describeDirectory, describeUpstreams, type UpstreamView} from './table-view.ts'
import {Traffic} from './traffic.ts'
import {Tunnels} from './tunnels.ts'
import {Upstreams, upstreamIdleMsMax} from './upstreams.ts'

export interface DataPlaneOptions {
  readonly role: Role['name']
  readonly place: Place
  /** Our name in `Via`: a request that has it has been here. The workers of one router or proxy share it. */
  readonly pseudonym: string
  readonly outside: OutsidePolicy
  readonly discover: DiscoveryOptions['discover']
  readonly snapshotFile?: string
  /** A table to begin with, instead of a file's. */
  readonly table?: Discovered
  /** Longest wait between polls of the feed that fail. */
  readonly backoffMsMax?: number
  /** Does not listen before the table is whole, or this time is over; at once by default. */
  readonly settleMs?: number
  /** Instances of this zone come first. */
  readonly zone?: string
  readonly accessLog: AccessLogMode
  /** Where the lines of the access log go. */
  readonly accessLogSink: Sink
  /** Share of the traces that begin here that are marked as recorded. */
  readonly tracesSampledShare: number
  readonly limits: Limits
  readonly log: Logger
  readonly now: () => number
  readonly random: () => number
}

export interface DataPlane extends AdminSource {
  readonly address: AddressInfo
  readonly upstreams: () => readonly UpstreamView[]
  /** What rate limits have let through since the last call, and what other workers have: limits hold for all workers together. */
  readonly spent: () => readonly Spent[]
  readonly charge: (spent: readonly Spent[]) => void
  /** Resolves once there is a table. */
  readonly loaded: Promise<void>
  /** Waits for what is in flight as long as `drain` says, closes everything, saves the table. Called again, it only shortens the wait. */
  readonly stop: (drain?: Drain) => Promise<void>
}

const createDiscovery = (options: DataPlaneOptions, directory: Directory): Discovery => {
  const {discover, log, now, random, snapshotFile, table, backoffMsMax} = options
  return new Discovery({
    directory,
    discover,
    log,
    now,
    random,
    ...(snapshotFile === undefined ? {} : {snapshotFile}),
    ...(table === undefined ? {} : {table}),
    ...(backoffMsMax === undefined ? {} : {backoffMsMax}),
  })
}

/** Makes all parts; nothing runs yet. */
const assemble = (options: DataPlaneOptions, draining: () => boolean) => {
  const {limits, log, random} = options
  const turn = new Turn({now: options.now, steady: () => performance.now()})
  const {now, steady} = turn
  const directory = new Directory({compile: compilePattern, withRoutes: options.role === 'router'})
  const discovery = createDiscovery({...options, now}, directory)
  const metrics = createMetrics(directory, now)
  // A fault of ours ends the connection it happened on, not the process.
  const onFault = (error: unknown): void => log.error({err: error}, 'a request could not be served')
  // Not by the time of day: when that is set forward or back, everything would end at once, or nothing in time.
  const deadlines = new Deadlines(steady, shortestMs(limits), onFault)
  const shared = {limits, deadlines, readBuffer: createReadBuffer(), turn, onFault}
  const upstreams = new Upstreams(shared, options.zone)
  const lookout = new Lookout({upstreams: () => upstreams.all, limits, now, steady, ejected: metrics.ejected, onFault})
  const outside = createOutside(shared)
  const date = createHttpDate(now)
  const lines = new LineWriter(options.accessLogSink)
  const accessLog = createAccessLog({name: options.role, mode: options.accessLog, write: line => lines.write(line), random})
  const report: Report = entry => {
    metrics.report(entry)
    accessLog(entry)
  }
  const buckets = new Buckets()
  const role =
    options.role === 'router'
      ? createRouter(() => (directory.loaded ? directory.table : undefined), {buckets, now})
      : createForwarder(options.outside)
  const tracing = {ids: new Ids(), random, sampledShare: options.tracesSampledShare}
  const self = {role, pseudonym: options.pseudonym}
  const attempts = new Attempts({now, random}, metrics)
  const candidates = new Candidates(upstreams, random)
  const parts = {
    self,
    discovery,
    candidates,
    attempts,
    onFault,
    outside,
    limits,
    deadlines,
    report,
    tracing,
    draining,
    now,
    elapsed: steady,
    date,
  }
  const tunnels = new Tunnels({...parts, shared, opened: () => metrics.tunnels.inc(), closed: () => metrics.tunnels.dec()})
  const listener = new Listener({traffic: new Traffic(parts), tunnels, shared, date})
  return {directory, discovery, buckets, metrics, lines, deadlines, upstreams, lookout, outside, tunnels, listener}
}

/** Starts a router or a proxy. Resolves when it listens; it is ready when its first table is there. */
export const startDataPlane = async (options: DataPlaneOptions): Promise<DataPlane> => {
  const {role, limits, log, now} = options
  let isDraining = false
  const parts = assemble(options, () => isDraining)
  const {directory, discovery, buckets, metrics, lines, deadlines, upstreams, lookout, outside, tunnels, listener} = parts
  await discovery.start()
  if (options.settleMs !== undefined) await discovery.settled(options.settleMs)
  const address = await listen(listener.server, options.place)
  const sweeper = setInterval(() => {
    const listed = directory.listed()
    upstreams.sweep(now(), name => listed.has(name))
    metrics.sweep()
    outside.sweep()
  }, upstreamIdleMsMax / 4)

  const end = async (drained: Promise<boolean>): Promise<void> => {
    if (!(await drained)) log.warn({tunnels: tunnels.size}, 'cut off what was still in flight')
    tunnels.destroyAll()
    clearInterval(sweeper)
    await discovery.stop()
    lookout.stop()
    upstreams.destroy()
    outside.destroy()
    deadlines.stop()
    await lines.end()
  }
  let ended: Promise<void> | undefined
  return {
    address,
    loaded: discovery.loaded,
    readiness: () => ({ok: directory.loaded && !isDraining, tableLoaded: directory.loaded, draining: isDraining}),
    metrics: () => metrics.registry.metrics(),
    table: async () => ({...describeDirectory(role, directory), upstreams: describeUpstreams(upstreams, now())}),
    upstreams: () => describeUpstreams(upstreams, now()),
    spent: () => buckets.spent(),
    charge: spent => buckets.charge(spent, now()),
    stop: (drain = shutdown(limits)) => {
      isDraining = true
      const drained = listener.drain(drain)
      ended ??= end(drained)
      return ended
    },
  }
}
