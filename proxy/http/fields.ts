// Field lines, of heads and trailers: one pass over the bytes that checks every one of them, and remembers where the few fields are that mean something
// to a relay. Pure; refuses whatever RFC 9112 §5 does not allow.
import {COLON, CR, foldedByte, LF, SP, TAB, textEnd, tokenByte} from './bytes.ts'

/** Fields a relay reads or rewrites. */
const knownNames = [
  'te',
  'via',
  'date',
  'host',
  'expect',
  'trailer',
  'upgrade',
  'connection',
  'keep-alive',
  'tracestate',
  'traceparent',
  'x-request-id',
  'content-length',
  'x-forwarded-for',
  'proxy-connection',
  'x-forwarded-host',
  'transfer-encoding',
  'x-forwarded-proto',
  'proxy-authenticate',
  'proxy-authorization',
] as const
export type KnownName = (typeof knownNames)[number]

const bitOf = (name: KnownName): number => 1 << knownNames.indexOf(name)

/** Some of the known names as a set of bits, to be compared with {@link Field.bit}. */
export const bitsOf = (names: readonly KnownName[]): number => names.reduce((bits, name) => bits | bitOf(name), 0)

/** Where a known field stands: its whole line with CRLF, and its value without the blanks around. Offsets into the head. */
export interface Field {
  readonly name: KnownName
  /** Stands for the name in sets of names. */
  readonly bit: number
  readonly start: number
  readonly end: number
  readonly valueStart: number
  readonly valueEnd: number
}

/** Why bytes are refused. `oversize`: it may be well-formed, but is larger than we take. */
export interface Fault {
  readonly kind: 'fault'
  readonly reason: string
  readonly oversize: boolean
}
export const fault = (reason: string, oversize = false): Fault => ({kind: 'fault', reason, oversize})

interface Known {
  readonly name: KnownName
  readonly bit: number
  readonly bytes: Uint8Array
  /** Whether the other spelling with `_` exists. */
  readonly hyphenated: boolean
}

const byLength: readonly (readonly Known[])[] = Array.from({length: 32}, (_, length) =>
  knownNames
    .filter(name => name.length === length)
    .map(name => ({name, bit: bitOf(name), bytes: Buffer.from(name), hyphenated: name.includes('-')})),
)

const isNamed = (bytes: Buffer, at: number, {bytes: wanted}: Known): boolean => {
  for (let i = 0; i < wanted.length; i++) if (foldedByte[bytes[at + i] as number] !== wanted[i]) return false
  return true
}

const findKnown = (bytes: Buffer, start: number, end: number): Known | undefined => {
  const candidates = byLength[end - start]
  if (candidates === undefined) return undefined
  for (const known of candidates) if (isNamed(bytes, start, known)) return known
  return undefined
}

const hasUnderscore = (bytes: Buffer, start: number, end: number): boolean => {
  for (let at = start; at < end; at++) if (bytes[at] === 95) return true
  return false
}

const oddName = (byte: number | undefined): Fault => {
  if (byte === SP || byte === TAB) return fault('a header line begins with a blank, or has one before its colon')
  if (byte === LF) return fault('a line ends without CR')
  return fault('a header name holds a character that is not allowed')
}
const oddValue = (byte: number | undefined): Fault =>
  byte === LF ? fault('a line ends without CR') : fault('a header value holds a control character')
const bareCr = fault('a CR is not followed by LF')
const underscored = fault('a header name is spelt with “_” where “-” belongs')
const tooMany = fault('there are too many headers', true)

/**
 * Reads field lines from `start` to the blank line that ends them and puts the known ones into `known`, with offsets from `base`. Returns the offset after
 * the blank line; undefined when `bytes` ends before it. A head that comes in pieces is read again from its start.
 */
export const scanFields = (
  bytes: Buffer,
  start: number,
  end: number,
  into: {readonly known: Field[]; readonly base: number; readonly fieldsMax: number},
): number | Fault | undefined => {
  const {known, base, fieldsMax} = into
  let at = start
  for (let count = 0; ; count++) {
    if (at >= end) return undefined
    if (bytes[at] === CR) return at + 1 >= end ? undefined : bytes[at + 1] === LF ? at + 2 : bareCr
    if (count === fieldsMax) return tooMany
    const nameStart = at
    while (at < end && tokenByte[bytes[at] as number] === 1) at++
    if (at >= end) return undefined
    if (at === nameStart || bytes[at] !== COLON) return oddName(bytes[at])
    const nameEnd = at++
    at = textEnd(bytes, at, end)
    if (at >= end) return undefined
    if (bytes[at] !== CR) return oddValue(bytes[at])
    if (at + 1 >= end) return undefined
    if (bytes[at + 1] !== LF) return bareCr
    const found = findKnown(bytes, nameStart, nameEnd)
    if (found !== undefined) {
      if (found.hyphenated && hasUnderscore(bytes, nameStart, nameEnd)) return underscored
      known.push(place(bytes, found, {base, start: nameStart, valueStart: nameEnd + 1, valueEnd: at}))
    }
    at += 2
  }
}

/** A field with the blanks around its value left out (RFC 9112 §5.1). */
const place = (
  bytes: Buffer,
  {name, bit}: Known,
  {base, start, valueStart, valueEnd}: {base: number; start: number; valueStart: number; valueEnd: number},
): Field => {
  let from = valueStart
  let to = valueEnd
  while (from < to && (bytes[from] === SP || bytes[from] === TAB)) from++
  while (to > from && (bytes[to - 1] === SP || bytes[to - 1] === TAB)) to--
  return {name, bit, start: start - base, end: valueEnd + 2 - base, valueStart: from - base, valueEnd: to - base}
}
