// What is known of one request on its way through: where it goes, who can take it, and what to say when it fails or is over. Decides; does no traffic.
import type {HeaderEdit} from '#shared/domain/header-edit.ts'
import type {ErrorCode} from '#shared/errors.ts'
import type {Attempted} from './attempts.ts'
import type {Decision, Destination, OutsideDestination, Role, ServiceDestination} from './destination.ts'
import type {Failure} from './failures.ts'
import type {Exchange} from './http/exchange.ts'
import {firstOf, valuesOf} from './http/head.ts'
import {acceptableRequestId, forwardedRequest, HeadFields, isLoop, type Way} from './http/rewrite.ts'
import type {Entry} from './report.ts'
import {type Trace, type Tracing, traceOf} from './trace.ts'

/** An answer of our own in the making. */
export interface Problem {
  readonly code: ErrorCode
  readonly detail: string
  readonly route?: string
  readonly service?: string
  readonly formation?: string
  /** On the answer, names and values in turn. */
  readonly headers?: readonly string[]
  /** What the route puts on answers beside. */
  readonly edit?: HeaderEdit
}

/** What is known of a request from its head. */
export interface Visit {
  readonly requestId: string
  readonly trace: Trace
  readonly exchange: Exchange
  readonly fields: HeadFields
  /** By {@link Telling.elapsed}. */
  readonly beganAt: number
}

/** What visits are told of with. */
export interface Telling {
  readonly tracing: Tracing
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds with fractions since any moment, never set back: for durations. */
  readonly elapsed: () => number
}

/** Begins a visit: gives the request its ids. One that brings neither request id nor trace gets the same for both. */
export const beginVisit = (exchange: Exchange, {tracing, elapsed}: Telling): Visit => {
  const {head} = exchange
  const trace = traceOf(head, tracing)
  const fresh = trace.isGiven ? tracing.ids.next(16) : trace.traceId
  const requestId = acceptableRequestId(firstOf(head, 'x-request-id')) ?? fresh
  return {requestId, trace, exchange, fields: new HeadFields(head), beganAt: elapsed()}
}

/** What the destination adds to a problem document and a report. */
export const placeOf = (destination: Destination): {service?: string; formation?: string; route?: string} => {
  if (destination.kind === 'outside') return {}
  if (destination.kind === 'answer') return {route: destination.route}
  const {address, route} = destination
  return {service: address.service, formation: address.formation, ...(route === undefined ? {} : {route})}
}

/** The same, with what the route puts on answers. */
const toldBy = (destination: ServiceDestination): Omit<Problem, 'code' | 'detail'> => {
  const edit = destination.handling?.responseEdit
  return edit === undefined ? placeOf(destination) : {...placeOf(destination), edit}
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

/** Where the request goes, or the problem to answer with. Loops are found before anything else. `within`: the authority of the CONNECT it comes through. */
export const decide = (visit: Visit, {role, pseudonym}: Self, within: string | undefined): Destination | Problem => {
  const {head, framing} = visit.exchange
  if (isLoop(head, pseudonym)) return loopProblem(role)
  const hosts = framing.host === undefined ? [] : [framing.host]
  const asked = {url: head.target, method: head.method, hosts, fields: visit.fields, client: new Asker(visit.exchange)}
  return settled(within === undefined || role.decideWithin === undefined ? role.decide(asked) : role.decideWithin(asked, within))
}

export const isProblem = (value: Destination | Problem): value is Problem => 'code' in value

const via = (destination: ServiceDestination): string => (destination.route === undefined ? '' : `Route “${destination.route}”: `)

/** The problem of a request for a service that has nobody to take it. */
export const nobodyProblem = (destination: ServiceDestination, loaded: boolean, detail: string): Problem => {
  const unknown = loaded ? '' : ' The control plane could not be asked, and nothing is known of this formation yet.'
  return {code: 'no_instance', detail: `${via(destination)}${detail}${unknown}`, ...toldBy(destination)}
}

/** The problem that a failed attempt ends in. */
export const failedProblem = (destination: Destination, name: string, failure: Failure, attempts: number): Problem => {
  const tries = attempts > 1 ? ` It was the last of ${attempts} tries.` : ''
  if (destination.kind !== 'service') return {code: failure.code, detail: `“${name}” ${failure.why}.`}
  const code = failure.code === 'no_such_host' || failure.code === 'host_forbidden' ? 'upstream_refused' : failure.code
  const {service, formation} = destination.address
  const detail = `${via(destination)}instance “${name}” of service “${service}” in formation “${formation}” ${failure.why}.${tries}`
  return {code, detail: detail.charAt(0).toUpperCase() + detail.slice(1), ...toldBy(destination)}
}

/** Without the query: queries hold secrets. */
const pathOf = (target: string): string => {
  const query = target.indexOf('?')
  return query < 0 ? target : target.slice(0, query)
}

/** The report of a visit that is over. */
export const entryOf = (
  visit: Visit,
  kind: Entry['kind'],
  {now, elapsed}: Telling,
  destination: Destination | undefined,
  {attempted, problem}: {attempted?: Attempted; problem?: Problem},
): Entry => {
  const {exchange, requestId, trace, beganAt} = visit
  const {head} = exchange
  const service = destination?.kind === 'service' ? destination : undefined
  const route = destination?.kind === 'outside' ? undefined : destination?.route
  return {
    kind,
    requestId,
    traceId: trace.traceId,
    spanId: trace.spanId,
    client: exchange.host.peer.address,
    method: head.method,
    host: askedHost(exchange),
    path: pathOf(head.target),
    status: exchange.status,
    code: problem?.code,
    detail: problem?.detail,
    route: route ?? problem?.route,
    service: service?.address.service,
    formation: service?.address.formation,
    group: attempted?.upstream.group,
    release: attempted?.upstream.release,
    instance: attempted?.upstream.name,
    attempts: attempted?.attempts ?? 0,
    bytesIn: exchange.bytesIn,
    bytesOut: exchange.bytesOut,
    endedAt: now(),
    durationMs: elapsed() - beganAt,
  }
}

const isTrusted = (address: string): boolean =>
  /^(?:::ffff:)?(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.)|^::1$|^f[cd]/i.test(address)

/** The host a request asks for, as it was written: in absolute-form the target’s, not what Host says (RFC 9112 §3.2.2). */
const askedHost = ({head, framing}: Exchange): string =>
  (head.target.startsWith('/') ? undefined : /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?]*)/.exec(head.target)?.[1]) ?? framing.host ?? ''

/** X-Forwarded-*: the peer’s word on the protocol counts only when it is on a private network, as a load balancer before us is. */
const clientOf = (exchange: Exchange): Way['client'] & {} => {
  const {head, host} = exchange
  const {address} = host.peer
  const claimed = firstOf(head, 'x-forwarded-proto')
  const proto = (claimed === 'http' || claimed === 'https') && isTrusted(address) ? claimed : 'http'
  return {address, host: askedHost(exchange), proto}
}

/** An IPv6 address stands for its /64, which one client has to itself (RFC 4291 §2.5.1). */
const networkOf = (told: string): string => {
  // An IPv4 client of a load balancer that listens on IPv6 (RFC 4291 §2.5.5.2).
  const address = told.replace(/^::ffff:(?=[0-9]+\.)/i, '')
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const before = head.split(':')
  const zeros = tail === undefined ? [] : Array.from({length: Math.max(0, 8 - before.length - tail.split(':').length)}, () => '0')
  return [...before, ...zeros, ...(tail?.split(':') ?? [])].slice(0, 4).join(':')
}

/** Whom rate limits count a request to: the peer, or whom a load balancer on a private network says it came from. */
const clientKey = ({head, host}: Exchange): string => {
  const {address} = host.peer
  const told = isTrusted(address) ? valuesOf(head, 'x-forwarded-for').at(-1)?.split(',').at(-1)?.trim() : undefined
  return networkOf(told === undefined || told === '' || told.length > 45 ? address : told)
}

/** Who asks, worked out when a route's options want to know. */
class Asker {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  get key(): string {
    return clientKey(this.#exchange)
  }

  get proto(): string {
    return clientOf(this.#exchange).proto
  }
}

/** The head of the request as the instance gets it. */
export const headFor = (visit: Visit, destination: ServiceDestination | OutsideDestination, {role, pseudonym}: Self): string => {
  const {exchange, requestId, trace} = visit
  const {path, authority} = destination
  const edit = destination.kind === 'service' ? destination.handling?.requestEdit : undefined
  const way = {path, authority, requestId, trace, pseudonym, edit}
  return forwardedRequest(exchange.head, exchange.framing, role.forwardsClient ? {...way, client: clientOf(exchange)} : way)
}
