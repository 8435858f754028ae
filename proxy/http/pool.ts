// The connections to one place: kept alive between requests, the last used first, a bounded number. Owns their lives; what is sent is the caller's business.
import type {Keeper, Place, Shared} from './upstream-connection.ts'
import {UpstreamConnection} from './upstream-connection.ts'

/** Who waits for a connection. Exactly one of the two is called, once. */
export interface Taker {
  readonly onConnection: (connection: UpstreamConnection) => void
  readonly onNoConnection: (error: Error) => void
  /** How long a connection may take to open. */
  readonly connectTimeoutMs: number
}

export class Pool implements Keeper {
  readonly #place: Place
  readonly #shared: Shared
  /** The last used is at the end. */
  readonly #idle: UpstreamConnection[] = []
  readonly #opening = new Map<UpstreamConnection, Taker>()
  readonly #queue = new Set<Taker>()
  readonly #open = new Set<UpstreamConnection>()
  #isClosing = false

  constructor(place: Place, shared: Shared) {
    this.#place = place
    this.#shared = shared
  }

  get isEmpty(): boolean {
    return this.#open.size === 0 && this.#queue.size === 0
  }

  /** Gives `taker` a connection: one that is idle, unless `fresh`, or a new one; or puts it in line when there are as many as may be. */
  take(taker: Taker, fresh: boolean): void {
    const kept = fresh ? undefined : this.#popIdle()
    if (kept !== undefined) {
      kept.expectNothing()
      taker.onConnection(kept)
    } else if (this.#open.size < this.#shared.limits.connectionsPerInstanceMax) this.#connect(taker)
    else this.#queue.add(taker)
  }

  /** The connection used last of those that are still good. Those that ended, or have been idle for too long, may just not have been noticed yet. */
  #popIdle(): UpstreamConnection | undefined {
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      if (last.isReady && last.deadlineAt > this.#shared.deadlines.now()) return last
      last.destroy(false)
    }
    return undefined
  }

  /** Takes back a wish that was not fulfilled yet. A connection on its way is kept for the next. */
  cancel(taker: Taker): void {
    this.#queue.delete(taker)
    for (const [connection, waiting] of this.#opening) if (waiting === taker) this.#opening.delete(connection)
  }

  /** A connection that has become a tunnel is not one of ours any more. */
  detach(connection: UpstreamConnection): void {
    this.#open.delete(connection)
    this.#openNext()
  }

  /** Takes in an open connection that somebody else has made, and whose end we are told of. */
  adopt(connection: UpstreamConnection): void {
    this.#open.add(connection)
    this.onIdle(connection)
  }

  #connect(taker: Taker): void {
    const connection = new UpstreamConnection(this.#place, this.#shared, this)
    this.#open.add(connection)
    this.#opening.set(connection, taker)
    connection.expectWithin(taker.connectTimeoutMs, 'CONNECT_TIMEOUT')
  }

  onOpen(connection: UpstreamConnection): void {
    const taker = this.#opening.get(connection)
    this.#opening.delete(connection)
    if (taker === undefined) this.onIdle(connection)
    else taker.onConnection(connection)
  }

  onIdle(connection: UpstreamConnection): void {
    const next = this.#next()
    if (next !== undefined) next.onConnection(connection)
    else if (this.#isClosing) connection.destroy(false)
    else {
      this.#idle.push(connection)
      connection.expectWithin(this.#shared.limits.upstreamKeepAliveMs)
    }
  }

  onClosed(connection: UpstreamConnection, error: Error | undefined): void {
    this.#open.delete(connection)
    const place = this.#idle.indexOf(connection)
    if (place >= 0) this.#idle.splice(place, 1)
    const taker = this.#opening.get(connection)
    this.#opening.delete(connection)
    taker?.onNoConnection(error ?? new Error('the connection was closed'))
    this.#openNext()
  }

  /** There may be room for who is first in line. */
  #openNext(): void {
    const next = this.#open.size < this.#shared.limits.connectionsPerInstanceMax ? this.#next() : undefined
    if (next !== undefined) this.#connect(next)
  }

  #next(): Taker | undefined {
    for (const taker of this.#queue) {
      this.#queue.delete(taker)
      return taker
    }
    return undefined
  }

  /** Since when the request that has waited longest for something from the other side does; Infinity when none does. */
  get quietSince(): number {
    let since = Number.POSITIVE_INFINITY
    for (const connection of this.#open) if (connection.isAsked && connection.quietSince < since) since = connection.quietSince
    return since
  }

  /** Ends all connections with requests that have heard nothing since `before`, with `error`, and connections that are idle since then. */
  abandonQuiet(before: number, error: Error): void {
    for (const connection of this.#open)
      if (connection.quietSince <= before && !this.#opening.has(connection)) connection.destroy(false, error)
  }

  /** Closes what is idle now, and the rest when it becomes idle. */
  close(): void {
    this.#isClosing = true
    for (const connection of this.#idle) connection.destroy(false)
  }

  destroy(): void {
    this.#isClosing = true
    for (const connection of this.#open) connection.destroy(false)
  }
}
