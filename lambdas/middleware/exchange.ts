// One request on its way through the chain: what each step adds for the next ones. Owns the names of endpoints by route; decides nothing.

import type {MiddlewareObj} from '@middy/core'
import type {APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context} from 'aws-lambda'
import {type Endpoint, type EndpointName, endpoints} from '#shared/endpoints.ts'
import type {Principal} from '#shared/scopes.ts'

export type Answer = APIGatewayProxyStructuredResultV2

export interface Exchange {
  readonly http: APIGatewayProxyEventV2
  readonly requestId: string
  readonly startedAt: number
  readonly name: EndpointName
  readonly endpoint: Endpoint
  /** Set by authentication, unless the endpoint is public. */
  principal?: Principal
  /** The parsed body; undefined when the endpoint takes none. */
  body?: unknown
  /** Everything validated, defaults filled in. */
  input?: {readonly params: unknown; readonly query: unknown; readonly body: unknown}
  /** Held while a keyed request is worked on. */
  idempotency?: {readonly tokenId: string; readonly key: string}
}

export type Step = MiddlewareObj<Exchange, Answer, Error, Context>

const byRouteKey: ReadonlyMap<string, EndpointName> = new Map(
  (Object.keys(endpoints) as EndpointName[]).map(name => [`${endpoints[name].method} ${endpoints[name].path}`, name]),
)

/** The endpoint a gateway matched (`POST /v1/formations`), when the table has it. */
export const endpointNamed = (routeKey: string): EndpointName | undefined => byRouteKey.get(routeKey)
