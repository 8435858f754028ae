// Heads of requests and responses, parsed from the bytes in one pass. The security boundary of the data plane: what RFC 9112 does not allow, or two
// programs could read differently, is refused here. Pure; what bodies follow is framing.ts's business.
import {METHODS} from 'node:http'
import {CR, LF, SP, targetByte, textEnd} from './bytes.ts'
import {type Fault, type Field, fault, type KnownName, scanFields} from './fields.ts'

export interface HeadLimits {
  /** Start line, fields and blank line. */
  readonly headBytesMax: number
  readonly targetBytesMax: number
  readonly fieldsMax: number
}

interface Head {
  /** 1 for HTTP/1.1, 0 for HTTP/1.0; other versions are refused. */
  readonly minor: 0 | 1
  /** The whole head, one character per byte, with its blank line. */
  readonly text: string
  /** Where in `text` the field lines begin. */
  readonly fieldsAt: number
  /** The known fields in their order. */
  readonly fields: readonly Field[]
  /** How many bytes of the input it took. */
  readonly length: number
}

export interface RequestHead extends Head {
  readonly kind: 'request'
  readonly method: string
  readonly target: string
}

export interface ResponseHead extends Head {
  readonly kind: 'response'
  readonly status: number
  readonly reason: string
}

/** A head; or why it is refused; undefined when more bytes are needed. */
export type Parsed<H extends Head> = H | Fault | undefined

export const isFault = (parsed: {readonly kind: string}): parsed is Fault => parsed.kind === 'fault'

/** The values of a known field, in order. */
export const valuesOf = ({text, fields}: Head, name: KnownName): readonly string[] => {
  const values: string[] = []
  for (const field of fields) if (field.name === name) values.push(text.slice(field.valueStart, field.valueEnd))
  return values
}

/** The first value of a known field. */
export const firstOf = ({text, fields}: Head, name: KnownName): string | undefined => {
  for (const field of fields) if (field.name === name) return text.slice(field.valueStart, field.valueEnd)
  return undefined
}

/** Those node:http knows; a method that nobody serves is more likely an attack than a request. */
const methods: ReadonlySet<string> = new Set(METHODS)
const methodBytesMax = Math.max(...METHODS.map(({length}) => length))

const version: readonly number[] = [...Buffer.from('HTTP/1.')]
const versionLength = version.length + 1

/** The minor version that begins at `at`; -1 when there is none we speak. */
const minorAt = (bytes: Buffer, at: number): 0 | 1 | -1 => {
  for (let i = 0; i < version.length; i++) if (bytes[at + i] !== version[i]) return -1
  const digit = bytes[at + version.length]
  return digit === 49 ? 1 : digit === 48 ? 0 : -1
}

const odd = {
  method: fault('the method is not one of HTTP'),
  target: fault('the request target holds a character that is not allowed'),
  form: fault('the request target is not of a form that its method takes'),
  version: fault('the version is neither HTTP/1.1 nor HTTP/1.0'),
  lineEnd: fault('the first line does not end with CR LF'),
  status: fault('the status is not a number from 100 to 599'),
  reason: fault('the reason phrase holds a control character'),
}

/** The forms of RFC 9112 §3.2, each for its methods. What the parts mean is for routing to say. */
const isTargetFor = (method: string, target: string): boolean => {
  if (method === 'CONNECT') return !/[/?]/.test(target)
  return target.charCodeAt(0) === 47 || (target === '*' && method === 'OPTIONS') || /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(target)
}

/** A start line, without its fields. */
interface RequestLine {
  readonly kind: 'line'
  readonly method: string
  readonly targetStart: number
  readonly targetEnd: number
  readonly minor: 0 | 1
  readonly end: number
}

const readMethod = (bytes: Buffer, start: number, end: number): string | Fault | undefined => {
  let at = start
  while (at < end && at - start <= methodBytesMax && bytes[at] !== SP) {
    const byte = bytes[at] as number
    if (byte !== 45 && (byte < 65 || byte > 90)) return odd.method
    at++
  }
  if (at - start > methodBytesMax) return odd.method
  if (at >= end) return undefined
  if (at - start === 3 && bytes[start] === 71 && bytes[start + 1] === 69 && bytes[start + 2] === 84) return 'GET'
  const method = bytes.toString('latin1', start, at)
  return methods.has(method) ? method : odd.method
}

const readRequestLine = (bytes: Buffer, start: number, end: number, limits: HeadLimits): RequestLine | Fault | undefined => {
  const method = readMethod(bytes, start, end)
  if (typeof method !== 'string') return method
  const targetStart = start + method.length + 1
  let at = targetStart
  while (at < end && targetByte[bytes[at] as number] === 1) at++
  if (at - targetStart > limits.targetBytesMax) return fault('the request target is too long', true)
  if (at >= end) return undefined
  if (bytes[at] !== SP || at === targetStart) return odd.target
  const versionAt = at + 1
  if (versionAt + versionLength + 2 > end) return undefined
  const minor = minorAt(bytes, versionAt)
  if (minor === -1) return odd.version
  const lineEnd = versionAt + versionLength
  if (bytes[lineEnd] !== CR || bytes[lineEnd + 1] !== LF) return odd.lineEnd
  return {kind: 'line', method, targetStart, targetEnd: at, minor, end: lineEnd + 2}
}

/** Skips the one empty line that may come before a request (RFC 9112 §2.2). */
const lineStart = (bytes: Buffer, start: number, end: number): number =>
  end - start >= 2 && bytes[start] === CR && bytes[start + 1] === LF ? start + 2 : start

const tooLarge = fault('the head is too large', true)

/** Parses the head of a request from `bytes[start, end)`. */
export const parseRequestHead = (bytes: Buffer, start: number, end: number, limits: HeadLimits): Parsed<RequestHead> => {
  const base = lineStart(bytes, start, end)
  if (base === start && end - start === 1 && bytes[start] === CR) return undefined
  const line = readRequestLine(bytes, base, end, limits)
  const isLarge = end - start >= limits.headBytesMax
  if (line === undefined) return isLarge ? tooLarge : undefined
  if (isFault(line)) return line
  const fields: Field[] = []
  const headEnd = scanFields(bytes, line.end, end, {known: fields, base, fieldsMax: limits.fieldsMax})
  if (headEnd === undefined) return isLarge ? tooLarge : undefined
  if (typeof headEnd !== 'number') return headEnd
  if (headEnd - start > limits.headBytesMax) return tooLarge
  const {method, minor} = line
  // One string for all: what is taken out of it later takes no copy.
  const text = bytes.toString('latin1', base, headEnd)
  const target = text.slice(line.targetStart - base, line.targetEnd - base)
  if (!isTargetFor(method, target)) return odd.form
  return {kind: 'request', method, target, minor, text, fieldsAt: line.end - base, fields, length: headEnd - start}
}

interface StatusLine {
  readonly kind: 'line'
  readonly status: number
  readonly reasonStart: number
  readonly reasonEnd: number
  readonly minor: 0 | 1
  readonly end: number
}

const digitAt = (bytes: Buffer, at: number): number => (bytes[at] as number) - 48

const readStatusLine = (bytes: Buffer, start: number, end: number): StatusLine | Fault | undefined => {
  const seen = Math.min(end - start, version.length)
  for (let i = 0; i < seen; i++) if (bytes[start + i] !== version[i]) return odd.version
  const statusAt = start + versionLength + 1
  if (statusAt + 4 > end) return undefined
  const minor = minorAt(bytes, start)
  if (minor === -1 || bytes[statusAt - 1] !== SP) return odd.version
  const a = digitAt(bytes, statusAt)
  const b = digitAt(bytes, statusAt + 1)
  const c = digitAt(bytes, statusAt + 2)
  if (!(a >= 1 && a <= 5 && b >= 0 && b <= 9 && c >= 0 && c <= 9)) return odd.status
  // The space before an empty reason phrase is often left out; that can not be misread.
  let at = statusAt + 3
  if (bytes[at] === SP) at++
  else if (bytes[at] !== CR) return odd.status
  const reasonStart = at
  at = textEnd(bytes, at, end)
  if (at + 1 >= end) return at < end && bytes[at] !== CR ? odd.reason : undefined
  if (bytes[at] !== CR || bytes[at + 1] !== LF) return odd.reason
  return {kind: 'line', status: a * 100 + b * 10 + c, reasonStart, reasonEnd: at, minor, end: at + 2}
}

/** Parses the head of a response from `bytes[start, end)`. */
export const parseResponseHead = (bytes: Buffer, start: number, end: number, limits: HeadLimits): Parsed<ResponseHead> => {
  const line = readStatusLine(bytes, start, end)
  const isLarge = end - start >= limits.headBytesMax
  if (line === undefined) return isLarge ? tooLarge : undefined
  if (isFault(line)) return line
  const fields: Field[] = []
  const headEnd = scanFields(bytes, line.end, end, {known: fields, base: start, fieldsMax: limits.fieldsMax})
  if (headEnd === undefined) return isLarge ? tooLarge : undefined
  if (typeof headEnd !== 'number') return headEnd
  if (headEnd - start > limits.headBytesMax) return tooLarge
  const {status, minor} = line
  const text = bytes.toString('latin1', start, headEnd)
  const reason = text.slice(line.reasonStart - start, line.reasonEnd - start)
  return {kind: 'response', status, reason, minor, text, fieldsAt: line.end - start, fields, length: headEnd - start}
}
