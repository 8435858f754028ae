// What a route may say beside where it leads: data of the API and the feed. What each option does to a request is decided in the files beside it.
import type {RequestField} from './traffic.ts'

/** Where the options leave something out, router and proxy have defaults of their own. */
export interface RouteTimeouts {
  readonly connectMs?: number
  /** From the request sent to the first byte of the answer. */
  readonly firstByteMs?: number
  /** Between two pieces of a body. */
  readonly idleMs?: number
  /** From the request's head to the end of the answer; every try together. */
  readonly totalMs?: number
}

/** Names in lower case. `set` replaces whatever the message has of that name. */
export interface HeaderChange {
  readonly set?: Readonly<Record<string, string>>
  readonly remove?: readonly string[]
}

export interface Cors {
  /** `https://app.example.com`, or `*` alone. */
  readonly origins: readonly string[]
  readonly methods?: readonly string[]
  /** Request headers that may be sent; those asked for when absent. */
  readonly headers?: readonly string[]
  /** Headers of the answer that scripts may read. */
  readonly expose?: readonly string[]
  readonly credentials?: boolean
  readonly maxAgeMs?: number
}

/** A token bucket: `requests` per `perMs` in the long run, `burst` at once. Counted by each router process for itself. */
export interface RateLimit {
  readonly requests: number
  readonly perMs: number
  /** `requests` when absent. */
  readonly burst?: number
  /** `route`: all requests together, the default. `client`: each client address. A header or cookie: each of its values. */
  readonly by?: 'route' | 'client' | RequestField
}

export interface RouteOptions {
  readonly timeouts?: RouteTimeouts
  /** Bytes of a request's body. */
  readonly bodyBytesMax?: number
  /** Requests for another host that the route matches are sent here by a redirect. */
  readonly canonicalHost?: string
  readonly requestHeaders?: HeaderChange
  readonly responseHeaders?: HeaderChange
  readonly cors?: Cors
  readonly rateLimit?: RateLimit
  /** Name of a cookie that remembers the instance. */
  readonly sticky?: string
  /** How long a request waits while the service has no live instance. */
  readonly holdMs?: number
}

export const routeTimeoutMsMax = 86_400_000
export const holdMsLimit = 60_000
export const routeBodyBytesMax = 2 ** 40
export const headerChangesMax = 20
export const headerValueCharactersMax = 1_024
export const corsEntriesMax = 50
export const rateRequestsMax = 1_000_000
export const ratePerMsMax = 3_600_000

/** Headers that frame a message or tell of its way: never set or removed by a route. */
export const protectedHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-request-id',
])

const ordered = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(ordered)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, ordered(each)]),
  )
}

/** One text for equal options, whatever the order of their keys; no options and empty ones are equal. */
export const optionsText = (options: RouteOptions | undefined): string => JSON.stringify(ordered(options ?? {}))
