// Writes messages to a socket in as few writes as can be: a head and the first bytes of its body together. Owns the framing of what is written, and knows
// when the other side is slow.
import type {Socket} from 'node:net'
import type {Turn} from './turn.ts'

/** Up to here bytes are joined with what waits, as text: one write, copied at once. */
const joinedBytesMax = 16_384

const crlf = '\r\n'

export class Outlet {
  readonly #socket: Socket
  /** One character per byte. */
  #waiting = ''
  #chunked = false
  #held = false
  readonly #turn: Turn
  #isDue = false

  constructor(socket: Socket, turn: Turn) {
    this.#socket = socket
    this.#turn = turn
  }

  /** Begins a message; nothing is written before {@link flush}, or before much has gathered. */
  begin(head: string, chunked: boolean): void {
    this.#waiting += head
    this.#chunked = chunked
  }

  /**
   * Adds `bytes[start, end)` to the body. They are copied, unless `owned`: then nobody may write to them while they are in use. True when they still are
   * after the call.
   */
  take(bytes: Buffer, start: number, end: number, owned: boolean): boolean {
    const size = end - start
    if (size === 0) return false
    if (this.#chunked) this.#waiting += `${size.toString(16)}${crlf}`
    if (size <= joinedBytesMax) {
      this.#waiting += bytes.toString('latin1', start, end)
      if (this.#chunked) this.#waiting += crlf
      if (this.#waiting.length > joinedBytesMax) this.flush()
      return false
    }
    this.#socket.cork()
    this.flush()
    const part = bytes.subarray(start, end)
    this.#socket.write(owned ? part : Buffer.from(part))
    if (this.#chunked) this.#socket.write(crlf, 'latin1')
    this.#socket.uncork()
    return owned && this.isSending
  }

  /** Ends the message's body; it is written at the end of the turn. `trailers`: field lines with their line ends, for a body in chunks. */
  finish(trailers = ''): void {
    if (this.#chunked) this.#waiting += `0${crlf}${trailers}${crlf}`
    this.#chunked = false
    if (this.#isDue) return
    this.#isDue = true
    this.#turn.add(this)
  }

  /** The turn of the event loop is over. */
  depart(): void {
    this.#isDue = false
    this.flush()
  }

  /** Writes what has gathered. */
  flush(): void {
    if (this.#waiting === '') return
    const text = this.#waiting
    this.#waiting = ''
    this.#socket.write(text, 'latin1')
  }

  /**
   * Holds back what is written from now on until everything that has arrived meanwhile was looked at: an instance may have answered early and closed, and a
   * write to it would fail before its answer was read.
   */
  hold(): void {
    if (this.#held) return
    this.#held = true
    this.#socket.cork()
    setImmediate(() => {
      this.#held = false
      this.#socket.uncork()
    })
  }

  /** Whether something that was written has not gone out. */
  get isSending(): boolean {
    return this.#socket.writableLength > 0
  }

  /** Whether to wait for the socket's `drain` before giving more. */
  get blocked(): boolean {
    return this.#socket.writableNeedDrain
  }
}
