// One HTTP exchange with one instance: sends the request, passes the answer back, with backpressure both ways. Knows nothing of routes and retries, but for
// one: a kept connection that turns out to be closed says nothing about the instance.
import {isIdempotent} from '#shared/domain/balancer.ts'
import type {HeaderEdit} from '#shared/domain/header-edit.ts'
import type {Settler, Tried} from './attempts.ts'
import {ExchangeError, failureOf} from './failures.ts'
import type {BodySink, ClientWatcher, Exchange} from './http/exchange.ts'
import {type ResponseFraming, takesTrailers} from './http/framing.ts'
import type {ResponseHead} from './http/head.ts'
import type {Pool, Taker} from './http/pool.ts'
import {type AnswerWay, forwardedAnswer, forwardedTrailers} from './http/rewrite.ts'
import {joinTunnel, type TunnelEnd} from './http/tunnel.ts'
import type {AnswerSink, UpstreamConnection} from './http/upstream-connection.ts'
import type {Limits} from './limits.ts'

export interface RelayOptions {
  readonly limits: Limits
  /** The request's head as it goes out. */
  readonly head: string
  /** Put on every answer that has none. */
  readonly requestId: string
  /** When the whole exchange has taken too long, in milliseconds since the epoch. */
  readonly endsAt?: number | undefined
  /** Longest the request's body may be. */
  readonly bodyBytesMax?: number | undefined
  /** What becomes of the answer's headers. */
  readonly edit?: HeaderEdit | undefined
  /** What became of the request's. */
  readonly requestEdit?: HeaderEdit | undefined
  readonly common: RelayCommon
}

/** What all relays share. */
export interface RelayCommon {
  /** The present time as an HTTP date. */
  readonly date: () => string
  readonly draining: () => boolean
  readonly now: () => number
}

/** A client that waits to be told is told to go on after this time, if the instance says nothing: it may not know how to (RFC 9110 §10.1.1). */
const continueWaitMs = 1_000

class Relay implements AnswerSink, BodySink, ClientWatcher, Taker {
  readonly #pool: Pool
  readonly #exchange: Exchange
  readonly #client: TunnelEnd
  readonly #options: RelayOptions
  readonly #settler: Settler
  #connection: UpstreamConnection | undefined
  #settled = false
  #headSent = false
  #fresh: boolean
  #trailers = false
  /** The client knows the answer's end by that of the connection. */
  #untilClose = false
  #timer: NodeJS.Timeout | undefined
  /** Runs while the instance is asked whether it wants the body. */
  #waiting: NodeJS.Timeout | undefined
  readonly connectTimeoutMs: number

  constructor(pool: Pool, exchange: Exchange, client: TunnelEnd, options: RelayOptions, settler: Settler) {
    this.#pool = pool
    this.#exchange = exchange
    this.#client = client
    this.#options = options
    this.#settler = settler
    this.connectTimeoutMs = options.limits.connectTimeoutMs
    this.#fresh = exchange.framing.webSocket
  }

  start(): void {
    const {endsAt, common} = this.#options
    this.#exchange.watch(this)
    this.#exchange.idleTimeoutMs = this.#options.limits.idleTimeoutMs
    if (endsAt !== undefined) {
      const late = (): void => this.#breakOff(new ExchangeError('TOTAL_TIMEOUT', 'the whole exchange took too long'))
      this.#timer = setTimeout(late, Math.max(0, endsAt - common.now()))
    }
    this.#pool.take(this, this.#fresh)
  }

  #end(outcome: Tried): void {
    if (this.#settled) return
    this.#settled = true
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#stopWaiting()
    this.#exchange.watch(undefined)
    this.#settler.settled(outcome)
  }

  onConnection(connection: UpstreamConnection): void {
    const {head, framing} = this.#exchange
    this.#connection = connection
    connection.ask({method: head.method, webSocket: framing.webSocket}, this)
    connection.outlet.begin(this.#options.head, framing.body.kind === 'chunked')
    if (!this.#exchange.hasBody) this.onRequestEnd('')
    else if (framing.expectsContinue) {
      this.#flushHead(connection)
      this.#waiting = setTimeout(() => this.onContinue(), continueWaitMs)
    } else {
      this.#exchange.openBody(this)
      this.#flushHead(connection)
    }
  }

  #flushHead(connection: UpstreamConnection): void {
    connection.outlet.flush()
    this.#headSent = true
  }

  /** The instance wants the body; or has said nothing for long. */
  onContinue(): void {
    if (this.#waiting === undefined) return
    this.#stopWaiting()
    this.#exchange.openBody(this)
  }

  #stopWaiting(): void {
    if (this.#waiting === undefined) return
    clearTimeout(this.#waiting)
    this.#waiting = undefined
  }

  onNoConnection(error: Error): void {
    this.#end({kind: 'failed', failure: failureOf(error, false, this.#options.limits), sent: false, answerBegun: false})
  }

  onRequestBody(bytes: Buffer, start: number, end: number): void {
    this.#exchange.bytesIn += end - start
    if (this.#exchange.bytesIn > (this.#options.bodyBytesMax ?? Number.POSITIVE_INFINITY)) {
      this.#breakOff(new ExchangeError('BODY_TOO_LARGE', 'the body is too long'))
      return
    }
    const outlet = this.#connection?.outlet
    if (this.#headSent) outlet?.hold()
    outlet?.take(bytes, start, end, true)
  }

  onRequestPause(): boolean {
    const connection = this.#connection
    if (connection === undefined) return true
    connection.outlet.flush()
    const {blocked} = connection.outlet
    if (!this.#exchange.answerBegun) {
      // Whose turn it is: a client that stalls is not the instance’s fault.
      if (blocked) connection.expectWithin(this.#options.limits.idleTimeoutMs)
      else connection.expectNothing()
    }
    return blocked
  }

  onRequestEnd(trailers: string): void {
    const connection = this.#connection
    if (connection === undefined) return
    connection.requestSent = true
    connection.outlet.finish(forwardedTrailers(trailers, this.#options.requestEdit))
    if (!this.#exchange.answerBegun) connection.expectWithin(this.#options.limits.firstByteTimeoutMs, 'FIRST_BYTE_TIMEOUT')
  }

  /** Ends the exchange by our own decision. */
  #breakOff(error: ExchangeError): void {
    if (this.#settled) return
    const {answerBegun} = this.#exchange
    const sent = this.#connection !== undefined
    this.#pool.cancel(this)
    this.#connection?.abandon()
    this.#connection = undefined
    this.#end({kind: 'failed', failure: failureOf(error, sent, this.#options.limits), sent, answerBegun})
    if (answerBegun) this.#cutOff()
  }

  onRequestBroken(): void {
    this.#connection?.abandon()
    this.#end({kind: 'client_gone'})
  }

  /** Half an answer must not look like a whole one. */
  #cutOff(): void {
    const {host} = this.#exchange
    if (this.#untilClose) host.reset()
    else host.destroy()
  }

  onDrained(): void {
    this.#exchange.resumeBody()
  }

  onClientGone(): void {
    this.#pool.cancel(this)
    this.#connection?.abandon()
    this.#end({kind: 'client_gone'})
  }

  onClientDrained(): void {
    this.#exchange.host.onClientSlow(false)
    this.#connection?.resume()
    this.#connection?.expectWithin(this.#options.limits.idleTimeoutMs)
  }

  onHead(head: ResponseHead, framing: ResponseFraming): void {
    this.#stopWaiting()
    const exchange = this.#exchange
    const isOld = exchange.head.minor === 0
    const {kind} = framing.body
    const unsized = kind === 'chunked' || kind === 'close'
    // What is not read of the request can not be told from the next one: the connection ends (RFC 9112 §9.3).
    if (this.#options.common.draining() || !exchange.bodyWhole || (unsized && isOld)) exchange.last = true
    const isSwitch = head.status === 101
    const connection = isSwitch ? 'upgrade' : exchange.last ? 'close' : isOld ? 'keepAlive' : 'unsaid'
    this.#trailers = kind === 'chunked' && takesTrailers(exchange.head)
    const way: AnswerWay = {
      requestId: this.#options.requestId,
      date: this.#options.common.date,
      framing: unsized ? (isOld ? 'close' : 'chunked') : 'asIs',
      trailers: this.#trailers,
      connection,
      edit: this.#options.edit,
    }
    this.#untilClose = way.framing === 'close'
    exchange.begin(head.status, forwardedAnswer(head, framing, way), way.framing === 'chunked')
    if (isSwitch) this.#switch()
  }

  /** The instance speaks another protocol from here on. */
  #switch(): void {
    const instance = this.#connection as UpstreamConnection
    this.#pool.detach(instance)
    this.#exchange.becomeTunnel()
    const until = joinTunnel(this.#client, instance, this.#options.limits.tunnelIdleTimeoutMs)
    this.#end({kind: 'answered', status: 101, until})
  }

  onBody(bytes: Buffer, start: number, end: number, owned: boolean): boolean {
    this.#exchange.bytesOut += end - start
    return this.#exchange.host.outlet.take(bytes, start, end, owned)
  }

  onPause(): void {
    const {outlet} = this.#exchange.host
    outlet.flush()
    if (outlet.blocked) {
      this.#connection?.pause()
      this.#connection?.expectNothing()
      this.#exchange.host.onClientSlow(true)
    } else this.#connection?.expectWithin(this.#options.limits.idleTimeoutMs)
  }

  onEnd(trailers: string): void {
    this.#connection = undefined
    this.#end({kind: 'answered', status: this.#exchange.status})
    this.#exchange.finish(this.#trailers ? forwardedTrailers(trailers, this.#options.edit) : '')
  }

  onFailed(error: Error): void {
    const connection = this.#connection as UpstreamConnection
    this.#connection = undefined
    if (this.#settled) return
    const {answerBegun} = this.#exchange
    this.#stopWaiting()
    if (this.#isStale(connection, error)) {
      this.#fresh = true
      this.#pool.take(this, true)
      return
    }
    this.#end({kind: 'failed', failure: failureOf(error, true, this.#options.limits), sent: true, answerBegun})
    if (answerBegun) this.#cutOff()
  }

  /**
   * Whether the connection was closed by an instance that had done with it before our request came (RFC 9112 §9.3.1): the same may be sent again. One that
   * ends it much later never got the request, and would not get it on another connection either, or had begun with it: that is for others to decide.
   */
  #isStale({served, quietMs}: UpstreamConnection, error: Error): boolean {
    const {answerBegun, bodyTaken, head} = this.#exchange
    const isClosed = (!(error instanceof ExchangeError) || error.code === 'CLOSED') && quietMs < this.#options.limits.quietMsMax
    return isClosed && !this.#fresh && served > 0 && !answerBegun && !bodyTaken && isIdempotent(head.method)
  }
}

/**
 * Sends the request to the place behind `pool` and answers `exchange` with what comes back. Settles when the answer has been passed on, has failed, or the
 * client is gone; for an answer that switches protocols, when it has, with `until` for as long as that lasts.
 */
export const relay = (pool: Pool, exchange: Exchange, client: TunnelEnd, options: RelayOptions, settler: Settler): void => {
  if (exchange.gone) settler.settled({kind: 'client_gone'})
  else new Relay(pool, exchange, client, options, settler).start()
}
