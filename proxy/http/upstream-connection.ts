// One connection to an instance or a host outside: one request at a time, its answer parsed and checked as it arrives. Owns the socket and its state; which
// requests go here, and what happens to answers, is for others.

import {connect, type LookupFunction, type Socket, type TcpNetConnectOpts} from 'node:net'
import {ExchangeError, type LateCode} from '../failures.ts'
import type {Limits} from '../limits.ts'
import {type BodyReader, readBody} from './body.ts'
import {LF} from './bytes.ts'
import type {Deadlines, Waiting} from './deadlines.ts'
import {endsOf} from './ends.ts'
import {type Fault, fault} from './fields.ts'
import {type Asked, type ResponseFraming, responseFraming} from './framing.ts'
import {isFault, parseResponseHead, type ResponseHead} from './head.ts'
import {Outlet} from './outlet.ts'
import {type ReadBuffer, streamReadBytesMin} from './read-buffer.ts'
import type {TunnelEnd, TunnelSink} from './tunnel.ts'
import type {Turn} from './turn.ts'

/** Who gets an answer. The connection calls it in this order: continue, head, body any number of times, end; or failed, once, at any time. */
export interface AnswerSink {
  /** 100: the request's body is wanted. Other interim answers are dropped: clients exist that take them for the answer. */
  readonly onContinue: () => void
  readonly onHead: (head: ResponseHead, framing: ResponseFraming) => void
  /** `owned`: the bytes may be kept, true says that they are; else they must be used up before the call returns. */
  readonly onBody: (bytes: Buffer, start: number, end: number, owned: boolean) => boolean
  /** What has been given so far should go out. */
  readonly onPause: () => void
  readonly onEnd: (trailers: string) => void
  readonly onFailed: (error: Error) => void
  /** The request's bytes have gone out. */
  readonly onDrained: () => void
}

/** Who keeps the connection between requests. */
export interface Keeper {
  readonly onOpen: (connection: UpstreamConnection) => void
  readonly onIdle: (connection: UpstreamConnection) => void
  readonly onClosed: (connection: UpstreamConnection, error: Error | undefined) => void
}

export interface Place {
  readonly host: string
  readonly port: number
  readonly lookup?: LookupFunction
}

/** What every connection of this process shares. */
export interface Shared {
  readonly limits: Limits
  readonly deadlines: Deadlines
  readonly readBuffer: ReadBuffer
  readonly turn: Turn
  /** Told of a fault of ours; the connection it happened on ends. */
  readonly onFault: (error: unknown) => void
}

type State = 'connecting' | 'idle' | 'awaiting' | 'answering' | 'tunnel' | 'closed'

/** Interim answers before one answer; more is a flood (RFC 9110 §15.2). */
const interimAnswersMax = 16
/** Of a request's body waiting to go out; then the client is made to wait. */
const highWaterMark = 131_072

export class UpstreamConnection implements Waiting, TunnelEnd {
  readonly outlet: Outlet
  deadlineAt = Number.POSITIVE_INFINITY
  /** Since when it is the other side's turn, by the clock of deadlines; Infinity when it is not. */
  quietSince = Number.POSITIVE_INFINITY
  /** Answers received: a connection that has had one may have been closed by the other side meanwhile. */
  served = 0
  /** Set by whoever sends, when the whole request has been given to the outlet. */
  requestSent = false
  readonly #socket: Socket
  readonly #shared: Shared
  readonly #keeper: Keeper
  #state: State = 'connecting'
  #sink: AnswerSink | undefined
  #tunnel: TunnelSink | undefined
  #asked: Asked | undefined
  #body: BodyReader | undefined
  #persistent = false
  #interim = 0
  #partial: Buffer | undefined
  #isSized = true
  #paused = false
  /** Where a stream is read to. */
  #own: Buffer | undefined
  /** Whether what was read into it last is still being written. */
  #isKept = false
  #isStreaming = false
  /** Of a read of ours: whether the bytes are the connection's own. */
  #isOwn = false
  readonly #take = (bytes: Buffer, start: number, end: number): void => {
    if (this.#sink?.onBody(bytes, start, end, this.#isOwn) === true) this.#isKept = true
  }
  #late: LateCode = 'CONNECT_TIMEOUT'
  #error: Error | undefined

  constructor({host, port, lookup}: Place, shared: Shared, keeper: Keeper) {
    this.#shared = shared
    this.#keeper = keeper
    const options: TcpNetConnectOpts & {writableHighWaterMark: number} = {
      host,
      port,
      noDelay: true,
      allowHalfOpen: true,
      writableHighWaterMark: highWaterMark,
      onread: {
        buffer: () => this.#nextBuffer(),
        callback: (size, bytes) => this.#onRead(bytes as Buffer, size),
      },
      ...(lookup === undefined ? {} : {lookup}),
    }
    this.#socket = connect(options)
    this.outlet = new Outlet(this.#socket, shared.turn)
    this.#socket.on('connect', () => this.#guard(() => this.#onConnect()))
    this.#socket.on('end', () => this.#guard(() => this.#onEnd()))
    this.#socket.on('drain', () => this.#guard(() => this.#onDrain()))
    this.#socket.on('error', error => {
      this.#error ??= error
    })
    this.#socket.on('close', () => this.#guard(() => this.#onClose()))
    shared.deadlines.watch(this)
    this.expectWithin(shared.limits.connectTimeoutMs, 'CONNECT_TIMEOUT')
  }

  /** Whether it may be asked: one that ends is not told to be closed before the loop comes round, and is useless until then already. */
  get isReady(): boolean {
    return this.#state === 'idle' && !this.#socket.destroyed
  }

  /** Whether a request is on it. */
  get isAsked(): boolean {
    return this.#state === 'awaiting' || this.#state === 'answering'
  }

  /** For how long it has been the other side's turn, in milliseconds; 0 when it is not. */
  get quietMs(): number {
    return Math.max(0, this.#shared.deadlines.now() - this.quietSince)
  }

  /** Both ends, ours first. */
  get ends(): string {
    const {localAddress, localPort, remoteAddress, remotePort} = this.#socket
    return endsOf(localAddress, localPort, remoteAddress, remotePort)
  }

  /** Something must happen in the next `ms`, or the connection fails with the timeout of that name. */
  expectWithin(ms: number, what: LateCode = 'IDLE_TIMEOUT'): void {
    this.quietSince = this.#shared.deadlines.now()
    this.deadlineAt = this.quietSince + ms
    this.#late = what
  }

  expectNothing(): void {
    this.quietSince = Number.POSITIVE_INFINITY
    this.deadlineAt = Number.POSITIVE_INFINITY
  }

  onDeadline(): void {
    this.deadlineAt = Number.POSITIVE_INFINITY
    this.destroy(false, new ExchangeError(this.#late, 'timeout'))
  }

  /** Announces a request whose bytes the caller now gives to the outlet; its answer goes to `sink`. */
  ask(asked: Asked, sink: AnswerSink): void {
    if (this.#state !== 'idle') throw new Error(`a connection that is ${this.#state} was asked`)
    this.#state = 'awaiting'
    this.#asked = asked
    this.#sink = sink
    this.#interim = 0
    this.requestSent = false
  }

  /** Destroys the connection; whoever waits for an answer gets `error`. */
  destroy(gently: boolean, error?: Error): void {
    this.#error ??= error
    if (gently) {
      this.outlet.flush()
      this.#socket.destroySoon()
    } else this.#socket.destroy()
  }

  /** Ends the connection without telling the sink: it knows. */
  abandon(): void {
    this.#sink = undefined
    this.#socket.destroy()
  }

  pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#socket.resume()
  }

  enterTunnel(sink: TunnelSink): void {
    this.#state = 'tunnel'
    this.#sink = undefined
    this.#tunnel = sink
    const early = this.#partial
    this.#partial = undefined
    if (early !== undefined) sink.data(early, 0, early.length, true)
  }

  /** Takes requests after all: nothing has come through the tunnel. */
  leaveTunnel(): void {
    this.#state = 'idle'
    this.#tunnel = undefined
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

  #onConnect(): void {
    this.#state = 'idle'
    this.expectNothing()
    this.#keeper.onOpen(this)
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#fail(error)
    }
  }

  #onDrain(): void {
    if (this.#tunnel === undefined) this.#sink?.onDrained()
    else this.#tunnel.drained()
  }

  #onEnd(): void {
    if (this.#state === 'tunnel') this.#tunnel?.end()
    else if (this.#state === 'answering' && !this.#isSized) this.#finish(false)
    else this.destroy(false, this.#state === 'idle' ? undefined : new ExchangeError('CLOSED', 'ended by the other side'))
  }

  #onClose(): void {
    this.#shared.deadlines.forget(this)
    this.#state = 'closed'
    this.#keeper.onClosed(this, this.#error)
    const sink = this.#sink
    this.#sink = undefined
    sink?.onFailed(this.#error ?? new ExchangeError('CLOSED', 'closed by the other side'))
    this.#tunnel?.closed()
  }

  #nextBuffer(): Buffer {
    const {readBuffer} = this.#shared
    if (!this.#isStreaming) return readBuffer.shared
    this.#own ??= readBuffer.forStream()
    return this.#own
  }

  /** One read. False pauses the socket. */
  #onRead(buffer: Buffer, size: number): boolean {
    try {
      if (this.#state === 'tunnel') this.#readRaw(buffer, size)
      else if (this.#partial === undefined) this.#read(buffer, size)
      else this.#readGrown(this.#partial, buffer.subarray(0, size))
      return !this.#paused
    } catch (error) {
      this.#fail(error)
      return false
    }
  }

  /** A head that comes in pieces is read again from its start; only a whole line can make it whole. */
  #readGrown(partial: Buffer, more: Buffer): void {
    const whole = Buffer.concat([partial, more])
    this.#partial = whole
    if (whole.length < this.#shared.limits.headBytesMax && !more.includes(LF)) return
    this.#partial = undefined
    this.#read(whole, whole.length)
  }

  #fail(error: unknown): void {
    this.#shared.onFault(error)
    this.#socket.destroy()
  }

  #read(bytes: Buffer, end: number): void {
    let at = 0
    while (this.#state === 'awaiting') {
      const next = this.#readHead(bytes, at, end)
      if (next === undefined) return
      at = next
    }
    if (this.#state === 'answering') this.#readBody(bytes, at, end)
    else this.destroy(false, new ExchangeError('NOT_HTTP', 'it spoke without being asked'))
  }

  /** Reads one head; undefined when there is nothing more to read now. */
  #readHead(bytes: Buffer, at: number, end: number): number | undefined {
    const head = parseResponseHead(bytes, at, end, this.#shared.limits)
    if (head === undefined) {
      this.#partial = Buffer.from(bytes.subarray(at, end))
      return undefined
    }
    if (isFault(head)) return this.#refuse(head)
    const framing = responseFraming(head, this.#asked as Asked)
    if (isFault(framing)) return this.#refuse(framing)
    if (framing.interim) {
      this.#interim += 1
      if (this.#interim > interimAnswersMax) return this.#refuse(fault('it sent too many interim answers', true))
      if (head.status === 100) this.#sink?.onContinue()
      return at + head.length
    }
    const after = at + head.length
    // What comes after 101 is the other protocol's: it waits until the tunnel is joined.
    if (head.status === 101 && end > after) this.#partial = Buffer.from(bytes.subarray(after, end))
    this.#beginAnswer(head, framing)
    return this.#state === 'answering' ? after : undefined
  }

  #beginAnswer(head: ResponseHead, framing: ResponseFraming): void {
    this.#state = 'answering'
    this.#persistent = framing.persistent
    this.#isSized = framing.body.kind !== 'close'
    this.#body = readBody(framing.body)
    this.#sink?.onHead(head, framing)
  }

  #readBody(bytes: Buffer, start: number, end: number): void {
    const body = this.#body as BodyReader
    this.#isOwn = bytes === this.#own
    this.#isKept = false
    const next = body.read(bytes, start, end, this.#take)
    this.#isStreaming = end >= streamReadBytesMin
    if (typeof next !== 'number') this.#refuse(next)
    else if (body.done) this.#finish(next === end)
    else {
      this.#sink?.onPause()
      this.#release(this.#isStreaming)
    }
  }

  #readRaw(bytes: Buffer, end: number): void {
    this.#isKept = this.#tunnel?.data(bytes, 0, end, bytes === this.#own) === true
    this.#isStreaming = end >= streamReadBytesMin
    this.#release(this.#isStreaming)
  }

  /**
   * Lets go of the connection's own piece of memory, unless it can be read into again: what is still being written has gone out when a connection that was
   * made to wait goes on.
   */
  #release(isWanted: boolean): void {
    if (this.#own === undefined || (isWanted && (!this.#isKept || this.#paused))) return
    if (!this.#isKept) this.#shared.readBuffer.giveBack(this.#own)
    this.#own = undefined
  }

  #refuse(fault: Fault): undefined {
    this.destroy(false, new ExchangeError('NOT_HTTP', fault.reason))
  }

  /** The answer is whole. Bytes beyond it were not asked for: a connection that has sent some is not used again. */
  #finish(clean: boolean): void {
    const sink = this.#sink
    const trailers = this.#body?.trailers ?? ''
    this.#sink = undefined
    this.#body = undefined
    this.#release(false)
    this.#isStreaming = false
    this.served += 1
    if (clean && this.#persistent && this.requestSent) {
      this.#state = 'idle'
      this.resume()
      this.#keeper.onIdle(this)
    } else this.destroy(false)
    sink?.onEnd(trailers)
  }
}
