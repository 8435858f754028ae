// What is known of one request on its way through: where it goes, who can take it, and what to say when it fails or is over. Decides; does no traffic.
import {randomUUID} from 'node:crypto'
import type {IncomingMessage} from 'node:http'
import {edited} from '#shared/domain/header-edit.ts'
import type {ErrorCode} from '#shared/errors.ts'
import type {Attempted} from './attempts.ts'
import type {Decision, Destination, OutsideDestination, Role, ServiceDestination} from './destination.ts'
import type {Discovery} from './discovery.ts'
import type {Failure} from './failures.ts'
import {acceptableRequestId, fieldsOf, isLoop, requestHeaders, valuesOf} from './headers.ts'
import type {Entry} from './report.ts'
import {type Place, select} from './select.ts'

/** An answer of our own in the making. */
export interface Problem {
  readonly code: ErrorCode
  readonly detail: string
  readonly route?: string
  readonly service?: string
  readonly formation?: string
  /** On the answer, names and values in turn. */
  readonly headers?: readonly string[]
}

/** What is known of a request from its head. */
export interface Visit {
  readonly requestId: string
  readonly startedAt: number
  readonly request: IncomingMessage
}

/** Begins a visit: gives the request its id. */
export const beginVisit = (request: IncomingMessage, now: () => number): Visit => ({
  requestId: acceptableRequestId(request.headers['x-request-id']?.toString()) ?? randomUUID(),
  startedAt: now(),
  request,
})

/** What the destination adds to a problem document and a report. */
export const placeOf = (destination: Destination): {service?: string; formation?: string; route?: string} => {
  if (destination.kind === 'outside') return {}
  if (destination.kind === 'answer') return {route: destination.route}
  const {address, route} = destination
  return {service: address.service, formation: address.formation, ...(route === undefined ? {} : {route})}
}

/** Who we are, on this connection. */
export interface Self {
  readonly role: Role
  /** Our name in Via; unique to this process. */
  readonly pseudonym: string
}

/** The problem of a request that came through here before. */
export const loopProblem = (role: Role): Problem => ({
  code: 'loop_detected',
  detail: `This request has passed this ${role.name} before: it was about to go round in circles.`,
})

/** A decision as destination or problem. */
export const settled = (decision: Decision): Destination | Problem => {
  if (decision.ok) return decision.destination
  const {ok: _, ...problem} = decision
  return problem
}

/** A body we can not pass on as it was meant: in another coding than chunked (RFC 9112 §6.1), or with a WebSocket handshake. */
const bodyProblem = ({headers}: IncomingMessage, isUpgrade: boolean): Problem | undefined => {
  const {'transfer-encoding': coding, 'content-length': length = '0'} = headers
  if (isUpgrade && (coding !== undefined || Number(length) !== 0)) {
    return {code: 'invalid_request', detail: 'A WebSocket handshake has no body.'}
  }
  if (coding === undefined || coding.toLowerCase() === 'chunked') return undefined
  return {code: 'invalid_request', detail: `The only transfer coding understood here is chunked, not “${coding.slice(0, 100)}”.`}
}

/** Where the request goes, or the problem to answer with. Loops are found before anything else. */
export const decide = (visit: Visit, {role, pseudonym}: Self, isUpgrade = false): Destination | Problem => {
  const {rawHeaders, url = '', method = ''} = visit.request
  if (isLoop(rawHeaders, pseudonym)) return loopProblem(role)
  const unreadable = bodyProblem(visit.request, isUpgrade)
  if (unreadable !== undefined) return unreadable
  const {proto} = clientOf(visit.request)
  const client = {proto, key: clientKey(visit.request)}
  return settled(role.decide({url, method, hosts: valuesOf(rawHeaders, 'host'), fields: fieldsOf(rawHeaders), client}))
}

export const isProblem = (value: Destination | Problem | readonly Place[]): value is Problem => 'code' in value

const via = (destination: ServiceDestination): string => (destination.route === undefined ? '' : `Route “${destination.route}”: `)

/** The places that can take a request for a service, or the problem to answer with. Waits for a first one as long as the route says. */
export const findPlaces = async (
  visit: Visit,
  destination: ServiceDestination,
  {discovery, random, now}: {readonly discovery: Discovery; readonly random: () => number; readonly now: () => number},
): Promise<readonly Place[] | Problem> => {
  const {address, port, handling} = destination
  const session = handling?.sticky?.instance
  const asking = {request: fieldsOf(visit.request.rawHeaders), random: random(), ...(session === undefined ? {} : {session})}
  const deadline = now() + (handling?.holdMs ?? 0)
  for (;;) {
    const known = await discovery.find(address.formation)
    const selection = select(known, address, port, asking)
    if (selection.ok) return selection.places
    const leftMs = deadline - now()
    if (leftMs > 0 && !visit.request.socket.destroyed && (await discovery.changed(leftMs))) continue
    const unknown = known.loaded ? '' : ' The control plane could not be asked, and nothing is known of this formation yet.'
    return {code: 'no_instance', detail: `${via(destination)}${selection.detail}${unknown}`, ...placeOf(destination)}
  }
}

/** The problem that a failed attempt ends in. */
export const failedProblem = (destination: Destination, name: string, failure: Failure, attempts: number): Problem => {
  const tries = attempts > 1 ? ` It was the last of ${attempts} tries.` : ''
  if (destination.kind !== 'service') return {code: failure.code, detail: `“${name}” ${failure.why}.`}
  const code = failure.code === 'no_such_host' || failure.code === 'host_forbidden' ? 'upstream_refused' : failure.code
  const {service, formation} = destination.address
  const detail = `${via(destination)}instance “${name}” of service “${service}” in formation “${formation}” ${failure.why}.${tries}`
  return {code, detail: detail.charAt(0).toUpperCase() + detail.slice(1), ...placeOf(destination)}
}

/** The report of a visit that is over. */
export const entryOf = (
  visit: Visit,
  kind: Entry['kind'],
  now: () => number,
  end: {status: number; destination?: Destination; attempted?: Attempted; problem?: Problem},
): Entry => {
  const {request, requestId, startedAt} = visit
  const {destination, attempted, problem} = end
  return {
    kind,
    requestId,
    method: request.method ?? '',
    host: request.headers.host ?? '',
    path: (request.url ?? '').split('?')[0] ?? '',
    status: end.status,
    attempts: attempted?.attempts ?? 0,
    durationMs: now() - startedAt,
    ...(destination === undefined ? {} : placeOf(destination)),
    ...(attempted === undefined ? {} : {instance: attempted.upstream.name}),
    ...(problem === undefined
      ? {}
      : {code: problem.code, detail: problem.detail, ...(problem.route === undefined ? {} : {route: problem.route})}),
  }
}

const isTrusted = (address: string): boolean =>
  /^(?:::ffff:)?(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.)|^::1$|^f[cd]/i.test(address)

/** X-Forwarded-*: the peer’s word on the protocol counts only when it is on a private network, as a load balancer before us is. */
export const clientOf = ({socket, headers, rawHeaders}: IncomingMessage): {address: string; host: string; proto: string} => {
  const address = (socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')
  const claimed = headers['x-forwarded-proto']?.toString()
  const proto = isTrusted(address) && (claimed === 'http' || claimed === 'https') ? claimed : 'http'
  return {address, host: valuesOf(rawHeaders, 'host')[0] ?? '', proto}
}

/** An IPv6 address stands for its /64, which one client has to itself (RFC 4291 §2.5.1). */
const networkOf = (address: string): string => {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const before = head.split(':')
  const zeros = tail === undefined ? [] : Array.from({length: Math.max(0, 8 - before.length - tail.split(':').length)}, () => '0')
  return [...before, ...zeros, ...(tail?.split(':') ?? [])].slice(0, 4).join(':')
}

/** Whom rate limits count a request to: the peer, or whom a load balancer on a private network says it came from. */
export const clientKey = ({socket, rawHeaders}: Pick<IncomingMessage, 'socket' | 'rawHeaders'>): string => {
  const address = (socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')
  const told = isTrusted(address) ? valuesOf(rawHeaders, 'x-forwarded-for').at(-1)?.split(',').at(-1)?.trim() : undefined
  return networkOf(told === undefined || told === '' || told.length > 45 ? address : told)
}

/** The headers of the request as the instance gets it. */
export const headersFor = (visit: Visit, destination: ServiceDestination | OutsideDestination, {role, pseudonym}: Self): string[] => {
  const {request, requestId} = visit
  const way = {authority: destination.authority, requestId, pseudonym, httpVersion: request.httpVersion}
  const headers = requestHeaders(request.rawHeaders, role.forwardsClient ? {...way, client: clientOf(request)} : way)
  const edit = destination.kind === 'service' ? destination.handling?.requestEdit : undefined
  return edit === undefined ? headers : edited(headers, edit)
}
