// Lines on their way to a file descriptor: gathered, written many at a time, never waited for. Owns the buffer and its bound; what does not fit is dropped
// and counted, as a reader that is slow must not slow down requests.
import {fstatSync, write} from 'node:fs'

/** Takes some text; calls back when it may be given more. */
export type Sink = (text: string, done: () => void) => void

/** Lines are written at the latest after this time, or when so many characters have gathered. */
const gatherMs = 50
const gatherCharacters = 65_536
/** What may wait for a slow reader. */
export const waitingCharactersMax = 4 * 1_048_576

export class LineWriter {
  readonly #sink: Sink
  #waiting = ''
  #isWriting = false
  #timer: NodeJS.Timeout | undefined
  #ended: (() => void) | undefined

  constructor(sink: Sink) {
    this.#sink = sink
  }

  /** Takes a line with its end; false when it was dropped. */
  write(line: string): boolean {
    if (this.#waiting.length + line.length > waitingCharactersMax) return false
    this.#waiting += line
    if (this.#isWriting) return true
    if (this.#waiting.length >= gatherCharacters) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), gatherMs)
    return true
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const text = this.#waiting
    this.#waiting = ''
    if (text === '') {
      this.#ended?.()
      return
    }
    this.#isWriting = true
    this.#sink(text, () => {
      this.#isWriting = false
      if (this.#ended !== undefined || this.#waiting.length >= gatherCharacters) this.#flush()
      else if (this.#waiting !== '') this.#timer ??= setTimeout(() => this.#flush(), gatherMs)
    })
  }

  /** Writes what waits; resolves when it is out. */
  end(): Promise<void> {
    return new Promise(resolve => {
      this.#ended = resolve
      if (!this.#isWriting) this.#flush()
    })
  }
}

/** A pipe that is full and does not block is tried again after this time. */
const fullRetryMs = 10
/** What a pipe takes at once without mixing it with what other workers write (pipe(7): PIPE_BUF). */
const pipeBytesMax = 4_096

/** Where the piece that begins at `from` ends: behind a line, and within `max` unless a line is longer. */
export const pieceEnd = (bytes: Buffer, from: number, max: number): number => {
  if (bytes.length - from <= max) return bytes.length
  const within = bytes.lastIndexOf(10, from + max - 1)
  if (within >= from) return within + 1
  const beyond = bytes.indexOf(10, from + max)
  return beyond < 0 ? bytes.length : beyond + 1
}

/** Writes to a file descriptor, off the event loop. What can not be written is lost: there is nowhere to tell of it. */
export const toDescriptor = (descriptor: number): Sink => {
  const stat = fstatSync(descriptor)
  const max = stat.isFIFO() || stat.isSocket() ? pipeBytesMax : Number.POSITIVE_INFINITY
  const writeFrom = (bytes: Buffer, from: number, done: () => void): void =>
    write(descriptor, bytes, from, pieceEnd(bytes, from, max) - from, null, (error, written) => {
      if (error?.code === 'EAGAIN') setTimeout(() => writeFrom(bytes, from, done), fullRetryMs)
      else if (error !== null || from + written >= bytes.length) done()
      else writeFrom(bytes, from + written, done)
    })
  return (text, done) => writeFrom(Buffer.from(text), 0, done)
}
