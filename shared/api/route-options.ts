// The options of a route as they travel: strict, and within the limits of shared/domain/route-options.ts.
import {z} from 'zod'
import {hostOf} from '../domain/request-path.ts'
import {
  corsEntriesMax,
  headerChangesMax,
  headerValueCharactersMax,
  holdMsLimit,
  protectedHeaders,
  ratePerMsMax,
  rateRequestsMax,
  routeBodyBytesMax,
  routeTimeoutMsMax,
} from '../domain/route-options.ts'
import {CookieName, HeaderName} from './fields.ts'

const TimeoutMs = z.int().min(1).max(routeTimeoutMsMax).optional()
const OwnHeader = HeaderName.refine(name => !protectedHeaders.has(name.toLowerCase()), 'a header that routes may not change')
const Token = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'letters, digits and dashes')
const HeaderValue = z
  .string()
  .max(headerValueCharactersMax)
  .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'printable ASCII characters, no space at either end')
const HeaderChange = z
  .strictObject({
    set: z
      .record(OwnHeader, HeaderValue)
      .refine(all => Object.keys(all).length <= headerChangesMax, `at most ${headerChangesMax}`)
      .optional(),
    remove: z.array(OwnHeader).max(headerChangesMax).readonly().optional(),
  })
  .optional()
const Origin = z.string().regex(/^(?:\*|https?:\/\/[a-z0-9.-]{1,255}(?::[0-9]{1,5})?)$/, 'an origin such as https://app.example.com, or *')
const Cors = z
  .strictObject({
    origins: z.array(Origin).min(1).max(corsEntriesMax).readonly(),
    methods: z.array(Token).max(corsEntriesMax).readonly().optional(),
    headers: z.array(Token).max(corsEntriesMax).readonly().optional(),
    expose: z.array(Token).max(corsEntriesMax).readonly().optional(),
    credentials: z.boolean().optional(),
    maxAgeMs: z.int().min(0).max(routeTimeoutMsMax).optional(),
  })
  .refine(({origins}) => !origins.includes('*') || origins.length === 1, '“*” allows every origin; name it alone')
  .refine(
    ({origins, credentials}) => credentials !== true || !origins.includes('*'),
    'credentials need origins by name: browsers refuse “*”',
  )
const RateLimit = z.strictObject({
  requests: z.int().min(1).max(rateRequestsMax),
  perMs: z.int().min(100).max(ratePerMsMax),
  burst: z.int().min(1).max(rateRequestsMax).optional(),
  by: z.union([z.enum(['route', 'client']), z.strictObject({header: HeaderName}), z.strictObject({cookie: CookieName})]).optional(),
})

export const RouteOptions = z
  .strictObject({
    timeouts: z.strictObject({connectMs: TimeoutMs, firstByteMs: TimeoutMs, idleMs: TimeoutMs, totalMs: TimeoutMs}).optional(),
    bodyBytesMax: z.int().min(0).max(routeBodyBytesMax).optional(),
    canonicalHost: z
      .string()
      .refine(host => host !== '' && hostOf(host) === host, 'a lower-case host name without port')
      .optional(),
    requestHeaders: HeaderChange,
    responseHeaders: HeaderChange,
    cors: Cors.optional(),
    rateLimit: RateLimit.optional(),
    sticky: CookieName.optional(),
    holdMs: z.int().min(0).max(holdMsLimit).optional(),
  })
  .meta({id: 'RouteOptions'})
