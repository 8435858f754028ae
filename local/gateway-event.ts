// Turns a node:http request into the event API Gateway gives a function (payload format 2.0), and the function's result into a node:http response.
import type {IncomingMessage, ServerResponse} from 'node:http'
import type {APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2} from 'aws-lambda'

export interface EventParts {
  readonly request: IncomingMessage
  readonly path: string
  readonly query: string
  readonly body: Buffer
  readonly routeKey: string
  readonly pathParameters: Readonly<Record<string, string>>
  readonly requestId: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

const textTypes = /^(?:text\/|application\/(?:json|xml|javascript)\b|application\/[a-z0-9.-]+\+(?:json|xml)\b)/i

/** The payload v2 event of a request whose path the gateway has matched. Bodies that are not text travel as base64, as on AWS. */
export const toEvent = (parts: EventParts): APIGatewayProxyEventV2 => {
  const {request, path, query, body, routeKey, pathParameters, requestId, now} = parts
  const headers = joinedHeaders(request)
  const cookies = headers.cookie?.split(';').map(cookie => cookie.trim())
  const isText = textTypes.test(headers['content-type'] ?? '')
  const host = headers.host ?? ''
  const parameters = queryParameters(query)
  return {
    version: '2.0',
    routeKey,
    rawPath: path,
    rawQueryString: query,
    ...(cookies === undefined ? {} : {cookies}),
    headers,
    ...(parameters === undefined ? {} : {queryStringParameters: parameters}),
    requestContext: {
      accountId: 'local',
      apiId: 'local',
      domainName: host,
      domainPrefix: 'local',
      http: {
        method: request.method ?? 'GET',
        path,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: request.socket.remoteAddress ?? '',
        userAgent: headers['user-agent'] ?? '',
      },
      requestId,
      routeKey,
      stage: '$default',
      time: new Date(now).toISOString(),
      timeEpoch: now,
    },
    ...(Object.keys(pathParameters).length === 0 ? {} : {pathParameters}),
    ...(body.length === 0 ? {} : {body: body.toString(isText ? 'utf8' : 'base64')}),
    isBase64Encoded: body.length > 0 && !isText,
  }
}

/** Lower-case names; repeated headers joined by commas. */
const joinedHeaders = (request: IncomingMessage): Record<string, string> => {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(',') : value
  }
  return headers
}

/** Repeated parameters joined by commas; undefined without a query. */
const queryParameters = (query: string): Record<string, string> | undefined => {
  if (query === '') return undefined
  const parameters: Record<string, string> = {}
  for (const [name, value] of new URLSearchParams(query)) {
    const before = Object.hasOwn(parameters, name) ? `${parameters[name]},` : ''
    Object.defineProperty(parameters, name, {value: before + value, enumerable: true, configurable: true, writable: true})
  }
  return parameters
}

/** Writes a function's result. `close` asks the client to open a new connection next time. */
export const writeResult = (result: APIGatewayProxyStructuredResultV2, response: ServerResponse, close: boolean): void => {
  const body = result.body === undefined ? Buffer.alloc(0) : Buffer.from(result.body, result.isBase64Encoded === true ? 'base64' : 'utf8')
  const status = result.statusCode ?? 200
  response.statusCode = status
  for (const [name, value] of Object.entries(result.headers ?? {})) response.setHeader(name, String(value))
  if (result.cookies !== undefined && result.cookies.length > 0) response.setHeader('set-cookie', result.cookies)
  if (close) response.setHeader('connection', 'close')
  if (status !== 204 && status !== 304) response.setHeader('content-length', body.length)
  response.end(status === 204 || status === 304 ? undefined : body)
}
