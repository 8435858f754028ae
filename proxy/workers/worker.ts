// A worker: serves traffic from the socket its primary holds, with the table its primary has. Holds no credential of the control plane and no file.
import type {Logger} from '#shared/log.ts'
import {type DataPlane, startDataPlane} from '../data-plane.ts'
import type {Discovered} from '../directory.ts'
import type {DiscoveryOptions} from '../discovery.ts'
import {limitsDefault} from '../limits.ts'
import {toDescriptor} from '../line-writer.ts'
import type {Drain} from '../listener.ts'
import type {Settings} from '../settings.ts'
import {listeningFd, protocolVersion, type ToPrimary, type ToWorker, type WorkerReport} from './messages.ts'

/** With a table to be had, a worker takes no connection before it has it; but does not wait longer than this. */
const settleMs = 10_000
/** Workers tell each other this often what rate limits let through. */
const spentTellMs = 100
/** The primary answers at once; only the control plane may be slow. */
const askAgainMsMax = 250

export interface Channel {
  readonly send: (message: ToPrimary) => Promise<void>
  readonly onMessage: (listener: (message: ToWorker) => void) => void
  /** The primary is gone. */
  readonly onClosed: (listener: () => void) => void
}

/** The feed, as the primary passes it on. */
class RemoteFeed {
  readonly #channel: Channel
  readonly #waiting = new Map<number, (discovered: Discovered | undefined) => void>()
  #lastId = 0

  constructor(channel: Channel) {
    this.#channel = channel
  }

  readonly discover: DiscoveryOptions['discover'] = async (asked, signal) => {
    this.#lastId += 1
    const id = this.#lastId
    const answered = new Promise<Discovered | undefined>((resolve, reject) => {
      this.#waiting.set(id, resolve)
      signal.addEventListener('abort', () => reject(signal.reason), {once: true})
    })
    try {
      await this.#channel.send({kind: 'discover', id, asked})
      const discovered = await answered
      if (discovered === undefined) throw new Error('the control plane is out of reach')
      return discovered
    } finally {
      this.#waiting.delete(id)
    }
  }

  answered(id: number, discovered: Discovered | undefined): void {
    this.#waiting.get(id)?.(discovered)
  }
}

const reportOf = async (plane: DataPlane): Promise<WorkerReport> => ({metrics: await plane.metrics(), upstreams: plane.upstreams()})

const startWith = (start: Extract<ToWorker, {kind: 'start'}>, settings: Settings, feed: RemoteFeed, log: Logger): Promise<DataPlane> =>
  startDataPlane({
    role: settings.role,
    place: {fd: listeningFd},
    pseudonym: start.pseudonym,
    outside: settings.outside,
    accessLog: settings.accessLog,
    accessLogSink: toDescriptor(1),
    tracesSampledShare: settings.tracesSampledShare,
    discover: feed.discover,
    backoffMsMax: askAgainMsMax,
    ...(start.table === undefined ? {} : {table: start.table}),
    ...(start.isLoaded && start.table === undefined ? {settleMs} : {}),
    ...(settings.zone === undefined ? {} : {zone: settings.zone}),
    limits: limitsDefault,
    log,
    now: Date.now,
    random: Math.random,
  })

/** Serves until told to drain, or until the primary is gone; `exit` ends the process. */
export const runWorker = (settings: Settings, channel: Channel, log: Logger, exit: (code: number) => void): void => {
  const feed = new RemoteFeed(channel)
  let starting: Promise<DataPlane> | undefined
  const start = async (message: Extract<ToWorker, {kind: 'start'}>): Promise<void> => {
    starting = startWith(message, settings, feed, log)
    const plane = await starting
    await channel.send({kind: 'listening'})
    setInterval(() => {
      const spent = plane.spent()
      if (spent.length > 0) channel.send({kind: 'spent', spent}).catch(() => undefined)
    }, spentTellMs)
    await plane.loaded
    await channel.send({kind: 'ready'})
  }
  const failed = (error: unknown): void => {
    log.error({err: error}, 'the worker ends')
    exit(1)
  }
  const stop = async (drain?: Drain): Promise<void> => {
    const plane = await starting
    await plane?.stop(drain)
    if (plane !== undefined) await channel.send({kind: 'ended', report: await reportOf(plane)}).catch(() => undefined)
    exit(0)
  }
  const report = async (id: number): Promise<void> => {
    const plane = await starting
    if (plane !== undefined) await channel.send({kind: 'report', id, report: await reportOf(plane)})
  }
  channel.onMessage(message => {
    if (message.kind === 'start') start(message).catch(failed)
    else if (message.kind === 'discovered') feed.answered(message.id, message.discovered)
    else if (message.kind === 'report') report(message.id).catch(failed)
    else if (message.kind === 'spent') void starting?.then(plane => plane.charge(message.spent))
    else if (message.kind === 'drain') stop(message.drain).catch(failed)
  })
  channel.onClosed(() => void stop().catch(failed))
  channel.send({kind: 'hello', protocol: protocolVersion}).catch(failed)
}
