// What follows a head: the length of the body (RFC 9112 §6.3), whether the connection goes on (§9.3), and what was asked of this hop. Pure. Two lengths,
// or one that can be read in two ways, are refused: that is how requests are smuggled (§11.2).
import {bitsOf, type Fault, fault} from './fields.ts'
import {firstOf, isFault, type RequestHead, type ResponseHead, valuesOf} from './head.ts'

/** `close`: the body lasts until the connection ends; answers only. */
export type BodyLength =
  | {readonly kind: 'none'}
  | {readonly kind: 'length'; readonly bytes: number}
  | {readonly kind: 'chunked'}
  | {readonly kind: 'close'}

const none: BodyLength = {kind: 'none'}
const chunked: BodyLength = {kind: 'chunked'}
const untilClose: BodyLength = {kind: 'close'}

/** What `Connection` says (RFC 9110 §7.6.1). */
export interface ConnectionOptions {
  readonly close: boolean
  readonly keepAlive: boolean
  readonly upgrade: boolean
  /** Names of fields that are meant for this connection only, in lower case. */
  readonly named: readonly string[]
}

const noOptions: ConnectionOptions = {close: false, keepAlive: false, upgrade: false, named: []}
const keepAliveOnly: ConnectionOptions = {...noOptions, keepAlive: true}
const closeOnly: ConnectionOptions = {...noOptions, close: true}

/** The elements of a list, in lower case (RFC 9110 §5.6.1). Only space and tab are blanks: `trim` would take off a byte 0xa0 too. */
const elements = (value: string): readonly string[] =>
  value
    .toLowerCase()
    .split(',')
    .map(element => element.replace(/^[ \t]+|[ \t]+$/g, ''))

/** Reads all `Connection` fields of a head. */
export const connectionOptions = (head: RequestHead | ResponseHead): ConnectionOptions => {
  const first = firstOf(head, 'connection')
  if (first === undefined) return noOptions
  const values = valuesOf(head, 'connection')
  if (values.length === 1 && (first === 'keep-alive' || first === 'Keep-Alive')) return keepAliveOnly
  if (values.length === 1 && first === 'close') return closeOnly
  const tokens = values.flatMap(elements)
  const own = new Set(['', 'close', 'keep-alive', 'upgrade'])
  return {
    close: tokens.includes('close'),
    keepAlive: tokens.includes('keep-alive'),
    upgrade: tokens.includes('upgrade'),
    named: tokens.filter(token => !own.has(token)),
  }
}

/** Fields that `Connection` can not take off a message, since the message would mean something else without them. */
const framingNames: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding'])

const persists = (minor: 0 | 1, {close, keepAlive}: ConnectionOptions): boolean => !close && (minor === 1 || keepAlive)

const odd = {
  twoLengths: fault('there is more than one Content-Length'),
  length: fault('Content-Length is not a plain number'),
  tab: fault('there is a tab beside Content-Length or Transfer-Encoding'),
  both: fault('there are both Content-Length and Transfer-Encoding'),
  coding: fault('Transfer-Encoding is not exactly “chunked”'),
  oldCoding: fault('HTTP/1.0 has no Transfer-Encoding'),
  noHost: fault('there is no Host header'),
  twoHosts: fault('there is more than one Host header'),
  named: fault('Connection names a header that frames the message'),
  expectation: fault('Expect is not “100-continue”'),
  connectBody: fault('CONNECT has no body'),
  traceBody: fault('TRACE has no body'),
  upgradeBody: fault('a request for an upgrade has no body'),
  bodyless: fault('the status does not allow a body'),
  switched: fault('an upgrade was answered that nobody asked for'),
}

const lengthBits = bitsOf(['content-length', 'transfer-encoding'])

/** Blanks around these values are spaces, or none: some parsers take a tab for a part of the value. */
const hasTab = ({fields, text}: RequestHead | ResponseHead): boolean => {
  for (const {bit, start, end} of fields) if ((bit & lengthBits) !== 0 && text.slice(start, end).includes('\t')) return true
  return false
}

const lengthDigitsMax = 15

/** Digits without a leading zero that fit a double exactly; -1 for anything else. */
const plainNumber = (text: string): number => {
  if (text.length === 0 || text.length > lengthDigitsMax || (text.length > 1 && text.charCodeAt(0) === 48)) return -1
  let number = 0
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48
    if (digit < 0 || digit > 9) return -1
    number = number * 10 + digit
  }
  return number
}

/** The body's length as the fields say, before the rules of methods and statuses; undefined when they say nothing. */
const declaredLength = (head: RequestHead | ResponseHead): BodyLength | Fault | undefined => {
  let lengths = 0
  let codings = 0
  for (const {name} of head.fields) {
    if (name === 'content-length') lengths++
    else if (name === 'transfer-encoding') codings++
  }
  if (lengths === 0 && codings === 0) return undefined
  if (lengths > 0 && codings > 0) return odd.both
  if (hasTab(head)) return odd.tab
  if (codings > 0) {
    if (head.minor === 0) return odd.oldCoding
    return codings === 1 && firstOf(head, 'transfer-encoding')?.toLowerCase() === 'chunked' ? chunked : odd.coding
  }
  if (lengths > 1) return odd.twoLengths
  const bytes = plainNumber(firstOf(head, 'content-length') ?? '')
  return bytes < 0 ? odd.length : {kind: 'length', bytes}
}

/** What a request's head says of what follows it. */
export interface RequestFraming {
  readonly kind: 'framing'
  readonly body: BodyLength
  /** Whether the client may send another request on this connection. */
  readonly persistent: boolean
  readonly options: ConnectionOptions
  readonly host: string | undefined
  readonly expectsContinue: boolean
  /** Set when the request asks for a WebSocket. Every other `Upgrade` is ignored, as a server may (RFC 9110 §7.8). */
  readonly webSocket: boolean
}

const asksForWebSocket = (head: RequestHead, options: ConnectionOptions): boolean =>
  options.upgrade && head.minor === 1 && head.method === 'GET' && firstOf(head, 'upgrade')?.toLowerCase() === 'websocket'

/** Whether anything follows the head; for chunks that is not known before. */
export const hasContent = (body: BodyLength): boolean => body.kind !== 'none' && !(body.kind === 'length' && body.bytes === 0)

/** The framing of a request; a request without length has no body (RFC 9112 §6.3). */
export const requestFraming = (head: RequestHead): RequestFraming | Fault => {
  const body = declaredLength(head) ?? none
  if (isFault(body)) return body
  const hosts = valuesOf(head, 'host')
  if (hosts.length > 1) return odd.twoHosts
  if (hosts.length === 0 && head.minor === 1) return odd.noHost
  const options = connectionOptions(head)
  if (options.named.some(name => framingNames.has(name))) return odd.named
  const webSocket = asksForWebSocket(head, options)
  if (head.method === 'CONNECT' && hasContent(body)) return odd.connectBody
  if (head.method === 'TRACE' && hasContent(body)) return odd.traceBody
  if (webSocket && hasContent(body)) return odd.upgradeBody
  const expectsContinue = head.minor === 1 && firstOf(head, 'expect') !== undefined
  if (expectsContinue && valuesOf(head, 'expect').some(value => value.toLowerCase() !== '100-continue')) return odd.expectation
  return {kind: 'framing', body, persistent: persists(head.minor, options), options, host: hosts[0], expectsContinue, webSocket}
}

/** Whether the client takes trailers behind an answer in chunks (RFC 9110 §6.5.1, §10.1.4). */
export const takesTrailers = (head: RequestHead): boolean =>
  head.minor === 1 && firstOf(head, 'te') !== undefined && valuesOf(head, 'te').some(value => elements(value).includes('trailers'))

/** What an answer's head says of what follows it. */
export interface ResponseFraming {
  readonly kind: 'framing'
  readonly body: BodyLength
  /** Whether the instance takes another request on this connection. */
  readonly persistent: boolean
  readonly options: ConnectionOptions
  /** Interim answers come before the real one. */
  readonly interim: boolean
}

/** What an answer is an answer to. */
export interface Asked {
  readonly method: string
  readonly webSocket: boolean
}

/** Statuses without a body, whatever the fields say (RFC 9110 §6.4.1). */
const isBodyless = (status: number): boolean => status < 200 || status === 204 || status === 304

/** The framing of an answer. A body where there must be none is refused, as the next answer would be read wrongly. */
export const responseFraming = (head: ResponseHead, asked: Asked): ResponseFraming | Fault => {
  const declared = declaredLength(head)
  if (declared !== undefined && isFault(declared)) return declared
  const {status} = head
  if (status === 101 && !asked.webSocket) return odd.switched
  const options = connectionOptions(head)
  if (options.named.some(name => framingNames.has(name))) return odd.named
  const persistent = persists(head.minor, options)
  if (asked.method === 'HEAD' && status >= 200) return {kind: 'framing', body: none, persistent, options, interim: false}
  if (isBodyless(status)) {
    if (status !== 304 && declared !== undefined && hasContent(declared)) return odd.bodyless
    return {kind: 'framing', body: none, persistent, options, interim: status < 200 && status !== 101}
  }
  const body = declared ?? untilClose
  return {kind: 'framing', body, persistent: persistent && body.kind !== 'close', options, interim: false}
}
