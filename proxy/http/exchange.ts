// One request of a client and its answer, as whoever serves it sees them. Owns how far both have come; the bytes are the client connection's business.
import type {BodyReader} from './body.ts'
import {readBody} from './body.ts'
import type {Fault} from './fields.ts'
import type {RequestFraming} from './framing.ts'
import {isFault, type RequestHead} from './head.ts'
import type {Outlet} from './outlet.ts'

/** Who gets a request's body. */
export interface BodySink {
  /** The bytes are the sink's own. */
  readonly onRequestBody: (bytes: Buffer, start: number, end: number) => void
  /** What has been given so far should go out; true when to wait for {@link Exchange.resumeBody} before giving more. */
  readonly onRequestPause: () => boolean
  readonly onRequestEnd: (trailers: string) => void
  /** The body is malformed: the request must not count as whole. */
  readonly onRequestBroken: () => void
}

/** Who wants to know of the client. */
export interface ClientWatcher {
  readonly onClientGone: () => void
  /** The answer's bytes have gone out. */
  readonly onClientDrained: () => void
}

/** What an exchange needs of its connection. */
export interface ExchangeHost {
  readonly outlet: Outlet
  /** The client's address and port. */
  readonly peer: {readonly address: string; readonly port: number}
  /** The body may be read now. */
  readonly onBodyWanted: () => void
  /** The answer is over. */
  readonly onAnswered: () => void
  readonly onClientSlow: (isSlow: boolean) => void
  readonly destroy: () => void
  /** Ends the connection so that the client takes it for broken, not for ended. */
  readonly reset: () => void
}

export class Exchange {
  readonly head: RequestHead
  readonly framing: RequestFraming
  readonly host: ExchangeHost
  readonly #reader: BodyReader
  #sink: BodySink | undefined
  #watcher: ClientWatcher | undefined
  /** Of the answer; 0 until there is one. */
  status = 0
  /** Whether the client left before its answer was whole. */
  gone = false
  /** Whether the answer was passed on whole. */
  over = false
  /** Whether the connection ends after this answer. */
  last: boolean
  bodyBroken = false
  /** Of the request's body and of the answer's, as far as they were passed on. */
  bytesIn = 0
  bytesOut = 0
  /** How long the client may stall in its body, or take nothing of the answer, in milliseconds; the connection's own limit when undefined. */
  idleTimeoutMs: number | undefined

  constructor(head: RequestHead, framing: RequestFraming, host: ExchangeHost) {
    this.head = head
    this.framing = framing
    this.host = host
    this.last = !framing.persistent || framing.webSocket
    this.#reader = readBody(framing.body)
    this.hasBody = !this.#reader.done
  }

  /** Whether any body is to come after the head. */
  readonly hasBody: boolean

  /** Whether the body has come in whole. */
  get bodyWhole(): boolean {
    return this.#reader.done
  }

  /** Once true the body can not be sent again. */
  get bodyTaken(): boolean {
    return this.#sink !== undefined
  }

  get answerBegun(): boolean {
    return this.status !== 0
  }

  watch(watcher: ClientWatcher | undefined): void {
    this.#watcher = watcher
  }

  /** Lets the body flow to `sink`, beginning with what is there already. Tells a client that waits for it to go on. */
  openBody(sink: BodySink): void {
    this.#sink = sink
    if (this.framing.expectsContinue && !this.answerBegun && !this.#reader.done) {
      this.host.outlet.begin('HTTP/1.1 100 Continue\r\n\r\n', false)
      this.host.outlet.flush()
    }
    this.host.onBodyWanted()
  }

  /** The sink takes more. */
  resumeBody(): void {
    this.host.onBodyWanted()
  }

  /** Reads body from `bytes`; returns the offset after it, or why it is malformed. For the connection. */
  feed(bytes: Buffer, start: number): number | Fault {
    const sink = this.#sink as BodySink
    const next = this.#reader.read(bytes, start, bytes.length, (from, begin, end) => sink.onRequestBody(from, begin, end))
    if (typeof next !== 'number' && isFault(next)) {
      this.bodyBroken = true
      this.last = true
      sink.onRequestBroken()
    } else if (this.#reader.done) sink.onRequestEnd(this.#reader.trailers)
    return next
  }

  /** Whether to wait before feeding more. For the connection. */
  pauseFeed(): boolean {
    return this.#sink?.onRequestPause() ?? true
  }

  /** Begins the answer. `chunked`: its body is framed in chunks. */
  begin(status: number, head: string, chunked: boolean): void {
    this.status = status
    this.host.outlet.begin(head, chunked)
  }

  /** A whole answer of our own. */
  answer(status: number, text: string): void {
    this.begin(status, text, false)
    this.finish()
  }

  /** The answer that was begun is the last thing said in HTTP on this connection. */
  becomeTunnel(): void {
    this.over = true
    this.#watcher = undefined
    this.host.outlet.flush()
  }

  /** Ends the answer. `trailers`: field lines, for an answer in chunks. */
  finish(trailers = ''): void {
    if (this.over || this.gone) return
    this.over = true
    this.#watcher = undefined
    this.host.outlet.finish(trailers)
    this.host.onAnswered()
  }

  /** The client is not there any more. For the connection. */
  leave(): void {
    if (this.over || this.gone) return
    this.gone = true
    this.#watcher?.onClientGone()
  }

  drained(): void {
    this.#watcher?.onClientDrained()
  }
}
