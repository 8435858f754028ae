// One connection from a client: reads requests one after the other, has each served before it looks at the next (RFC 9112 §9.3.2), and ends it cleanly. Owns
// the socket and its state; what becomes of a request is for others.
import type {Socket} from 'node:net'
import type {Limits} from '../limits.ts'
import {LF} from './bytes.ts'
import type {Deadlines, Waiting} from './deadlines.ts'
import {endsOf} from './ends.ts'
import {Exchange, type ExchangeHost} from './exchange.ts'
import {type Fault, fault} from './fields.ts'
import {requestFraming} from './framing.ts'
import {isFault, parseRequestHead} from './head.ts'
import {Outlet} from './outlet.ts'
import type {TunnelEnd, TunnelSink} from './tunnel.ts'
import type {Turn} from './turn.ts'

/**
 * `head`: between requests, or a head is coming in. `body`: a request is served whose body has not come in whole. `busy`: it has. `lingering`: we have said
 * our last and drop what comes, so that the client gets to read it before the connection is reset (RFC 9112 §9.6).
 */
type State = 'head' | 'body' | 'busy' | 'tunnel' | 'lingering' | 'closed'

/** Our last answer is given this long to reach a client that keeps sending. */
const lingerMs = 2_000
/** A client that has closed its side still gets an answer that comes within this time; one that has left is not worked for much longer. */
const halfClosedMs = 2_000
/** What a client may send ahead of its answers before it is made to wait. */
const aheadBytesMax = 65_536

export interface ClientOptions {
  readonly limits: Limits
  readonly deadlines: Deadlines
  readonly turn: Turn
  readonly serve: (exchange: Exchange, connection: ClientConnection) => void
  /** Answers what can not be a request; `closed` connections are gone. */
  readonly refuse: (fault: Fault, connection: ClientConnection) => void
  readonly onClosed: (connection: ClientConnection) => void
  /** Told of a fault of ours; the connection it happened on ends. */
  readonly onFault: (error: unknown) => void
}

export class ClientConnection implements ExchangeHost, Waiting, TunnelEnd {
  readonly outlet: Outlet
  readonly peer: {readonly address: string; readonly port: number}
  deadlineAt = Number.POSITIVE_INFINITY
  /** The authority of the CONNECT that requests on this connection come through; undefined for those that come directly. */
  within: string | undefined
  readonly #socket: Socket
  readonly #options: ClientOptions
  #state: State = 'head'
  #exchange: Exchange | undefined
  #tunnel: TunnelSink | undefined
  /** Received and not used yet. */
  #held: Buffer | undefined
  #paused = false
  #ended = false
  #isReading = false
  /** Between requests, the last answer is taken in so slowly that the client was given more time, once. */
  #isTakingLong = false
  #writtenBefore = 0

  constructor(socket: Socket, options: ClientOptions) {
    this.#socket = socket
    this.#options = options
    this.outlet = new Outlet(socket, options.turn)
    this.peer = {address: (socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, ''), port: socket.remotePort ?? 0}
    socket.on('data', chunk => this.#onData(chunk as Buffer))
    socket.on('end', () => this.#guard(() => this.#onEnd()))
    socket.on('drain', () => this.#guard(() => this.#onDrain()))
    socket.on('error', () => undefined)
    socket.on('close', () => this.#guard(() => this.#onClose()))
    options.deadlines.watch(this)
    this.expectWithin(options.limits.keepAliveMs)
  }

  /** Between requests, with nothing received of the next. */
  get isIdle(): boolean {
    return this.#state === 'head' && this.#held === undefined
  }

  /** Both ends, the peer's first: as {@link UpstreamConnection.ends} has them when it is the peer. */
  get ends(): string {
    const {localAddress, localPort} = this.#socket
    return endsOf(this.peer.address, this.peer.port, localAddress, localPort)
  }

  get #idleTimeoutMs(): number {
    return this.#exchange?.idleTimeoutMs ?? this.#options.limits.idleTimeoutMs
  }

  /** A head, or what may become one, is coming in. */
  get isPartial(): boolean {
    return this.#state === 'head' && this.#held !== undefined
  }

  /** Ends the connection when everything has gone out. */
  #destroySoon(): void {
    this.outlet.flush()
    this.#socket.destroySoon()
  }

  expectWithin(ms: number): void {
    this.deadlineAt = this.#options.deadlines.now() + ms
  }

  onDeadline(): void {
    this.deadlineAt = Number.POSITIVE_INFINITY
    if (this.#state === 'head' && this.#socket.writableLength > 0 && !this.#isTakingLong) {
      this.#isTakingLong = true
      this.expectWithin(this.#idleTimeoutMs)
    } else if (this.#state === 'head' && this.#held !== undefined && !this.outlet.blocked) {
      this.#options.refuse(fault('the head of the request took too long'), this)
    } else if (this.#state === 'busy' && this.#socket.bytesWritten > this.#writtenBefore) this.#expectSoon()
    else this.#socket.destroy()
  }

  /** For a client that has closed its side: who has left altogether would have broken off what we write. */
  #expectSoon(): void {
    this.#writtenBefore = this.#socket.bytesWritten
    this.expectWithin(halfClosedMs)
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#fail(error)
    }
  }

  #onDrain(): void {
    if (this.#tunnel !== undefined) this.#tunnel.drained()
    else if (this.#exchange !== undefined) this.#exchange.drained()
    else if (this.#state === 'head') this.#readNext()
  }

  #onData(chunk: Buffer): void {
    try {
      if (this.#state === 'tunnel') this.#tunnel?.data(chunk, 0, chunk.length, true)
      else if (this.#state !== 'lingering' && this.#state !== 'closed') this.#onRequestBytes(chunk)
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#options.onFault(error)
    this.#socket.destroy()
  }

  #onRequestBytes(chunk: Buffer): void {
    const isNew = this.#held === undefined
    this.#held = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk])
    if (this.#state === 'head') {
      if (!isNew && !chunk.includes(LF) && this.#held.length < this.#options.limits.headBytesMax) return
    } else if (this.#state === 'body' && this.#exchange?.bodyTaken === true) this.expectWithin(this.#idleTimeoutMs)
    this.#advance()
    if (isNew && this.isPartial) this.expectWithin(this.#options.limits.headTimeoutMs)
    if (this.#held !== undefined && this.#state !== 'head' && this.#held.length >= aheadBytesMax) this.#pause()
  }

  /** Uses what is held as far as the state allows. Requests that end at once are taken in a loop, not in one another. */
  #advance(): void {
    if (this.#isReading) return
    this.#isReading = true
    let held = this.#held
    while (held !== undefined) {
      // A client that takes no answers is not served on: they would fill our memory.
      if (this.#state === 'head' && this.outlet.blocked) this.#pause()
      else if (this.#state === 'head') this.#readHead(held)
      else if (this.#state === 'body' && this.#exchange?.bodyTaken === true && !this.#paused) this.#readBody(held, this.#exchange)
      else break
      if (this.#held === held) break
      held = this.#held
    }
    this.#isReading = false
    if (this.#held === undefined && this.#ended) this.#afterEnd()
  }

  #keep(bytes: Buffer, from: number): void {
    this.#held = from < bytes.length ? bytes.subarray(from) : undefined
  }

  #readHead(bytes: Buffer): void {
    const head = parseRequestHead(bytes, 0, bytes.length, this.#options.limits)
    if (head === undefined) return
    const framing = isFault(head) ? head : requestFraming(head)
    if (isFault(head) || isFault(framing)) {
      this.#held = undefined
      this.#options.refuse(framing as Fault, this)
      return
    }
    this.#keep(bytes, head.length)
    const exchange = new Exchange(head, framing, this)
    this.#exchange = exchange
    this.#state = exchange.bodyWhole ? 'busy' : 'body'
    this.deadlineAt = Number.POSITIVE_INFINITY
    this.#options.serve(exchange, this)
  }

  #readBody(bytes: Buffer, exchange: Exchange): void {
    const next = exchange.feed(bytes, 0)
    if (typeof next !== 'number') {
      this.#held = undefined
      if (exchange.answerBegun) this.#socket.destroy()
      else this.#options.refuse(next, this)
      return
    }
    this.#keep(bytes, next)
    if (this.#state === 'body' && exchange.bodyWhole) {
      this.#state = 'busy'
      this.deadlineAt = Number.POSITIVE_INFINITY
    } else if (this.#state === 'body' && exchange.pauseFeed()) {
      this.deadlineAt = Number.POSITIVE_INFINITY
      this.#pause()
    }
  }

  onBodyWanted(): void {
    if (this.#state !== 'body') return
    this.expectWithin(this.#idleTimeoutMs)
    this.#unpause()
    this.#advance()
  }

  onClientSlow(isSlow: boolean): void {
    this.deadlineAt = isSlow ? this.#options.deadlines.now() + this.#idleTimeoutMs : Number.POSITIVE_INFINITY
  }

  /** The answer is out. Either the next request is looked at, or the connection ends. */
  onAnswered(): void {
    const exchange = this.#exchange as Exchange
    this.#exchange = undefined
    if (exchange.last || !exchange.bodyWhole) {
      this.end()
      return
    }
    this.#state = 'head'
    this.#readNext()
  }

  /** Looks for the next request, in what is held and what comes. */
  #readNext(): void {
    this.#isTakingLong = false
    this.expectWithin(this.#held === undefined ? this.#options.limits.keepAliveMs : this.#options.limits.headTimeoutMs)
    this.#unpause()
    this.#advance()
  }

  /** Says no more: closes our side and waits for the client to close its own. */
  end(): void {
    this.#state = 'lingering'
    this.#held = undefined
    this.outlet.flush()
    this.#socket.end(() => this.expectWithin(lingerMs))
    this.#unpause()
    this.expectWithin(this.#idleTimeoutMs)
    if (this.#ended) this.#destroySoon()
  }

  /**
   * Ends the connection after the present answer. `closeIdle`: now, if nothing is going on. Our side closes first and what comes then is dropped: a
   * request that crosses with it was not served (RFC 9112 §9.6), and its client does not see a reset instead.
   */
  drain(closeIdle: boolean): void {
    if (this.isIdle) {
      if (closeIdle) this.end()
    } else if (this.#exchange !== undefined && !this.#exchange.answerBegun) this.#exchange.last = true
  }

  #onEnd(): void {
    this.#ended = true
    if (this.#state === 'tunnel') this.#tunnel?.end()
    else if (this.#state === 'busy') this.#expectSoon()
    else if (this.#state === 'lingering' || this.isIdle) this.#destroySoon()
    else {
      this.outlet.flush()
      this.#socket.destroy()
    }
  }

  /** The client has closed its side and everything it sent is used up. */
  #afterEnd(): void {
    if (this.#state === 'head') this.#destroySoon()
    else if (this.#state === 'busy') this.#expectSoon()
  }

  #onClose(): void {
    this.#state = 'closed'
    this.#options.deadlines.forget(this)
    this.#options.onClosed(this)
    this.#exchange?.leave()
    this.#tunnel?.closed()
  }

  enterTunnel(sink: TunnelSink): void {
    this.#state = 'tunnel'
    this.#tunnel = sink
    this.#exchange = undefined
    const early = this.#held
    this.#held = undefined
    this.#unpause()
    if (early !== undefined) sink.data(early, 0, early.length, true)
    if (this.#ended) sink.end()
  }

  /** What came through the tunnel are requests after all, beginning with `bytes`. */
  leaveTunnel(within: string, bytes: Buffer): void {
    this.within = within
    this.#state = 'head'
    this.#tunnel = undefined
    this.#held = bytes
    this.expectWithin(this.#options.limits.headTimeoutMs)
    this.#advance()
  }

  get isSending(): boolean {
    return this.outlet.isSending
  }

  send(bytes: Buffer, start: number, end: number, owned: boolean): boolean {
    this.outlet.take(bytes, start, end, owned)
    this.outlet.flush()
    return this.outlet.blocked
  }

  finish(): void {
    this.outlet.flush()
    this.#socket.end()
  }

  destroy(gently = false): void {
    if (gently) this.#destroySoon()
    else this.#socket.destroy()
  }

  reset(): void {
    this.#socket.resetAndDestroy()
  }

  pause(): void {
    this.#pause()
  }

  resume(): void {
    this.#unpause()
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#socket.pause()
  }

  #unpause(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#socket.resume()
  }
}
