// Bodies in transit: where the content is in the bytes that arrive, and where the body ends (RFC 9112 §6, §7.1). Owns the count of one body; copies nothing.
import {CR, hexValue, LF, tokenByte} from './bytes.ts'
import {type Fault, type Field, fault, type KnownName, scanFields} from './fields.ts'
import type {BodyLength} from './framing.ts'

/** Takes one run of content, `bytes[start, end)`. */
export type Take = (bytes: Buffer, start: number, end: number) => void

export interface BodyReader {
  readonly done: boolean
  /** The field lines behind the content, checked, each with its CRLF; '' when there are none, or not yet. */
  readonly trailers: string
  /** Reads on; returns the offset after what belongs to the body, which is `end` unless the body is done. */
  readonly read: (bytes: Buffer, start: number, end: number, take: Take) => number | Fault
}

class SizedBody implements BodyReader {
  readonly trailers = ''
  #left: number

  constructor(bytes: number) {
    this.#left = bytes
  }

  get done(): boolean {
    return this.#left === 0
  }

  read(bytes: Buffer, start: number, end: number, take: Take): number {
    const taken = Math.min(this.#left, end - start)
    this.#left -= taken
    if (taken > 0) take(bytes, start, start + taken)
    return start + taken
  }
}

const closeBody: BodyReader = {
  done: false,
  trailers: '',
  read: (bytes, start, end, take) => {
    if (end > start) take(bytes, start, end)
    return end
  },
}

/** 4 GiB per chunk at most; more digits are an attack. */
const sizeDigitsMax = 8
/** Extensions of all chunks of one body together. They mean nothing to us, and end here (RFC 9112 §7.1.1). */
const extensionBytesMax = 4_096
/** Trailers of one body, with their line ends. */
const trailerBytesMax = 8_192
const trailerFieldsMax = 64

/** What frames and routes a message has no place behind it (RFC 9110 §6.5.1), and some parsers take it for true. */
const headOnly: ReadonlySet<KnownName> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

type State = 'size' | ExtensionState | 'sizeEnd' | 'data' | 'dataCr' | 'dataEnd' | 'trailers' | 'done'
type ExtensionState = 'nameFirst' | 'name' | 'valueFirst' | 'value' | 'quoted' | 'escaped' | 'quotedEnd'
type ByteClass = 'token' | 'semicolon' | 'equals' | 'quote' | 'backslash' | 'cr' | 'text' | 'control'

const odd = {
  size: fault('a chunk’s size is not a hexadecimal number'),
  extension: fault('a chunk’s extension is malformed'),
  long: fault('chunk extensions are too long', true),
  end: fault('a chunk does not end with CR LF'),
  trailer: fault('a trailer holds a header that only a head may hold'),
  trailers: fault('the trailers are too large', true),
}

const special: Readonly<Record<number, ByteClass>> = {59: 'semicolon', 61: 'equals', 34: 'quote', 92: 'backslash', 13: 'cr'}
const classOf = (byte: number): ByteClass =>
  special[byte] ?? (tokenByte[byte] === 1 ? 'token' : byte >= 32 && byte !== 127 ? 'text' : 'control')

const quotedText: Partial<Record<ByteClass, State>> = {token: 'quoted', semicolon: 'quoted', equals: 'quoted', text: 'quoted'}

/**
 * Chunk extensions, `;name`, `;name=token` and `;name="text"` (RFC 9112 §7.1.1). Blanks around `;` and `=` are refused: the RFC only puts up with them.
 * What is not in the table is malformed.
 */
const extensionNext: Readonly<Record<ExtensionState, Partial<Record<ByteClass, State>>>> = {
  nameFirst: {token: 'name'},
  name: {token: 'name', semicolon: 'nameFirst', equals: 'valueFirst', cr: 'sizeEnd'},
  valueFirst: {token: 'value', quote: 'quoted'},
  value: {token: 'value', semicolon: 'nameFirst', cr: 'sizeEnd'},
  quoted: {...quotedText, quote: 'quotedEnd', backslash: 'escaped'},
  escaped: {...quotedText, quote: 'quoted', backslash: 'quoted'},
  quotedEnd: {semicolon: 'nameFirst', cr: 'sizeEnd'},
}

class ChunkedBody implements BodyReader {
  trailers = ''
  #state: State = 'size'
  #size = 0
  #digits = 0
  #extensionBytes = 0
  /** Trailers that came in pieces. */
  #partial: Buffer | undefined

  get done(): boolean {
    return this.#state === 'done'
  }

  read(bytes: Buffer, start: number, end: number, take: Take): number | Fault {
    let at = start
    while (at < end && this.#state !== 'done') {
      if (this.#state === 'data') {
        const taken = Math.min(this.#size, end - at)
        take(bytes, at, at + taken)
        at += taken
        this.#size -= taken
        if (this.#size === 0) this.#state = 'dataCr'
      } else if (this.#state === 'trailers') {
        const next = this.#readTrailers(bytes, at, end)
        if (typeof next !== 'number') return next
        at = next
      } else {
        const wrong = this.#step(bytes[at] as number)
        if (wrong !== undefined) return wrong
        at++
      }
    }
    return at
  }

  /** One byte of what stands around the content. */
  #step(byte: number): Fault | undefined {
    switch (this.#state) {
      case 'size':
        return this.#stepSize(byte)
      case 'sizeEnd':
        return this.#expect(byte, LF, this.#size === 0 ? 'trailers' : 'data')
      case 'dataCr':
        return this.#expect(byte, CR, 'dataEnd')
      case 'dataEnd':
        this.#digits = 0
        return this.#expect(byte, LF, 'size')
      case 'data':
      case 'trailers':
      case 'done':
        throw new Error(`a chunked body in state ${this.#state} is not read by the byte`)
      default:
        return this.#stepExtension(this.#state, byte)
    }
  }

  #expect(byte: number, wanted: number, next: State): Fault | undefined {
    if (byte !== wanted) return odd.end
    this.#state = next
    return undefined
  }

  #stepSize(byte: number): Fault | undefined {
    const digit = hexValue[byte] as number
    if (digit < 16) {
      this.#size = this.#digits === 0 ? digit : this.#size * 16 + digit
      this.#digits += 1
      return this.#digits > sizeDigitsMax ? odd.size : undefined
    }
    if (this.#digits === 0) return odd.size
    if (byte === CR) this.#state = 'sizeEnd'
    else if (classOf(byte) === 'semicolon') this.#state = 'nameFirst'
    else return odd.size
    return undefined
  }

  #stepExtension(state: ExtensionState, byte: number): Fault | undefined {
    this.#extensionBytes += 1
    if (this.#extensionBytes > extensionBytesMax) return odd.long
    const next = extensionNext[state][classOf(byte)]
    if (next === undefined) return odd.extension
    this.#state = next
    return undefined
  }

  /** Trailers are checked like a head's fields. Which of them travel on is rewrite.ts's business. */
  #readTrailers(bytes: Buffer, start: number, end: number): number | Fault {
    const held = this.#partial?.length ?? 0
    const whole = this.#partial === undefined ? bytes : Buffer.concat([this.#partial, bytes.subarray(start, end)])
    const from = this.#partial === undefined ? start : 0
    const to = this.#partial === undefined ? end : whole.length
    const known: Field[] = []
    const after = scanFields(whole, from, to, {known, base: 0, fieldsMax: trailerFieldsMax})
    if (after !== undefined && typeof after !== 'number') return after
    if (known.some(({name}) => headOnly.has(name))) return odd.trailer
    // The same bound for trailers that come in one piece and in many.
    if ((after ?? to) - from > trailerBytesMax) return odd.trailers
    if (after !== undefined) {
      this.trailers = whole.toString('latin1', from, after - 2)
      this.#state = 'done'
      this.#partial = undefined
      return start + (after - from - held)
    }
    this.#partial = Buffer.from(whole.subarray(from, to))
    return end
  }
}

const nothing: BodyReader = {done: true, trailers: '', read: (_bytes, start) => start}

/** A reader of one body. */
export const readBody = (length: BodyLength): BodyReader => {
  if (length.kind === 'none') return nothing
  if (length.kind === 'chunked') return new ChunkedBody()
  if (length.kind === 'close') return closeBody
  return length.bytes === 0 ? nothing : new SizedBody(length.bytes)
}
