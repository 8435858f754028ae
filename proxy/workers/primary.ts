// The primary process: holds sockets and table, leads the workers, answers for all of them on the admin port. Serves no traffic itself.
import {randomBytes} from 'node:crypto'
import type {Logger} from '#shared/log.ts'
import {compilePattern} from '#shared/patterns.ts'
import {type AdminSource, closeAdmin, createAdmin} from '../admin.ts'
import {Directory} from '../directory.ts'
import {Discovery, type DiscoveryOptions} from '../discovery.ts'
import type {Limits} from '../limits.ts'
import {type Drain, listen, shutdown} from '../listener.ts'
import {createMetrics} from '../metrics.ts'
import {relayLimitsDefault} from '../rendezvous/limits.ts'
import {createRelay, type Relay, type RelayOptions} from '../rendezvous/server.ts'
import type {Settings} from '../settings.ts'
import {describeDirectory, mergeUpstreams} from '../table-view.ts'
import {Crew} from './crew.ts'
import type {ToWorker} from './messages.ts'
import {type WorkerOptions, WorkerProcess} from './process.ts'
import {holdSockets} from './sockets.ts'
import {createTableFeed} from './table-feed.ts'
import {Totals} from './totals.ts'

/** A worker that takes longer is answered for with what it told last. */
const reportTimeoutMs = 1_000

export interface PrimaryOptions {
  readonly settings: Settings
  readonly discover: DiscoveryOptions['discover']
  readonly relay: Pick<RelayOptions, 'fetchKeys' | 'fetchRevoked'>
  readonly limits: Limits
  /** What a worker is started with. */
  readonly program: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Logger
  readonly now: () => number
  readonly random: () => number
}

export interface Primary {
  /** Replaces the workers by ones of the program on disk. */
  readonly reload: () => Promise<void>
  /** Ends the workers as `drain` says, then everything. */
  readonly stop: (drain: Drain) => Promise<void>
}

/** Routers and proxies that a worker's `Via` names are told apart by this; all workers of one share it. */
const createPseudonym = (role: string): string => `gilliam-${role}-${randomBytes(6).toString('hex')}`

const createTable = ({settings, discover, log, now, random}: PrimaryOptions) => {
  const {snapshotFile} = settings
  const directory = new Directory({compile: compilePattern, withRoutes: settings.role === 'router'})
  const discovery = new Discovery({directory, discover, log, now, random, ...(snapshotFile === undefined ? {} : {snapshotFile})})
  return {directory, discovery}
}

const createSource = (role: Settings['role'], directory: Directory, crew: Crew, totals: Totals, now: () => number): AdminSource => {
  const own = createMetrics(directory, now)
  const refreshed = async (): Promise<readonly WorkerProcess[]> => {
    const {workers} = crew
    await Promise.all(workers.map(worker => worker.refresh(reportTimeoutMs)))
    return workers
  }
  return {
    readiness: () => {
      const workers = crew.workers.map(({id, pid, state}) => ({id, pid, state}))
      const ok = directory.loaded && !crew.isStopping && workers.some(({state}) => state === 'ready')
      return {ok, tableLoaded: directory.loaded, draining: crew.isStopping, workers}
    },
    metrics: async () => {
      const workers = await refreshed()
      const live = workers.filter(({isGone}) => !isGone).map(({report}) => report.metrics)
      return totals.sum(await own.registry.metrics(), live, now())
    },
    table: async () => {
      const upstreams = mergeUpstreams((await refreshed()).map(({report}) => report.upstreams))
      return {...describeDirectory(role, directory), upstreams}
    },
  }
}

/** Sessions meet here, at one process, whatever becomes of the workers. */
const startRelay = async ({settings, relay: source, log, now}: PrimaryOptions): Promise<Relay | undefined> => {
  const {host, relayPort} = settings
  if (relayPort === undefined) return undefined
  const relay = createRelay({...source, limits: relayLimitsDefault, log, now})
  await listen(relay.server, {host, port: relayPort})
  return relay
}

/** Starts primary and workers. Resolves when all workers take connections; rejects when a port is taken or a worker can not be started. */
export const startPrimary = async (options: PrimaryOptions): Promise<Primary> => {
  const {settings, limits, program, args, env, log, now} = options
  const {role, host, port, adminPort, workers, reloadDrainMs} = settings
  const sockets = await holdSockets(host, port, workers)
  const {directory, discovery} = createTable(options)
  const feed = createTableFeed({directory, discovery, now})
  const totals = new Totals()
  const pseudonym = createPseudonym(role)
  const start = (): Extract<ToWorker, {kind: 'start'}> => {
    const isLoaded = directory.loaded
    return {kind: 'start', pseudonym, isLoaded, ...(isLoaded && directory.outOfReach ? {table: directory.snapshot(now())} : {})}
  }
  const onSpent: WorkerOptions['onSpent'] = (spent, from) => {
    for (const worker of crew.workers) if (worker !== from) worker.charge(spent)
  }
  let lastId = 0
  const crew: Crew = new Crew({
    sockets,
    spawn: (socket, onChange) => {
      lastId += 1
      return new WorkerProcess({id: lastId, program, args, env, socket, start, feed, onChange, onSpent, now})
    },
    // A replaced worker keeps idle connections as long as they are kept anyway: nobody's request meets a connection that a reload is closing.
    replaced: {acceptMs: 0, idleMs: limits.keepAliveMs, timeoutMs: reloadDrainMs},
    onGone: ({report}) => totals.retire(report.metrics),
    log,
    now,
  })
  const admin = createAdmin(createSource(role, directory, crew, totals, now))
  const stop = async (drain: Drain): Promise<void> => {
    await crew.stop(drain)
    await relay?.close()
    await discovery.stop()
    await closeAdmin(admin)
  }
  const relay = await startRelay(options)
  await listen(admin, {host, port: adminPort})
  await discovery.start()
  if (await crew.start()) return {reload: () => crew.reload(), stop}
  await stop(shutdown(limits))
  throw new Error('the workers can not be started; their log says why')
}
