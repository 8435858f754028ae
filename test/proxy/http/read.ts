// Reads whole byte strings with our parser and with node:http's (llhttp), for comparing the two. Owns no judgement.
import {createServer, request as httpRequest, type IncomingMessage} from 'node:http'
import {Duplex} from 'node:stream'
import {setImmediate as turn} from 'node:timers/promises'
import {readBody} from '#proxy/http/body.ts'
import {requestFraming, responseFraming} from '#proxy/http/framing.ts'
import {isFault, parseRequestHead, parseResponseHead} from '#proxy/http/head.ts'
import {readAuthority, readTarget} from '#proxy/request-target.ts'

export const headLimits = {headBytesMax: 16_384, targetBytesMax: 8_192, fieldsMax: 128}

/** Refused by routing: the connection goes on behind it. */
export const unrouted = 'the target leads nowhere'

export interface SeenRequest {
  readonly method: string
  readonly target: string
  readonly version: string
  readonly host: string | undefined
  readonly body: string
  readonly trailers: string
}
export interface Reading<S> {
  /** Whole messages, in order. */
  readonly seen: readonly S[]
  /** Why reading ended before the bytes did. */
  readonly refused?: string
  /** The last head is not whole: nothing of it goes anywhere yet. */
  readonly inHead?: boolean
  /** The connection ends here; what follows is dropped unread. */
  readonly ended?: boolean
}

/** Feeds a body reader piece by piece; undefined when the body is not whole. */
const wholeBody = (reader: ReturnType<typeof readBody>, bytes: Buffer, start: number, pieces: number) => {
  const content: Buffer[] = []
  const step = Math.max(1, Math.ceil((bytes.length - start) / pieces))
  let at = start
  while (!reader.done && at < bytes.length) {
    const next = reader.read(bytes, at, Math.min(bytes.length, at + step), (from, begin, end) => content.push(from.subarray(begin, end)))
    if (typeof next !== 'number') return next
    at = next
  }
  return {at, done: reader.done, text: Buffer.concat(content).toString('latin1'), trailers: ownTrailers(reader.trailers)}
}

/** Trailers as `name:value` lines. */
const ownTrailers = (lines: string): string =>
  lines.replaceAll(/^([^:]*):[ \t]*(.*?)[ \t]*\r\n/gm, (_line, name: string, value: string) => `${name}:${value}\n`)

const nodesTrailers = ({rawTrailers}: IncomingMessage): string => {
  let lines = ''
  for (let i = 0; i < rawTrailers.length; i += 2) lines += `${rawTrailers[i]}:${rawTrailers[i + 1]}\n`
  return lines
}

/** What our parser makes of the bytes a client sent. `pieces`: into how many reads a body is cut. */
export const readRequests = (bytes: Buffer, pieces = 1): Reading<SeenRequest> => {
  const seen: SeenRequest[] = []
  let at = 0
  while (at < bytes.length) {
    const head = parseRequestHead(bytes, at, bytes.length, headLimits)
    if (head === undefined) return {seen, inHead: true}
    if (isFault(head)) return {seen, refused: head.reason}
    const framing = requestFraming(head)
    if (isFault(framing)) return {seen, refused: framing.reason}
    const readable =
      head.method === 'CONNECT'
        ? readAuthority(head.target)?.port !== undefined
        : readTarget(head.target, framing.host === undefined ? [] : [framing.host]).ok
    if (!readable) return {seen, refused: unrouted}
    const body = wholeBody(readBody(framing.body), bytes, at + head.length, pieces)
    if ('oversize' in body) return {seen, refused: body.reason}
    if (!body.done) return {seen}
    seen.push({
      method: head.method,
      target: head.target,
      version: `1.${head.minor}`,
      host: framing.host,
      body: body.text,
      trailers: body.trailers,
    })
    if (!framing.persistent || head.method === 'CONNECT' || framing.webSocket) return {seen, ended: true}
    at = body.at
  }
  return {seen}
}

/** A connection whose other end is a byte string. It stays open: an end would hide what is incomplete. */
const connection = (bytes: Buffer): Duplex => {
  const duplex = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => done(),
  })
  duplex.push(bytes)
  return duplex
}

/** Enough for everything that is there to be read: nothing waits for a timer. */
const turns = async (): Promise<void> => {
  for (let i = 0; i < 12; i++) await turn()
}

/** A message that was begun; `whole` when its end was seen. */
interface Begun<S> {
  readonly message: S & {body: string; trailers: string}
  whole: boolean
}

const follow = <S>(begun: Begun<S>[], message: S, incoming: IncomingMessage, then: () => void): void => {
  const one: Begun<S> = {message: {...message, body: '', trailers: ''}, whole: false}
  begun.push(one)
  incoming.setEncoding('latin1').on('data', chunk => {
    one.message.body += chunk
  })
  incoming
    .on('error', () => undefined)
    .on('end', () => {
      one.whole = true
      one.message.trailers = nodesTrailers(incoming)
      then()
    })
}

const readingOf = <S>(begun: readonly Begun<S>[], refused: string | undefined): Reading<S> =>
  refused === undefined
    ? {seen: begun.filter(({whole}) => whole).map(({message}) => message)}
    : {seen: begun.map(({message}) => message), refused}

/** As ours: HTTP/1.0 has no upgrades (RFC 9110 §7.8). */
const isWebSocket = ({method, headers, httpVersion}: IncomingMessage): boolean =>
  httpVersion === '1.1' && method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'

/** What node:http makes of the same bytes. Once it refuses, it tells of bodies no more. */
export const nodeReadsRequests = async (bytes: Buffer): Promise<Reading<SeenRequest>> => {
  const begun: Begun<Omit<SeenRequest, 'body' | 'trailers'>>[] = []
  let refused: string | undefined
  const headOf = ({method = '', url = '', httpVersion, headers}: IncomingMessage) => ({
    method,
    target: url,
    version: httpVersion,
    host: headers.host,
  })
  const server = createServer({requestTimeout: 0, shouldUpgradeCallback: isWebSocket}, (request, response) =>
    follow(begun, headOf(request), request, () => response.end()),
  )
  const tunnel = (request: IncomingMessage): void => void begun.push({message: {...headOf(request), body: '', trailers: ''}, whole: true})
  server.on('upgrade', tunnel).on('connect', tunnel)
  server.on('clientError', (error, socket) => {
    refused ??= 'code' in error ? String(error.code) : error.message
    socket.destroy()
  })
  const duplex = connection(bytes)
  server.emit('connection', duplex)
  await turns()
  duplex.destroy()
  return readingOf(begun, refused) as Reading<SeenRequest>
}

export interface SeenResponse {
  readonly status: number
  readonly body: string
  readonly trailers: string
}

/** What our parser makes of the bytes an instance sent as answer to one request; interim answers are passed over. */
export const readResponse = (bytes: Buffer, method: string, pieces = 1): Reading<SeenResponse> => {
  let at = 0
  for (;;) {
    const head = parseResponseHead(bytes, at, bytes.length, headLimits)
    if (head === undefined) return {seen: [], inHead: true}
    if (isFault(head)) return {seen: [], refused: head.reason}
    const framing = responseFraming(head, {method, webSocket: false})
    if (isFault(framing)) return {seen: [], refused: framing.reason}
    at += head.length
    if (framing.interim) continue
    const body = wholeBody(readBody(framing.body), bytes, at, pieces)
    if ('oversize' in body) return {seen: [], refused: body.reason}
    const seen = body.done ? [{status: head.status, body: body.text, trailers: body.trailers}] : []
    return body.at < bytes.length ? {seen, refused: 'bytes follow the answer: its connection is not used again'} : {seen}
  }
}

/** What node:http makes of them. */
export const nodeReadsResponse = async (bytes: Buffer, method: string): Promise<Reading<SeenResponse>> => {
  const begun: Begun<{status: number}>[] = []
  let refused: string | undefined
  const duplex = connection(bytes)
  const outgoing = httpRequest({method, createConnection: () => duplex as never}, response =>
    follow(begun, {status: response.statusCode ?? 0}, response, () => undefined),
  )
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    refused ??= error.code ?? error.message
  })
  outgoing.on('upgrade', (_answer, socket) => socket.destroy())
  outgoing.end()
  await turns()
  outgoing.destroy()
  duplex.destroy()
  return readingOf(begun, refused) as Reading<SeenResponse>
}
