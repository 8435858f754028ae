// Who is alive and where, as the data plane sees it. Pure data.
import type {RouteOptions} from './route-options.ts'
import type {Traffic} from './traffic.ts'

/** One callable instance in a formation's snapshot. */
export interface Endpoint {
  readonly service: string
  readonly id: string
  readonly host: string
  /** Service port → host port. */
  readonly ports: Readonly<Record<string, number>>
  readonly release?: number
  readonly executor?: string
  readonly zone?: string
  /** Set for announcements from outside the platform, which end by themselves; the platform's own end with their executor's lease. */
  readonly expiresAt?: number
}

/** Everything callable in one formation. `version` grows with every change. */
export interface FormationSnapshot {
  readonly formation: string
  readonly version: number
  readonly endpoints: readonly Endpoint[]
  /** By service: whose owner has chosen which release answers. */
  readonly traffic: Readonly<Record<string, Traffic>>
}

/** A rule from domain and path template to a service. */
export interface Route {
  readonly name: string
  /** `crm.example.com`, `*.example.com`, `{tenant}.example.com`, or `*` for any. */
  readonly domain: string
  /** A path template: `/user/{username}`, `/files/{rest:.*}`. */
  readonly path: string
  /** `users.crm.service/{username}`: service address template with an optional port, and path template; or a redirect. */
  readonly target: string
  /** The formation that owns it, when a manifest made it. */
  readonly formation?: string
  readonly options?: RouteOptions
}

export interface RoutingTable {
  readonly version: number
  readonly routes: readonly Route[]
}

export const announcementTtlMsDefault = 30_000
export const announcementTtlMsMax = 86_400_000
export const announcementBytesMax = 8_192
/** From outside the platform, in one formation. */
export const announcementsPerFormationMax = 300
/** Of a stage, and bytes of them all as JSON: routers get the whole table in one answer. */
export const routesMax = 2_000
export const routeTableBytesMax = 2_500_000
