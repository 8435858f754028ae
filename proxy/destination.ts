// Where a request goes, or why it does not: the outcome of routing, before any instance is chosen. Types only.
import type {HeaderEdit} from '#shared/domain/header-edit.ts'
import type {ServiceAddress} from '#shared/domain/names.ts'
import type {RouteTimeouts} from '#shared/domain/route-options.ts'
import type {RequestFields} from '#shared/domain/traffic.ts'
import type {ErrorCode} from '#shared/errors.ts'

/** A service of the platform; `port` is the service's port, its default when absent. */
export interface ServiceDestination {
  readonly kind: 'service'
  readonly address: ServiceAddress
  readonly port?: number | undefined
  /** Path and query of the forwarded request. */
  readonly path: string
  /** Host header of the forwarded request. */
  readonly authority: string
  /** Name of the route that led here. */
  readonly route?: string
  /** What the route says of how the request is handled. */
  readonly handling?: Handling | undefined
}

/** A route's options as they come to one request: data for whoever moves the bytes. */
export interface Handling {
  readonly timeouts: RouteTimeouts
  readonly bodyBytesMax?: number
  readonly requestEdit?: HeaderEdit
  readonly responseEdit?: HeaderEdit
  /** The instance the client's session sticks to, and the cookie that remembers it. */
  readonly sticky?: {readonly cookie: string; readonly instance?: string}
  /** How long the request may wait for a first instance; 0: not at all. */
  readonly holdMs: number
}

/** Nowhere: the route itself is the answer, such as a redirect. */
export interface OwnAnswer {
  readonly kind: 'answer'
  readonly status: number
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly route: string
  /** What the route puts on answers beside. */
  readonly edit?: HeaderEdit
}

/** A host outside the platform. */
export interface OutsideDestination {
  readonly kind: 'outside'
  readonly host: string
  readonly port: number
  readonly path: string
  readonly authority: string
}
export type Destination = ServiceDestination | OutsideDestination | OwnAnswer

export interface Refusal {
  readonly ok: false
  readonly code: ErrorCode
  readonly detail: string
  readonly route?: string
  /** On the answer, names and values in turn. */
  readonly headers?: readonly string[]
  /** What the route puts on answers beside. */
  readonly edit?: HeaderEdit
}
export type Decision = {readonly ok: true; readonly destination: Destination} | Refusal

/** The parts of a request that decide where it goes. */
export interface RequestHead {
  readonly url: string
  readonly hosts: readonly string[]
  readonly method: string
  readonly fields: RequestFields
  /** Who asks: the address to count requests by, and the scheme of the URL the client sees. */
  readonly client: {readonly key: string; readonly proto: string}
}

/** What makes the program a router or a proxy. Decisions are functions of the request and the current table, and of what was counted before. */
export interface Role {
  readonly name: 'router' | 'proxy'
  readonly decide: (head: RequestHead) => Decision
  /** For requests that come through a CONNECT to `authority`. */
  readonly decideWithin?: (head: RequestHead, authority: string) => Decision
  /** For CONNECT; a role without it does not tunnel. */
  readonly decideConnect?: (authority: string) => Decision
  /** Whether requests get X-Forwarded-* headers. */
  readonly forwardsClient: boolean
}
