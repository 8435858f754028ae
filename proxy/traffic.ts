// One HTTP request from its head to its end: decide, find instances, try them, answer, report. Owns the order of these steps. Nothing here waits unless it
// must, and then by callback: a promise per step would cost more than the steps.
import type {HeaderEdit} from '#shared/domain/header-edit.ts'
import {bareAnswer, type Manner, problemAnswer} from './answers.ts'
import type {Attempted, Attempts, Errand, Settler, Tried} from './attempts.ts'
import type {Candidates} from './candidates.ts'
import type {Destination, Handling, OutsideDestination, OwnAnswer, ServiceDestination} from './destination.ts'
import type {FormationView} from './directory.ts'
import type {Discovery} from './discovery.ts'
import {failureOf} from './failures.ts'
import {answerEdit, limitsOf} from './handling.ts'
import type {ClientConnection} from './http/client-connection.ts'
import type {Deadlines} from './http/deadlines.ts'
import type {Exchange} from './http/exchange.ts'
import type {Pool} from './http/pool.ts'
import type {TunnelEnd} from './http/tunnel.ts'
import {type Limits, shortestMs} from './limits.ts'
import type {Outside} from './outside.ts'
import {type RelayOptions, relay} from './relay.ts'
import type {Entry, Report} from './report.ts'
import type {Tracing} from './trace.ts'
import type {Upstream} from './upstreams.ts'
import {
  beginVisit,
  decide,
  entryOf,
  failedProblem,
  headFor,
  isProblem,
  nobodyProblem,
  type Problem,
  type Self,
  type Visit,
} from './visit.ts'

export interface TrafficOptions {
  readonly self: Self
  readonly discovery: Discovery
  readonly candidates: Candidates
  readonly attempts: Attempts
  readonly outside: Outside
  readonly limits: Limits
  readonly deadlines: Deadlines
  readonly report: Report
  readonly tracing: Tracing
  readonly draining: () => boolean
  readonly now: () => number
  /** Milliseconds with fractions since any moment, never set back: for durations. */
  readonly elapsed: () => number
  /** The present time as an HTTP date. */
  readonly date: () => string
  /** Told of a fault of ours. */
  readonly onFault: (error: unknown) => void
}

/** How a request ended, beside what its answer shows. */
export interface End {
  readonly attempted?: Attempted
  readonly outcome?: Tried
  readonly problem?: Problem
}

/** Answers an exchange with a problem document, unless it has been answered or its client is gone. */
export const answerWithProblem = (
  {exchange, requestId}: Visit,
  problem: Problem,
  options: Pick<TrafficOptions, 'draining' | 'date'>,
): void => {
  if (exchange.answerBegun || exchange.gone) return
  const {code, detail, ...where} = problem
  const {status, text} = problemAnswer(code, detail, {requestId, ...where}, mannerOf(exchange, options))
  exchange.answer(status, text)
}

/** How our own answers are given. What was not read of the request ends the connection with it. */
const mannerOf = (exchange: Exchange, {draining, date}: Pick<TrafficOptions, 'draining' | 'date'>): Manner => {
  if (draining() || !exchange.bodyWhole || exchange.head.method === 'CONNECT') exchange.last = true
  return {headOnly: exchange.head.method === 'HEAD', close: exchange.last, date: date()}
}

/** Answers with what the route itself says, such as a redirect. */
export const answerByItself = ({exchange, requestId}: Visit, own: OwnAnswer, options: Pick<TrafficOptions, 'draining' | 'date'>): void =>
  exchange.answer(own.status, bareAnswer(own, requestId, mannerOf(exchange, options)))

/** A request for a service: what {@link seekService} finds instances for. */
export interface ServiceErrand extends Errand {
  readonly visit: Visit
  readonly destination: ServiceDestination
  /** Until when it may wait for a first instance, in milliseconds since the epoch. */
  readonly holdUntil: number
  /** It is over: with a problem if all instances failed, or there are none. */
  readonly ended: (end: End) => void
}

/** Tries the instances of a service, as {@link Attempts} says. */
export const seekService = (options: TrafficOptions, errand: ServiceErrand): void => {
  const {discovery, onFault} = options
  const {formation} = errand.destination.address
  const known = discovery.known(formation)
  if (known !== undefined) tryKnown(options, errand, known)
  else
    discovery
      .find(formation)
      .then(view => tryKnown(options, errand, view))
      .catch(onFault)
}

const tryKnown = (options: TrafficOptions, errand: ServiceErrand, view: FormationView): void => {
  const {candidates, attempts, discovery, now, onFault} = options
  const {destination, visit} = errand
  const found = candidates.find(view, destination, visit.fields, errand.preferred)
  if (found.ok) {
    attempts.run(found.upstreams, errand)
    return
  }
  const refuse = (): void => errand.ended({problem: nobodyProblem(destination, view.loaded, found.detail)})
  const leftMs = errand.holdUntil - now()
  if (leftMs <= 0 || visit.exchange.gone) refuse()
  else
    discovery
      .changed(leftMs)
      .then(changed => (changed ? seekService(options, errand) : refuse()))
      .catch(onFault)
}

/** The end of attempts to reach a service. */
export const endOf = (destination: ServiceDestination, attempted: Attempted): End => {
  const {outcome, upstream, attempts} = attempted
  if (outcome.kind !== 'failed') return {attempted, outcome}
  return {attempted, outcome, problem: failedProblem(destination, upstream.name, outcome.failure, attempts)}
}

/** The same for a host outside, which is tried once. */
export const tryOutside = (
  {outside, limits}: TrafficOptions,
  destination: OutsideDestination,
  tryOne: (settler: Settler) => void,
  done: (end: End) => void,
): void => {
  const settled = (outcome: Tried): void => {
    if (outcome.kind !== 'failed') done({outcome})
    else done({outcome, problem: failedProblem(destination, destination.authority, outcome.failure, 1)})
  }
  const refusal = outside.refusal(destination.host)
  if (refusal === undefined) tryOne({settled})
  else settled({kind: 'failed', failure: failureOf(refusal, false, limits), sent: false, answerBegun: false})
}

/** What a route's options say to a relay. */
type Handled = Pick<RelayOptions, 'limits' | 'endsAt' | 'bodyBytesMax' | 'requestEdit'>

const handled = (handling: Handling, {limits: general, deadlines, now}: TrafficOptions): Handled => {
  const limits = limitsOf(handling, general)
  deadlines.heed(shortestMs(limits))
  const {totalMs} = handling.timeouts
  const endsAt = totalMs === undefined ? undefined : now() + totalMs
  return {limits, endsAt, bodyBytesMax: handling.bodyBytesMax, requestEdit: handling.requestEdit}
}

/** Called when the answer is over, or the tunnel has begun. */
type Served = (client: ClientConnection, outcome: Tried | undefined) => void

/** A request that is relayed to an instance of a service. */
class RelayErrand implements ServiceErrand {
  readonly visit: Visit
  readonly destination: ServiceDestination
  readonly holdUntil: number
  readonly #client: ClientConnection
  readonly #traffic: Traffic
  readonly #own: Handled
  readonly #served: Served

  constructor(traffic: Traffic, visit: Visit, client: ClientConnection, destination: ServiceDestination, served: Served) {
    this.visit = visit
    this.destination = destination
    this.#client = client
    this.#traffic = traffic
    this.#served = served
    const {handling} = destination
    const {options} = traffic
    this.#own = handling === undefined ? options : handled(handling, options)
    this.holdUntil = handling === undefined ? 0 : options.now() + handling.holdMs
  }

  get method(): string {
    return this.visit.exchange.head.method
  }

  get bodyConsumed(): boolean {
    return this.visit.exchange.bodyTaken
  }

  get preferred(): string | undefined {
    return this.destination.handling?.sticky?.instance
  }

  tryOne({pool, instance}: Upstream, settler: Settler): void {
    const {handling} = this.destination
    const edit = handling === undefined ? undefined : answerEdit(handling, instance)
    this.#traffic.relay(this.visit, this.#client, this.destination, pool, this.#own, edit, settler)
  }

  tried(attempted: Attempted): void {
    this.ended(endOf(this.destination, attempted))
  }

  ended(end: End): void {
    this.#traffic.end(this.visit, this.destination, end)
    this.#served(this.#client, end.outcome)
  }
}

export class Traffic {
  readonly options: TrafficOptions

  constructor(options: TrafficOptions) {
    this.options = options
  }

  /** Serves one request; one for a WebSocket too. */
  serve(exchange: Exchange, client: ClientConnection, served: Served): void {
    const visit = beginVisit(exchange, this.options)
    const decided = decide(visit, this.options.self, client.within)
    if (isProblem(decided)) this.end(visit, undefined, {problem: decided})
    else if (decided.kind === 'answer') {
      answerByItself(visit, decided, this.options)
      this.end(visit, decided, {})
    } else if (decided.kind === 'outside') this.#toOutside(visit, client, decided, served)
    else seekService(this.options, new RelayErrand(this, visit, client, decided, served))
  }

  #toOutside(visit: Visit, client: ClientConnection, destination: OutsideDestination, served: Served): void {
    const tryOne = (settler: Settler): void =>
      this.relay(visit, client, destination, this.options.outside.pool(destination), this.options, undefined, settler)
    tryOutside(this.options, destination, tryOne, end => {
      this.end(visit, destination, end)
      served(client, end.outcome)
    })
  }

  /** Answers what has not been answered yet, and tells of the end. */
  end(visit: Visit, destination: Destination | undefined, end: End): void {
    const kind: Entry['kind'] = visit.exchange.framing.webSocket ? 'upgrade' : 'http'
    if (end.problem !== undefined) answerWithProblem(visit, end.problem, this.options)
    this.options.report(entryOf(visit, kind, this.options, destination, end))
  }

  relay(
    visit: Visit,
    client: TunnelEnd,
    destination: ServiceDestination | OutsideDestination,
    pool: Pool,
    {limits, endsAt, bodyBytesMax, requestEdit}: Handled,
    edit: HeaderEdit | undefined,
    settler: Settler,
  ): void {
    const {exchange, requestId} = visit
    const head = headFor(visit, destination, this.options.self)
    relay(pool, exchange, client, {common: this.options, head, requestId, limits, endsAt, bodyBytesMax, edit, requestEdit}, settler)
  }
}
