// Follows one file that a process appends to: new lines out, bounded reads, and truncation when the file grows too large. Ships nothing itself.
import {closeSync, copyFileSync, openSync, readSync, rmSync, statSync, truncateSync} from 'node:fs'
import {StringDecoder} from 'node:string_decoder'

/** A file this large is copied to `<file>.1` and truncated once it has been read. */
export const logFileBytesMax = 8 * 1_048_576
/** Read at one look; what is further behind is skipped, and counted. */
export const readBytesMax = 1_048_576
/** Longer lines are cut into pieces of this many characters (the API's limit). */
export const lineCharactersMax = 16_384
/** A line takes no more than this as JSON, in bytes, so that it fits into one frame of a session with what is said of it (shared/sessions/frames.ts). */
export const lineJsonBytesMax = 61_440
/** Escaped, a control character is six bytes (RFC 8259 §7); nothing is more. */
const characterJsonBytesMax = 6
const chunkBytes = 65_536
const newline = 10

export interface TailOptions {
  readonly path: string
  /** Bytes already read by an earlier agent. */
  readonly offset: number
  readonly onLine: (text: string) => void
  /** Lines passed over unread. */
  readonly onSkipped: (lines: number) => void
  readonly fileBytesMax?: number
  readonly readBytesMax?: number
}

export class Tail {
  readonly #options: TailOptions
  #offset: number
  #decoder = new StringDecoder('utf8')
  #partial = ''
  /** Bytes of the file that `#partial` was made of; what is not UTF-8 is longer as text. */
  #partialBytes = 0

  constructor(options: TailOptions) {
    this.#options = options
    this.#offset = options.offset
  }

  /** Bytes read so far; begins anew when the file is truncated. */
  get offset(): number {
    return this.#offset - this.#partialBytes
  }

  /** Reads what is new. `buffer` is scratch space shared by all tails. */
  look(buffer: Buffer): void {
    const size = statSync(this.#options.path, {throwIfNoEntry: false})?.size ?? 0
    if (size < this.#offset) this.#restart()
    if (size === this.#offset) return
    const file = openSync(this.#options.path, 'r')
    try {
      const readMax = this.#options.readBytesMax ?? readBytesMax
      if (size - this.#offset > readMax) this.#skip(file, size - readMax, buffer)
      this.#read(file, buffer)
    } finally {
      closeSync(file)
    }
    if (size > (this.#options.fileBytesMax ?? logFileBytesMax)) this.#rotate()
  }

  /** The process is gone: what it wrote without a line's end is a line. */
  finish(): void {
    const text = this.#partial + this.#decoder.end()
    this.#partial = ''
    this.#partialBytes = 0
    if (text !== '') this.#emit(text)
  }

  #restart(): void {
    this.finish()
    this.#offset = 0
  }

  #read(file: number, buffer: Buffer): void {
    let left = this.#options.readBytesMax ?? readBytesMax
    while (left > 0) {
      const length = readSync(file, buffer, 0, Math.min(buffer.length, left), this.#offset)
      if (length === 0) return
      this.#offset += length
      left -= length
      const lastEnd = buffer.subarray(0, length).lastIndexOf(newline)
      this.#partialBytes = lastEnd < 0 ? this.#partialBytes + length : length - lastEnd - 1
      this.#split(this.#partial + this.#decoder.write(buffer.subarray(0, length)))
    }
  }

  #split(text: string): void {
    let start = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#line(text.slice(start, text.charAt(end - 1) === '\r' && end > start ? end - 1 : end))
      start = end + 1
    }
    this.#partial = text.slice(start)
    while (this.#partial.length > lineCharactersMax) {
      this.#emit(this.#partial.slice(0, lineCharactersMax))
      this.#partial = this.#partial.slice(lineCharactersMax)
      this.#partialBytes = Math.min(this.#partialBytes, Buffer.byteLength(this.#partial))
    }
  }

  #line(text: string): void {
    for (let at = 0; at === 0 || at < text.length; at += lineCharactersMax) this.#emit(text.slice(at, at + lineCharactersMax))
  }

  /** Both halves of what would be too long as JSON are short enough. */
  #emit(text: string): void {
    const isLong = text.length * characterJsonBytesMax > lineJsonBytesMax && Buffer.byteLength(JSON.stringify(text)) > lineJsonBytesMax
    const half = Math.ceil(text.length / 2)
    for (const piece of isLong ? [text.slice(0, half), text.slice(half)] : [text]) this.#options.onLine(piece)
  }

  // Passes over to `end` without making lines; the line that `end` falls into is lost with its beginning.
  #skip(file: number, end: number, buffer: Buffer): void {
    let lines = this.#partial === '' ? 0 : 1
    this.#partial = ''
    this.#partialBytes = 0
    this.#decoder = new StringDecoder('utf8')
    while (this.#offset < end) {
      const length = readSync(file, buffer, 0, Math.min(buffer.length, end - this.#offset), this.#offset)
      if (length === 0) break
      for (let at = buffer.indexOf(newline); at >= 0 && at < length; at = buffer.indexOf(newline, at + 1)) lines += 1
      this.#offset += length
    }
    this.#options.onSkipped(Math.max(lines, 1))
  }

  // The writer has the file open for appending, so it must stay the same file. What is written between copy and truncation is lost.
  #rotate(): void {
    const {path} = this.#options
    try {
      copyFileSync(path, `${path}.1`)
    } catch {
      // A full disk, most likely: what was read needs no copy, and truncating is what makes room.
      rmSync(`${path}.1`, {force: true, recursive: true})
    }
    truncateSync(path)
    this.#restart()
  }
}

/** Scratch space for {@link Tail.look}. */
export const createTailBuffer = (): Buffer => Buffer.allocUnsafe(chunkBytes)
