// Following lines: live from every executor that runs matching instances, and from what is kept, which fills gaps and stands in where nothing is live.
import type {Client} from '#shared/client.ts'
import {isPlaced} from '#shared/domain/instance.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import {readJson} from '#shared/sessions/frames.ts'
import type {Peer} from '#shared/sessions/peer.ts'
import {neutralise} from '../safe.ts'
import type {Session} from '../session.ts'
import {Once} from './once.ts'

export type Line = OutputOf<'getLogs'>['items'][number]

export interface Following {
  readonly formation: string
  readonly filter: {readonly service?: string; readonly instance?: string}
  /** Of what was shown already. */
  readonly cursor: string
  readonly show: (line: Line) => void
}

const linesMax = 1_000
/** Milliseconds either side of the epoch that are a date (ECMA-262, Time Values). */
const dateMsMax = 8.64e15
/** How often what is kept is read while everything is live, and while it is not. */
const liveReadMs = 5_000
const readMs = 1_000
/** How often it is looked whether instances run elsewhere too. */
const lookMs = 2_000
/** An executor that could not be reached is tried again after this. */
const againMs = 10_000
/** As long as an agent may take to hear of it. */
const joinMs = 30_000
/** How finely these times are kept. */
const stepMs = 200

/** What an executor sends is checked here: no control plane has seen it. */
const isLine = (value: unknown): value is Line => {
  if (typeof value !== 'object' || value === null) return false
  const {service, id, at, stream, text} = value as Record<string, unknown>
  const isDate = typeof at === 'number' && Math.abs(at) <= dateMsMax
  return isDate && [service, id, stream, text].every(each => typeof each === 'string')
}

/** Live lines of executors, as they come to run matching instances. */
class Live {
  readonly #session: Session
  readonly #following: Following
  readonly #onLine: (line: Line) => void
  readonly #onJoined: () => void
  readonly #peers = new Map<string, Peer>()
  readonly #joining = new Set<string>()
  readonly #failedAt = new Map<string, number>()
  readonly #end = new AbortController()
  #told = false

  constructor(session: Session, following: Following, on: {line: (line: Line) => void; joined: () => void}) {
    this.#session = session
    this.#following = following
    this.#onLine = on.line
    this.#onJoined = on.joined
  }

  /** Whether every one of these executors is followed. */
  covers(executors: ReadonlySet<string>): boolean {
    return [...executors].every(executor => this.#peers.has(executor))
  }

  /** Follows these executors, and nobody else. */
  attend(client: Client, executors: ReadonlySet<string>): void {
    for (const [executor, peer] of this.#peers) if (!executors.has(executor)) peer.destroy()
    for (const executor of executors) {
      const isEarly = this.#session.now() - (this.#failedAt.get(executor) ?? Number.NEGATIVE_INFINITY) < againMs
      if (this.#peers.has(executor) || this.#joining.has(executor) || isEarly) continue
      this.#joining.add(executor)
      this.#join(client, executor)
        .catch((error: Error) => {
          this.#failedAt.set(executor, this.#session.now())
          this.tell(error.message)
        })
        .finally(() => this.#joining.delete(executor))
    }
  }

  /** Says once why lines do not come live. */
  tell(why: string): void {
    if (this.#told || this.#end.signal.aborted) return
    this.#told = true
    this.#session.err(`gilliam: lines do not come live (${neutralise(why)}): what is kept is read every second\n`)
  }

  async #join(client: Client, executor: string): Promise<void> {
    const {formation, filter} = this.#following
    const {signal} = this.#end
    const {relay, ticket} = await client.call('followLogs', {params: {formation}, body: {executor, ...filter}}, {signal, triesMax: 1})
    const {joinRelay} = await import('#shared/sessions/peer.ts')
    const peer = await joinRelay({relay, ticket, waitMs: joinMs, signal})
    this.#peers.set(executor, peer)
    this.#failedAt.delete(executor)
    let why = ''
    peer.listen(({name, payload}) => {
      const {lines, reason} = readJson(payload)
      if (name === 'lines' && Array.isArray(lines)) for (const line of lines) if (isLine(line)) this.#onLine(line)
      if (name === 'exit' && typeof reason === 'string') why = reason
      if (name === 'hello') this.#onJoined()
    })
    void peer.closed.then(() => {
      this.#peers.delete(executor)
      if (why === '') return
      this.#failedAt.set(executor, this.#session.now())
      this.tell(why)
    })
  }

  close(): void {
    this.#end.abort(new Error('not followed any more'))
    for (const peer of this.#peers.values()) peer.destroy()
  }
}

/** Executors with instances whose lines are wanted. */
const executorsOf = async (client: Client, {formation, filter: {service, instance}}: Following): Promise<Set<string>> => {
  const {items} = await client.call('listInstances', {params: {formation}, query: service === undefined ? {} : {service}})
  const wanted = items.filter(({id, state}) => isPlaced(state as 'running') && (instance === undefined || id === instance))
  return new Set(wanted.flatMap(({executor}) => executor ?? []))
}

/** Shows lines until Ctrl-C, which throws Interrupted. */
export const follow = async (session: Session, following: Following): Promise<never> => {
  const {formation, filter, show} = following
  const client = await session.client()
  const once = new Once()
  const show1 = (line: Line, way: 'live' | 'kept'): void => {
    if (once.isNew(line, way, session.now())) show(line)
  }
  let readAt = Number.NEGATIVE_INFINITY
  let lookAt = Number.NEGATIVE_INFINITY
  let cursor = following.cursor
  // What was on its way when live lines began is kept by now, or soon.
  const live = new Live(session, following, {line: line => show1(line, 'live'), joined: () => (readAt = Number.NEGATIVE_INFINITY)})
  let executors: ReadonlySet<string> = new Set()
  const read = async (): Promise<void> => {
    for (;;) {
      const page = await client.call('getLogs', {params: {formation}, query: {...filter, cursor, limit: String(linesMax)}})
      for (const line of page.items.toSorted((a, b) => a.at - b.at)) show1(line, 'kept')
      cursor = page.cursor
      if (page.items.length < linesMax) return
    }
  }
  try {
    for (;;) {
      if (session.now() - lookAt >= lookMs) {
        lookAt = session.now()
        executors = await executorsOf(client, following).catch((error: unknown) => {
          if (!(error instanceof GilliamError)) throw error
          live.tell(error.message)
          return new Set<string>()
        })
        live.attend(client, executors)
      }
      const everyMs = live.covers(executors) && executors.size > 0 ? liveReadMs : readMs
      if (session.now() - readAt >= everyMs) {
        readAt = session.now()
        await read()
      }
      await session.sleep(stepMs)
    }
  } finally {
    live.close()
  }
}
