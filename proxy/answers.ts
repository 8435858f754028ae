// Answers of our own: problem documents for refused and failed requests, to a response or to a bare socket. Owns their shape, not their causes.
import type {ServerResponse} from 'node:http'
import {STATUS_CODES} from 'node:http'
import type {Duplex} from 'node:stream'
import {type ErrorCode, problem} from '#shared/errors.ts'

/** What a problem document tells beside code and detail. */
export interface ProblemContext {
  readonly requestId: string
  readonly route?: string
  readonly service?: string
  readonly formation?: string
  /** Further headers of the answer, names and values in turn. */
  readonly headers?: readonly string[]
}

const document = (code: ErrorCode, detail: string, context: ProblemContext): {status: number; body: string} => {
  const {requestId, headers: _, ...where} = context
  const content = {...problem(code, detail, {requestId}), ...where}
  return {status: content.status, body: `${JSON.stringify(content)}\n`}
}

const pairsOf = (flat: readonly string[]): Record<string, string> =>
  Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? '']] : [])))

const headersOf = (body: string, {requestId, headers = []}: ProblemContext): Record<string, string> => ({
  'content-type': 'application/problem+json',
  'content-length': String(Buffer.byteLength(body)),
  'cache-control': 'no-store',
  'x-request-id': requestId,
  ...pairsOf(headers),
})

/** Answers with a problem document; HEAD gets its head only. `close` ends the connection, as it must when the request's body was not read. */
export const answerProblem = (response: ServerResponse, code: ErrorCode, detail: string, context: ProblemContext, close: boolean): void => {
  const {status, body} = document(code, detail, context)
  response.writeHead(status, {...headersOf(body, context), ...(close ? {connection: 'close'} : {})})
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

/** The same on a socket without a response object: upgrades, CONNECT, and what could not be parsed. Ends the connection. */
export const answerProblemRaw = (socket: Duplex, code: ErrorCode, detail: string, context: ProblemContext): void => {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const {status, body} = document(code, detail, context)
  const headers = Object.entries({...headersOf(body, context), connection: 'close'})
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...headers.map(([name, value]) => `${name}: ${value}`)]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

/** Answers with a status and headers alone, such as a redirect. */
export const answerBare = (
  response: ServerResponse,
  status: number,
  headers: readonly string[],
  requestId: string,
  close: boolean,
): void => {
  const length = status === 204 ? [] : ['content-length', '0']
  response.writeHead(status, [...headers, ...length, 'x-request-id', requestId, ...(close ? ['connection', 'close'] : [])])
  response.end()
}

/** The same on a socket without a response object. Ends the connection. */
export const answerBareRaw = (socket: Duplex, status: number, headers: readonly string[], requestId: string): void => {
  const lines = Object.entries({...pairsOf(headers), 'content-length': '0', 'x-request-id': requestId, connection: 'close'})
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...lines.map(([name, value]) => `${name}: ${value}`)]
  socket.end(`${head.join('\r\n')}\r\n\r\n`, () => socket.destroy())
}
