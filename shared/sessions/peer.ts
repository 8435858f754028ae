// One side of a session, connected to the relay: joins with a ticket, sends and receives frames, minds how much is under way. Knows nothing of commands.
import type {IncomingMessage} from 'node:http'
import {WebSocket} from 'ws'
import {decodeFrame, encodeFrame, type Frame, type FrameName, payloadBytesMax, payloadsOf} from './frames.ts'

/** Says that it is there this often. */
const aliveMs = 60_000
/** The relay pings every 30 s: one that is not heard of for so long is gone. */
const silenceMs = 75_000
const connectTimeoutMs = 10_000
/** Waits when more than this is under way, in bytes. */
const bufferedBytesMax = 262_144
/** What does not wait (credit, signals) may add to that. One that takes none of it for so long is ended, in bytes. */
const unsentBytesMax = 4 * bufferedBytesMax
/** What may have come before somebody listens, in bytes; each frame takes some more memory. */
const earlyBytesMax = 1_048_576
const frameOverheadBytes = 64

/** How relays end a connection: WebSocket close codes (RFC 6455 §7.4.2) and what they mean. */
export const closeCodes = {
  done: 1_000,
  /** It said what a side may not say. */
  fault: 1_008,
  /** The other side is gone. */
  gone: 4_001,
  /** Nobody moved for too long, or the session's time is over. */
  over: 4_002,
  /** The relay ends, or has too much to do. */
  relay: 4_003,
} as const

const brokenCode = 1_006

/** What a relay says itself, as text; everything between the sides is binary. */
export const joinedText = 'joined'

/** What a close code without a reason means (RFC 6455 §7.4.1); 1006 stands for none at all: the connection broke. */
const reasonOf = (code: number, reason: Buffer): string =>
  reason.toString() || (code === brokenCode ? 'the connection to the relay was lost' : `code ${code}`)

/** Why there is no session: what the relay answered, or that it could not be reached. */
export class RelayError extends Error {
  override readonly name = 'RelayError'
}

export interface Closed {
  readonly code: number
  readonly reason: string
}

export interface JoinOptions {
  /** `ws:` or `wss:` URL. */
  readonly relay: string
  readonly ticket: string
  /** How long to wait for the other side, in milliseconds. */
  readonly waitMs: number
  readonly signal?: AbortSignal
}

/** A side that has met the other one. */
export class Peer {
  readonly closed: Promise<Closed>
  readonly #socket: WebSocket
  readonly #early: Frame[] = []
  #earlyBytes = 0
  #listener: ((frame: Frame) => void) | undefined
  #silence: NodeJS.Timeout | undefined

  constructor(socket: WebSocket) {
    this.#socket = socket
    const alive = setInterval(() => this.send('alive'), aliveMs)
    this.#heard()
    socket.on('ping', () => this.#heard())
    socket.on('message', (data, isBinary) => {
      this.#heard()
      const frame = isBinary ? decodeFrame(data as Buffer) : undefined
      if (frame === undefined || frame.name === 'alive') return
      if (this.#listener === undefined) this.#keep(frame)
      else this.#listener(frame)
    })
    this.closed = new Promise(resolve => {
      socket.on('close', (code, reason) => {
        clearInterval(alive)
        clearTimeout(this.#silence)
        resolve({code, reason: reasonOf(code, reason)})
      })
    })
  }

  #keep(frame: Frame): void {
    this.#earlyBytes += frame.payload.length + frameOverheadBytes
    if (this.#earlyBytes > earlyBytesMax) this.#socket.terminate()
    else this.#early.push(frame)
  }

  #heard(): void {
    clearTimeout(this.#silence)
    // Nothing is heard while it takes in nothing.
    this.#silence = setTimeout(() => (this.#socket.isPaused ? this.#heard() : this.#socket.terminate()), silenceMs)
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN
  }

  /** Hears frames from the first one on. */
  listen(listener: (frame: Frame) => void): void {
    this.#listener = listener
    for (const frame of this.#early.splice(0)) listener(frame)
  }

  /** Sends one frame; nothing happens when the connection is over. */
  send(name: FrameName, payload?: Uint8Array): void {
    if (this.#socket.bufferedAmount > unsentBytesMax) this.#socket.terminate()
    if (this.isOpen) this.#socket.send(encodeFrame(name, payload), () => undefined)
  }

  sendJson(name: FrameName, value: unknown): void {
    this.send(name, Buffer.from(JSON.stringify(value)))
  }

  /** Sends bytes in as many frames as they need; resolves when little is under way, or the connection is over. */
  async pour(name: FrameName, bytes: Buffer): Promise<void> {
    for (const payload of payloadsOf(bytes)) {
      if (!this.isOpen) return
      const gone = new Promise<void>(resolve => this.#socket.send(encodeFrame(name, payload), () => resolve()))
      if (this.#socket.bufferedAmount > bufferedBytesMax) await gone
    }
  }

  /** Takes in no more for now: the other side is made to wait. */
  pause(): void {
    if (this.isOpen) this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Ends it when everything has gone out; resolves when it is over. */
  async close(): Promise<void> {
    this.#socket.resume()
    this.#socket.close(closeCodes.done)
    await this.closed
  }

  /** Ends it now. */
  destroy(): void {
    this.#socket.terminate()
  }
}

/** What is read of a refusal, in characters. */
const refusalCharactersMax = 4_096

/** Why somebody is not let in: the detail of a problem document (RFC 9457) where there is one. */
const refusalOf = async (response: IncomingMessage): Promise<string> => {
  let text = ''
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      text += chunk
      if (text.length > refusalCharactersMax) break
    }
    const {detail} = JSON.parse(text) as {detail?: unknown}
    if (typeof detail === 'string') return `refuses (${response.statusCode}): ${detail}`
  } catch {
    // No relay said this.
  }
  return `answers ${response.statusCode}, as no relay does: is something else at this address?`
}

/** Connects to the relay and waits for the other side. Throws RelayError, or what `signal` was aborted with. */
export const joinRelay = ({relay, ticket, waitMs, signal}: JoinOptions): Promise<Peer> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(relay, {
      headers: {authorization: `Bearer ${ticket}`},
      handshakeTimeout: connectTimeoutMs,
      maxPayload: payloadBytesMax + 1,
      perMessageDeflate: false,
    })
    const timer = setTimeout(() => fail(new RelayError(`the other side did not come within ${Math.round(waitMs / 1_000)} s`)), waitMs)
    const abort = (): void => fail(signal?.reason)
    const settle = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
    const fail = (error: unknown): void => {
      settle()
      reject(error)
      socket.terminate()
    }
    if (signal?.aborted) return abort()
    signal?.addEventListener('abort', abort, {once: true})
    socket.on('unexpected-response', (_, response) => {
      void refusalOf(response).then(why => fail(new RelayError(`the relay at ${relay} ${why}`)))
    })
    socket.on('error', error => fail(new RelayError(`the relay at ${relay} can not be reached: ${error.message}`)))
    socket.on('close', (code, reason) => fail(new RelayError(`the relay ended it: ${reasonOf(code, reason)}`)))
    socket.once('message', (data, isBinary) => {
      if (isBinary || String(data) !== joinedText) return fail(new RelayError(`${relay} does not speak as a relay does`))
      settle()
      resolve(new Peer(socket))
    })
  })
