// Events as API Gateway makes them (HTTP API, payload format 2.0), for tests.
import type {APIGatewayProxyEventV2} from 'aws-lambda'
import {type Endpoint, type EndpointName, endpoints} from '#shared/endpoints.ts'

export interface EventOptions {
  readonly token?: string
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON, unless it is a string: that is sent as it is. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly base64?: boolean
}

const bodyOf = ({body, base64 = false}: EventOptions): Pick<APIGatewayProxyEventV2, 'body' | 'isBase64Encoded'> => {
  if (body === undefined) return {isBase64Encoded: false}
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return base64 ? {body: Buffer.from(text).toString('base64'), isBase64Encoded: true} : {body: text, isBase64Encoded: false}
}

let requests = 0

/** The event of a call of `name`: routed already, path parameters decoded, header names in lower case. */
export const eventOf = (name: EndpointName, options: EventOptions = {}): APIGatewayProxyEventV2 => {
  const {method, path}: Endpoint = endpoints[name]
  const {params = {}, query = {}, token, headers = {}} = options
  const rawPath = path.replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(params[key] ?? ''))
  const rawQueryString = new URLSearchParams(query).toString()
  return {
    version: '2.0',
    routeKey: `${method} ${path}`,
    rawPath,
    rawQueryString,
    headers: {...(token === undefined ? {} : {authorization: `Bearer ${token}`}), ...headers},
    ...(rawQueryString === '' ? {} : {queryStringParameters: query}),
    ...(Object.keys(params).length === 0 ? {} : {pathParameters: params}),
    ...bodyOf(options),
    requestContext: {
      accountId: '000000000000',
      apiId: 'test',
      domainName: 'api.test',
      domainPrefix: 'api',
      http: {method, path: rawPath, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'test'},
      requestId: `request-${++requests}`,
      routeKey: `${method} ${path}`,
      stage: '$default',
      time: '01/Jan/2026:00:00:00 +0000',
      timeEpoch: 0,
    },
  }
}
