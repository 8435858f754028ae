// The sessions of this executor: joins the relay for each that is asked for, within limits, and ends what a client leaves behind. The work itself is work.ts's.
import {appendFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {AssignedSession} from '#shared/domain/assignment.ts'
import {instanceName} from '#shared/domain/names.ts'
import type {Logger} from '#shared/log.ts'
import {type Ended, sessionProtocol} from '#shared/sessions/frames.ts'
import type {Peer} from '#shared/sessions/peer.ts'
import {hasProcess, type InstanceRecord, keyOf} from '../instance.ts'
import type {Attend, Launching} from '../launcher.ts'
import type {Logs} from '../logs/logs.ts'
import {followLines} from './lines.ts'
import {refuse, serve} from './work.ts'

/** Sessions at once, of all formations and of one. */
export const sessionsMax = 64
export const sessionsPerFormationMax = 24
/** The client is there first. */
const waitMs = 20_000
/** Between asking what a client left behind to end, and ending it. */
const leftBehindMs = 5_000
/** Orders come again with every change of what is assigned, for a minute. */
const rememberedMax = 1_000

export interface SessionsOptions {
  readonly records: () => ReadonlyMap<string, InstanceRecord>
  readonly directoryOf: (key: string) => string
  readonly exec: Launching['exec']
  readonly logs: Logs
  /** Ends the instance of a run whose client is gone. */
  readonly giveUp: (key: string, reason: string) => void
  readonly log: Logger
}

type Order = Pick<AssignedSession, 'id' | 'relay' | 'ticket'>

export class Sessions {
  readonly #options: SessionsOptions
  readonly #seen = new Set<string>()
  /** Formation by session. */
  readonly #open = new Map<string, string>()
  readonly #end = new AbortController()

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  /** Serves what is asked for and was not before. */
  take(orders: readonly AssignedSession[]): void {
    for (const order of orders) {
      if (this.#seen.has(order.id)) continue
      this.#seen.add(order.id)
      for (const oldest of this.#seen) {
        if (this.#seen.size <= rememberedMax) break
        this.#seen.delete(oldest)
      }
      this.#answer(order).catch(error => this.#options.log.warn({err: error, session: order.id}, 'a session came to nothing'))
    }
  }

  /** Ends every session, and what goes with it. */
  close(): void {
    this.#end.abort(new Error('the agent leaves'))
  }

  /** For a launcher: joins the client of a run before it starts. */
  readonly attend: Attend = async (record, signal) => {
    const {key, assignment} = record
    const line = assignment.run?.line
    if (line === undefined) throw new Error('nobody is attached any more')
    const peer = await this.#join(line, AbortSignal.any([signal, this.#end.signal]))
    const forget = this.#remember(line.id, assignment.formation, peer)
    const directory = this.#options.directoryOf(key)
    const copy = (stream: 'stdout' | 'stderr', bytes: Buffer): Promise<void> =>
      appendFile(join(directory, stream === 'stdout' ? 'out.log' : 'err.log'), bytes).catch(() => undefined)
    return {
      begin: running => {
        if (running.attached === undefined) throw new Error('it runs without anybody attached')
        const signalled = (name: NodeJS.Signals): void => running.signal?.(name)
        const served = serve(peer, {...running.attached, signal: signalled, ended: running.ended, copy}).then(end => {
          if (end !== 'ended') this.#options.giveUp(key, 'its client is gone')
        })
        void served.catch(error => this.#options.log.error({err: error, instance: key}, 'a run can not be served')).finally(forget)
      },
      fail: reason => void refuse(peer, {code: 125, reason}).finally(forget),
    }
  }

  async #join({relay, ticket}: Order, signal: AbortSignal): Promise<Peer> {
    // Agents without sessions, most of them, need not load WebSockets.
    const {joinRelay} = await import('#shared/sessions/peer.ts')
    return joinRelay({relay, ticket, waitMs, signal})
  }

  #remember(id: string, formation: string, peer: Peer): () => void {
    this.#open.set(id, formation)
    const end = (): void => peer.destroy()
    this.#end.signal.addEventListener('abort', end, {once: true})
    return () => {
      this.#open.delete(id)
      this.#end.signal.removeEventListener('abort', end)
    }
  }

  #tooMany(formation: string): string | undefined {
    if (this.#open.size >= sessionsMax) return `this executor serves ${sessionsMax} sessions already`
    const own = [...this.#open.values()].filter(each => each === formation).length
    return own >= sessionsPerFormationMax
      ? `this executor serves ${sessionsPerFormationMax} sessions of formation ${formation} already`
      : undefined
  }

  async #answer(order: AssignedSession): Promise<void> {
    const peer = await this.#join(order, this.#end.signal)
    const full = this.#tooMany(order.formation)
    if (full !== undefined) return refuse(peer, {code: 125, reason: full})
    const forget = this.#remember(order.id, order.formation, peer)
    try {
      if (order.kind === 'exec') await this.#exec(order, peer)
      else await this.#lines(order, peer)
    } finally {
      forget()
    }
  }

  async #lines(order: AssignedSession, peer: Peer): Promise<void> {
    peer.sendJson('hello', {protocol: sessionProtocol})
    await followLines(this.#options.logs, order, peer)
  }

  async #exec({id, formation, service = '', instance = '', command = [], terminal}: AssignedSession, peer: Peer): Promise<void> {
    const {records, exec} = this.#options
    const record = records().get(keyOf({formation, service, id: instance}))
    const refusal = (reason: string): Ended => ({code: 126, reason})
    if (exec === undefined) return refuse(peer, refusal('this executor can not run commands in instances'))
    if (record === undefined || !hasProcess(record)) return refuse(peer, refusal(`${instanceName(service, instance)} does not run`))
    try {
      const execution = await exec(record, {session: id, command, ...(terminal !== undefined && {terminal})})
      const end = await serve(peer, execution)
      if (end === 'ended') return
      execution.signal('SIGHUP')
      execution.signal('SIGTERM')
      const timer = setTimeout(() => execution.kill(), leftBehindMs)
      await execution.ended
      clearTimeout(timer)
      execution.kill()
    } catch (error) {
      await refuse(peer, refusal((error as Error).message))
    }
  }
}
