// A request's body on its way to an instance: read from the client only when an instance is ready to take it, so that a refused connection costs nothing.
import type {IncomingMessage} from 'node:http'
import {Readable} from 'node:stream'

export class RequestBody {
  /** Whether the request has a body at all (RFC 9112 §6.3). */
  readonly present: boolean
  readonly #request: IncomingMessage
  readonly #onFirstRead: () => void
  #consumed = false
  /** Longest the body may be, in bytes; what is longer breaks the attempt off. */
  bytesMax = Number.POSITIVE_INFINITY

  /** `onFirstRead` runs before the first byte is asked for: the place to send 100 Continue. */
  constructor(request: IncomingMessage, onFirstRead: () => void) {
    const {'transfer-encoding': encoding, 'content-length': length} = request.headers
    this.present = encoding !== undefined || (length !== undefined && length !== '0')
    this.#request = request
    this.#onFirstRead = onFirstRead
  }

  /** Once true the body can not be sent again. */
  get consumed(): boolean {
    return this.#consumed
  }

  /** A stream of the body for one attempt. Destroying it before it was read leaves the body whole; the client's connection is never destroyed by it. */
  open(): Readable | null {
    return this.present ? Readable.from(this.#read(), {objectMode: false}) : null
  }

  async *#read(): AsyncGenerator<Buffer> {
    this.#consumed = true
    this.#onFirstRead()
    let bytes = 0
    for await (const chunk of this.#request.iterator({destroyOnReturn: false})) {
      bytes += (chunk as Buffer).length
      if (bytes > this.bytesMax) throw Object.assign(new Error('the body is too long'), {code: 'GILLIAM_BODY_TOO_LARGE'})
      yield chunk as Buffer
    }
  }
}
