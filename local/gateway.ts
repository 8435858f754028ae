// API Gateway of a local stage: node:http in, the same functions as on AWS behind it. Owns listening, body limits and draining; decides nothing.
import {randomUUID} from 'node:crypto'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import type {APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2} from 'aws-lambda'
import {requestBodyBytesMax} from '#shared/api.ts'
import type {Endpoint, FunctionName} from '#shared/endpoints.ts'
import {type ErrorCode, errorCodes, problem} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import {toEvent, writeResult} from './gateway-event.ts'
import {compileRoutes} from './gateway-routes.ts'
import {loopback} from './options.ts'

/** How long a function may take, as API Gateway's own limit is. */
const functionTimeoutMs = 29_000
/** Of connections, in milliseconds. */
const timeouts = {headersTimeout: 15_000, requestTimeout: 600_000, keepAliveTimeout: 60_000}
const drainTimeoutMs = 5_000
const droppedBytesMax = 16 * 1_048_576

/** `signal` ends when the client goes away. */
export type GatewayFunction = (event: APIGatewayProxyEventV2, signal: AbortSignal) => Promise<APIGatewayProxyStructuredResultV2>

export interface GatewayOptions {
  readonly table: Readonly<Record<string, Endpoint>>
  readonly functions: Readonly<Record<FunctionName, GatewayFunction>>
  /** Serves paths outside the table (signed blob URLs); false when the path is not its own. */
  readonly other?: (request: IncomingMessage, response: ServerResponse, url: URL) => boolean
  /** Address to listen on; loopback by default. */
  readonly host?: string
  readonly port: number
  readonly now: () => number
  readonly log: Logger
}

export interface Gateway {
  readonly port: number
  /** Ends idle connections at once and busy ones when they are answered, at most 5 s later. */
  readonly close: () => Promise<void>
}

/** Listens on `host`:`port` (0: any), on loopback by default. Throws what `listen` throws when the port is taken. */
export const startGateway = async (options: GatewayOptions): Promise<Gateway> => {
  const match = compileRoutes(options.table)
  let draining = false

  const answer = (response: ServerResponse, requestId: string, code: ErrorCode, detail: string, headers: Record<string, string> = {}) => {
    const body = JSON.stringify(problem(code, detail, {requestId}))
    const all = {'content-type': 'application/problem+json', 'x-request-id': requestId, ...headers}
    writeResult({statusCode: errorCodes[code].status, headers: all, body}, response, draining || code === 'too_large')
  }

  const invoke = async (request: IncomingMessage, response: ServerResponse, path: string, query: string, requestId: string) => {
    const method = request.method ?? ''
    const found = match(method, path)
    if (found.outcome === 'missing')
      return answer(response, requestId, 'not_found', `There is no endpoint ${path}; GET /v1/openapi.json lists them.`)
    if (found.outcome === 'malformed')
      return answer(response, requestId, 'invalid_request', `“${found.segment}” in the path is not valid percent-encoding.`)
    if (found.outcome === 'method') {
      const allow = found.allowed.join(', ')
      return answer(response, requestId, 'method_not_allowed', `${path} takes ${allow}, not ${method}.`, {allow})
    }
    const body = await readBody(request, requestBodyBytesMax)
    if (body === undefined) return answer(response, requestId, 'too_large', `The body is larger than ${requestBodyBytesMax} bytes.`)
    const {route, pathParameters} = found
    const event = toEvent({request, path, query, body, routeKey: route.routeKey, pathParameters, requestId, now: options.now()})
    const result = await withTimeout(options.functions[route.function](event, endOf(response)), functionTimeoutMs)
    if (result === undefined)
      return answer(response, requestId, 'unavailable', `No answer within ${functionTimeoutMs / 1_000} s; try again.`)
    writeResult(result, response, draining)
  }

  const server = createServer((request, response) => {
    const requestId = randomUUID()
    const [path = '/', query = ''] = splitTarget(request.url ?? '/')
    const url = URL.parse(request.url ?? '/', 'http://gateway')
    if (url !== null && options.other?.(request, response, url) === true) return
    invoke(request, response, path, query, requestId).catch((error: unknown) => {
      if (request.destroyed && !request.complete) return response.destroy()
      options.log.error({err: error, requestId, method: request.method, path}, 'request failed')
      if (response.headersSent) return response.destroy()
      answer(response, requestId, 'internal', `Something broke here; the log has it as ${requestId}.`)
    })
  })
  Object.assign(server, timeouts)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host ?? loopback, resolve)
  })
  return {
    port: portOf(server.address()) ?? options.port,
    close: () => {
      draining = true
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), drainTimeoutMs)
      return closed.finally(() => clearTimeout(timer))
    },
  }
}

const portOf = (address: AddressInfo | string | null): number | undefined => (typeof address === 'object' ? address?.port : undefined)

/** Aborts when the client goes away, or has its answer. */
const endOf = (response: ServerResponse): AbortSignal => {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return gone.signal
}

/** Path and query of a request target, undecoded; the absolute form (RFC 9112 §3.2.2) is taken as its path. */
const splitTarget = (target: string): readonly string[] => {
  const origin = target.startsWith('/') ? target : (/^https?:\/\/[^/?]*(.*)$/i.exec(target)?.[1] ?? '')
  const mark = origin.indexOf('?')
  return mark < 0 ? [origin, ''] : [origin.slice(0, mark), origin.slice(mark + 1)]
}

/**
 * The whole body; undefined when it is longer than `bytesMax`. What is too much is read and dropped up to a limit, because a client that is still
 * writing would not see the answer. Rejects when the client goes away.
 */
const readBody = (request: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= bytesMax) chunks.push(chunk)
      else chunks.length = 0
      if (bytes > droppedBytesMax) resolve(undefined)
    })
    request.once('end', () => resolve(bytes > bytesMax ? undefined : Buffer.concat(chunks)))
    request.once('error', reject)
    request.once('close', () => reject(new Error('the client closed the connection')))
  })

const withTimeout = async <T>(promise: Promise<T>, ms: number): Promise<T | undefined> => {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<undefined>(resolve => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}
