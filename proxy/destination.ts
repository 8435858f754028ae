// Where a request goes, or why it does not: the outcome of routing, before any instance is chosen. Types only.
import type {ServiceAddress} from '#shared/domain/names.ts'
import type {ErrorCode} from '#shared/errors.ts'

/** A service of the platform; `port` is the service's port, its default when absent. */
export interface ServiceDestination {
  readonly kind: 'service'
  readonly address: ServiceAddress
  readonly port?: number
  /** Path and query of the forwarded request. */
  readonly path: string
  /** Host header of the forwarded request. */
  readonly authority: string
  /** Name of the route that led here. */
  readonly route?: string
}

/** A host outside the platform. */
export interface OutsideDestination {
  readonly kind: 'outside'
  readonly host: string
  readonly port: number
  readonly path: string
  readonly authority: string
}
export type Destination = ServiceDestination | OutsideDestination

export interface Refusal {
  readonly ok: false
  readonly code: ErrorCode
  readonly detail: string
  readonly route?: string
}
export type Decision = {readonly ok: true; readonly destination: Destination} | Refusal

/** The parts of a request that decide where it goes. */
export interface RequestHead {
  readonly url: string
  readonly hosts: readonly string[]
}

/** What makes the program a router or a proxy. Decisions are pure functions of the request and the current table. */
export interface Role {
  readonly name: 'router' | 'proxy'
  readonly decide: (head: RequestHead) => Decision
  /** For CONNECT; a role without it does not tunnel. */
  readonly decideConnect?: (authority: string) => Decision
  /** Whether requests get X-Forwarded-* headers. */
  readonly forwardsClient: boolean
}
