// What a route's options make of one request, before anything is sent: an answer of our own, a refusal, or how the exchange is to be handled. Decides only.
import {corsEdit, preflight} from '#shared/domain/cors.ts'
import {both, editOf, type HeaderEdit, noEdit} from '#shared/domain/header-edit.ts'
import type {Buckets} from '#shared/domain/rate-limit.ts'
import type {RateLimit, RouteOptions} from '#shared/domain/route-options.ts'
import {type RequestFields, trafficValueCharactersMax} from '#shared/domain/traffic.ts'
import type {Decision, Handling, RequestHead} from './destination.ts'
import type {Limits} from './limits.ts'
import type {RequestTarget} from './request-target.ts'

/** What limits are counted with. */
export interface Counting {
  readonly buckets: Buckets
  readonly now: () => number
}

/** A route whose options hold for a request. */
interface RouteInForce {
  readonly name: string
  readonly handling: Handling | undefined
}

/** What a route leaves on answers of our own: its name, and its changes to their headers. */
export const saidBy = ({name, handling}: RouteInForce): {route: string; edit?: HeaderEdit} => {
  const edit = handling?.responseEdit
  return edit === undefined ? {route: name} : {route: name, edit}
}

/** 308 keeps method and body (RFC 9110 §15.4.9). */
const canonical = (host: string, {path, query}: RequestTarget, {client}: RequestHead, route: RouteInForce): Decision => {
  const location = `${client.proto}://${host}${path}${query === undefined ? '' : `?${query}`}`
  return {ok: true, destination: {kind: 'answer', status: 308, headers: ['location', location], ...saidBy(route)}}
}

const fieldValue = (by: Exclude<RateLimit['by'], string | undefined>, fields: RequestFields): string => {
  const value = 'header' in by ? fields.header(by.header) : fields.cookie(by.cookie)
  return (value ?? '').slice(0, trafficValueCharactersMax)
}

/** Whose bucket a request takes from. Requests without the header or cookie share one. */
const bucketOf = ({by = 'route'}: RateLimit, {client, fields}: RequestHead, route: string): string => {
  if (by === 'route') return route
  return by === 'client' ? `${route} ${client.key}` : `${route} ${fieldValue(by, fields)}`
}

const limited = (limit: RateLimit, head: RequestHead, route: RouteInForce, {buckets, now}: Counting): Decision | undefined => {
  const retryAfterMs = buckets.take(bucketOf(limit, head, route.name), limit, now())
  if (retryAfterMs === 0) return undefined
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1_000))
  const detail = `Route “${route.name}” lets ${limit.requests} requests per ${limit.perMs / 1_000} s through; try again in ${seconds} s.`
  return {ok: false, code: 'rate_limited', detail, ...saidBy(route), headers: ['retry-after', String(seconds)]}
}

const tooLarge = (bytesMax: number, {fields}: RequestHead, route: RouteInForce): Decision | undefined => {
  const length = fields.header('content-length')
  if (length === undefined || Number(length) <= bytesMax) return undefined
  return {
    ok: false,
    code: 'too_large',
    detail: `Route “${route.name}” takes bodies of at most ${bytesMax} bytes; this one has ${length}.`,
    ...saidBy(route),
  }
}

/** What the options decide before the target is looked at; undefined: the request goes on. */
export const decideEarly = (
  options: RouteOptions,
  head: RequestHead,
  target: RequestTarget,
  route: RouteInForce,
  counting: Counting,
): Decision | undefined => {
  const {canonicalHost, cors, rateLimit, bodyBytesMax} = options
  if (canonicalHost !== undefined && target.host !== canonicalHost) return canonical(canonicalHost, target, head, route)
  const asked = cors === undefined ? undefined : preflight(cors, head.method, name => head.fields.header(name))
  if (asked !== undefined) return {ok: true, destination: {kind: 'answer', status: 204, headers: asked, route: route.name}}
  const refused = rateLimit === undefined ? undefined : limited(rateLimit, head, route, counting)
  return refused ?? (bodyBytesMax === undefined ? undefined : tooLarge(bodyBytesMax, head, route))
}

/** How a request that goes on is handled. */
export const handlingOf = (options: RouteOptions, {fields}: RequestHead): Handling => {
  const {timeouts = {}, bodyBytesMax, requestHeaders, responseHeaders, cors, sticky, holdMs = 0} = options
  const own = responseHeaders === undefined ? undefined : editOf(responseHeaders)
  const responseEdit = both(cors === undefined ? undefined : corsEdit(cors, name => fields.header(name)), own)
  const instance = sticky === undefined ? undefined : fields.cookie(sticky)
  return {
    timeouts,
    holdMs,
    ...(bodyBytesMax === undefined ? {} : {bodyBytesMax}),
    ...(requestHeaders === undefined ? {} : {requestEdit: editOf(requestHeaders)}),
    ...(responseEdit === undefined ? {} : {responseEdit}),
    ...(sticky === undefined ? {} : {sticky: {cookie: sticky, ...(instance === undefined ? {} : {instance})}}),
  }
}

/** What the answer's headers become: as the route says, with the cookie that makes the session stick to `instance` unless it does already. */
export const answerEdit = ({responseEdit = noEdit, sticky}: Handling, instance: string | undefined): HeaderEdit => {
  if (sticky === undefined || instance === undefined || sticky.instance === instance) return responseEdit
  const cookie = `${sticky.cookie}=${instance}; Path=/; HttpOnly; SameSite=Lax`
  return {...responseEdit, put: [...responseEdit.put, 'set-cookie', cookie]}
}

/** The limits of an exchange: the route's where it says something. */
export const limitsOf = ({timeouts}: Handling, limits: Limits): Limits => ({
  ...limits,
  connectTimeoutMs: timeouts.connectMs ?? limits.connectTimeoutMs,
  firstByteTimeoutMs: timeouts.firstByteMs ?? limits.firstByteTimeoutMs,
  idleTimeoutMs: timeouts.idleMs ?? limits.idleTimeoutMs,
})
