// Heads on their way through: what is for one connection only is taken off, what tells of the way is put on, the rest stays as it came, byte for byte.
// Pure, on text; what is put in was checked by whoever made it.
import {cookieOf} from '#shared/domain/cookies.ts'
import type {HeaderEdit} from '#shared/domain/header-edit.ts'
import type {RequestFields} from '#shared/domain/traffic.ts'
import {COLON} from './bytes.ts'
import {bitsOf, type KnownName} from './fields.ts'
import {type ConnectionOptions, hasContent, type RequestFraming, type ResponseFraming, takesTrailers} from './framing.ts'
import {firstOf, type RequestHead, type ResponseHead, valuesOf} from './head.ts'

/** Meant for one connection (RFC 9110 §7.6.1), or for this proxy (§11.7). Whatever `Connection` names is dropped too. */
const hopByHop: readonly KnownName[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]
const ofAnswers = bitsOf(hopByHop)
const ofEmptyAnswers = bitsOf([...hopByHop, 'content-length'])
const ofRequests = bitsOf([...hopByHop, 'host', 'via', 'expect', 'x-request-id', 'traceparent'])
const ofClient = bitsOf(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'])
/** Means something together with a valid `traceparent` only. */
const ofTrace = bitsOf(['tracestate'])

type Head = Pick<RequestHead | ResponseHead, 'text' | 'fieldsAt' | 'fields'>

/** What may stand in a head: a character beyond latin-1 would be cut to a byte, which could be a line end. */
const isSafe = (text: string): boolean => !/[^\t\x20-\x7e\x80-\xff]/.test(text)

/** Names and values in turn as field lines. Throws for what can not stand in one: that it can not is for whoever took it in to see to. */
export const fieldLines = (flat: readonly string[]): string => {
  let lines = ''
  for (let i = 0; i + 1 < flat.length; i += 2) {
    if (!isSafe(flat[i] as string) || !isSafe(flat[i + 1] as string)) throw new Error(`${flat[i]} can not be put on a message`)
    lines += `${flat[i]}: ${flat[i + 1]}\r\n`
  }
  return lines
}

/** Field lines with an edit made. */
const editedLines = (lines: string, edit: HeaderEdit | undefined): string =>
  edit === undefined ? lines : `${withoutNamed(lines, edit.drop)}${fieldLines(edit.put)}`

/** The field lines but those of known names in `dropped` and those that `Connection` names. */
const keptLines = (head: Head, dropped: number, named: readonly string[]): string => {
  const kept = keptFrom(head, head.fieldsAt, dropped)
  return named.length === 0 ? kept : withoutNamed(kept, new Set(named))
}

/** The text from `from` on, without the blank line and without the known fields in `dropped`. */
const keptFrom = ({text, fields}: Head, from: number, dropped: number): string => {
  let kept = ''
  let at = from
  for (const {bit, start, end} of fields) {
    if ((dropped & bit) === 0) continue
    if (start > at) kept += text.slice(at, start)
    at = end
  }
  return kept + text.slice(at, text.length - 2)
}

const withoutNamed = (lines: string, named: ReadonlySet<string>): string =>
  lines
    .split('\r\n')
    .filter(line => line === '' || !named.has(line.slice(0, line.indexOf(':')).toLowerCase()))
    .join('\r\n')

/**
 * What some programs would take for a field of the head, and so may not come behind one (RFC 9110 §6.5.1): fields that frame, route, modify, authenticate or
 * describe a message (listed in RFC 7230 §4.1.2), and those that tell of its way.
 */
const headOnly =
  /^(?:if-.*|x-forwarded-.*|proxy-.*|content-(?:encoding|length|location|range|type)|cache-control|max-forwards|pragma|range|authorization|www-authenticate|cookie|set-cookie|age|expires|date|location|retry-after|vary|warning|via|forwarded|x-request-id)$/

/** Those of a body's trailers that travel on; what an edit takes off or puts on a head can not come behind it. */
export const forwardedTrailers = (lines: string, edit: HeaderEdit | undefined): string => {
  if (lines === '') return ''
  const travels = (line: string): boolean => {
    const name = line.slice(0, line.indexOf(':')).toLowerCase()
    return !headOnly.test(name.replaceAll('_', '-')) && edit?.drop.has(name) !== true
  }
  return lines
    .split('\r\n')
    .filter(line => line === '' || travels(line))
    .join('\r\n')
}

/** `Trailer`, which tells of what comes behind a body (RFC 9110 §6.6.2), for one that keeps it. */
const announcedTrailers = (head: RequestHead | ResponseHead, {named}: ConnectionOptions): string =>
  firstOf(head, 'trailer') === undefined || named.includes('trailer') ? '' : `trailer: ${valuesOf(head, 'trailer').join(', ')}\r\n`

/** What a request passed on carries about its way. */
export interface Way {
  /** Path and query. */
  readonly path: string
  /** Host header for the instance. */
  readonly authority: string
  readonly requestId: string
  /** Of `tracestate` only that of a trace that was given goes on. */
  readonly trace: {readonly traceId: string; readonly spanId: string; readonly flags: string; readonly isGiven: boolean}
  /** Our name in Via: unique to this process, so that seeing it again means a loop. */
  readonly pseudonym: string
  /** Set when X-Forwarded-* are to be added. */
  readonly client?: {readonly address: string; readonly host: string; readonly proto: string}
  /** What becomes of the headers beside. */
  readonly edit?: HeaderEdit | undefined
}

const joined = (head: RequestHead, name: KnownName, last: string): string => {
  const first = firstOf(head, name)
  return first === undefined ? last : `${valuesOf(head, name).join(', ')}, ${last}`
}

/** The head of a forwarded request. X-Forwarded-For and Via grow; X-Forwarded-Host and -Proto are ours. A body is passed on in the framing it came in. */
export const forwardedRequest = (head: RequestHead, framing: RequestFraming, way: Way): string => {
  const {options, body, webSocket, expectsContinue} = framing
  const {client, path, authority, requestId, trace} = way
  const dropped = ofRequests | (client === undefined ? 0 : ofClient) | (trace.isGiven ? 0 : ofTrace)
  const kept = keptLines(head, dropped, options.named)
  const via = joined(head, 'via', `1.${head.minor} ${way.pseudonym}`)
  let lines = `${kept}via: ${via}\r\nx-request-id: ${requestId}\r\ntraceparent: 00-${trace.traceId}-${trace.spanId}-${trace.flags}\r\n`
  if (client !== undefined) {
    const addresses = joined(head, 'x-forwarded-for', client.address)
    lines += `x-forwarded-for: ${addresses}\r\nx-forwarded-host: ${client.host}\r\nx-forwarded-proto: ${client.proto}\r\n`
  }
  if (!isSafe(path)) throw new Error('a path was made that can not be sent')
  let text = `${head.method} ${path} HTTP/1.1\r\nhost: ${authority}\r\n${editedLines(lines, way.edit)}`
  if (body.kind === 'chunked') text += `transfer-encoding: chunked\r\n${announcedTrailers(head, options)}`
  if (expectsContinue && hasContent(body)) text += 'expect: 100-continue\r\n'
  if (webSocket) text += 'connection: Upgrade\r\nupgrade: websocket\r\n'
  else if (takesTrailers(head)) text += 'connection: TE\r\nte: trailers\r\n'
  return `${text}\r\n`
}

/** What an answer passed on gets of ours. */
export interface AnswerWay {
  /** For an answer that has none. */
  readonly requestId: string
  /** The present time as an HTTP date, for an answer that has none (RFC 9110 §6.6.1). */
  readonly date: () => string
  /** How the body goes to the client; `close` ends with the connection. */
  readonly framing: 'asIs' | 'chunked' | 'close'
  /** Whether trailers go to the client too. */
  readonly trailers: boolean
  /** What the client is told of the connection. */
  readonly connection: 'close' | 'keepAlive' | 'upgrade' | 'unsaid'
  /** What becomes of the answer's headers. */
  readonly edit?: HeaderEdit | undefined
}

const connectionLines = {
  close: 'connection: close\r\n',
  keepAlive: 'connection: keep-alive\r\n',
  upgrade: 'connection: Upgrade\r\nupgrade: websocket\r\n',
  unsaid: '',
} as const

/** Status line and fields that stay. Mostly all of it is one piece of what came. */
const keptAnswer = (head: ResponseHead, dropped: number, named: readonly string[], edit: HeaderEdit | undefined): string => {
  if (head.minor === 1 && head.reason !== '' && named.length === 0 && edit === undefined) return keptFrom(head, 0, dropped)
  return `HTTP/1.1 ${head.status} ${head.reason}\r\n${editedLines(keptLines(head, dropped, named), edit)}`
}

/** The head of an answer as the client gets it. */
export const forwardedAnswer = (head: ResponseHead, {options}: ResponseFraming, way: AnswerWay): string => {
  const dropped = head.status === 204 || head.status === 101 ? ofEmptyAnswers : ofAnswers
  let text = keptAnswer(head, dropped, options.named, way.edit)
  if (firstOf(head, 'date') === undefined) text += `date: ${way.date()}\r\n`
  if (firstOf(head, 'x-request-id') === undefined) text += `x-request-id: ${way.requestId}\r\n`
  if (way.framing === 'chunked') text += 'transfer-encoding: chunked\r\n'
  if (way.trailers) text += announcedTrailers(head, options)
  return `${text}${connectionLines[way.connection]}\r\n`
}

const isNamed = (text: string, at: number, name: string): boolean => {
  for (let i = 0; i < name.length; i++) {
    const code = text.charCodeAt(at + i)
    if ((code >= 65 && code <= 90 ? code + 32 : code) !== name.charCodeAt(i)) return false
  }
  return true
}

/** All values of any header, by its name in lower case, in order. */
const anyValuesOf = ({text, fieldsAt}: RequestHead, name: string): readonly string[] => {
  const values: string[] = []
  for (let at = fieldsAt; at < text.length - 2; ) {
    const end = text.indexOf('\r\n', at)
    const colon = at + name.length
    if (text.charCodeAt(colon) === COLON && isNamed(text, at, name)) values.push(text.slice(colon + 1, end).replace(/^[ \t]+|[ \t]+$/g, ''))
    at = end + 2
  }
  return values
}

/** A request's headers and cookies by name, as routes and traffic choices ask for them. Of several values the first counts. */
export class HeadFields implements RequestFields {
  readonly #head: RequestHead

  constructor(head: RequestHead) {
    this.#head = head
  }

  header(name: string): string | undefined {
    return anyValuesOf(this.#head, name)[0]
  }

  cookie(name: string): string | undefined {
    return cookieOf(anyValuesOf(this.#head, 'cookie'), name)
  }
}

/** Whether a request has come through this process before (RFC 9110 §7.6.3). */
export const isLoop = (head: RequestHead, pseudonym: string): boolean =>
  firstOf(head, 'via') !== undefined &&
  valuesOf(head, 'via').some(value => value.split(',').some(hop => hop.trim().split(/\s+/)[1] === pseudonym))

/** A request id that may travel on: what the client sent, if it is short and plain. */
export const acceptableRequestId = (value: string | undefined): string | undefined =>
  value !== undefined && /^[A-Za-z0-9._:/+=@-]{1,128}$/.test(value) ? value : undefined
