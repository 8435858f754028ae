// One HTTP request from its head to its end: decide, find instances, try them, answer, report. Owns the order of these steps. Nothing here waits unless it
// must, and then by callback: a promise per step would cost more than the steps.
import {bareAnswer, type Manner, problemAnswer} from './answers.ts'
import type {Attempted, AttemptRequest, Attempts, Tried} from './attempts.ts'
import type {Candidates} from './candidates.ts'
import type {Destination, Handling, OutsideDestination, OwnAnswer, ServiceDestination} from './destination.ts'
import type {FormationView} from './directory.ts'
import type {Discovery} from './discovery.ts'
import {failureOf} from './failures.ts'
import {answerEdit, limitsOf} from './handling.ts'
import type {Deadlines} from './http/deadlines.ts'
import type {Exchange} from './http/exchange.ts'
import type {Pool} from './http/pool.ts'
import {fieldsOf} from './http/rewrite.ts'
import type {TunnelEnd} from './http/tunnel.ts'
import {type Limits, shortestMs} from './limits.ts'
import type {Outside} from './outside.ts'
import {type RelayOptions, relay} from './relay.ts'
import type {Entry, Report} from './report.ts'
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
  readonly draining: () => boolean
  readonly now: () => number
  readonly random: () => number
  /** The present time as an HTTP date. */
  readonly date: () => string
  /** Told of a fault of ours. */
  readonly onFault: (error: unknown) => void
}

type Settle = (outcome: Tried) => void

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
export const answerByItself = (
  {exchange, requestId}: Visit,
  {status, headers}: OwnAnswer,
  options: Pick<TrafficOptions, 'draining' | 'date'>,
): void => exchange.answer(status, bareAnswer(status, headers, requestId, mannerOf(exchange, options)))

/** Tries the instances of a service, as {@link Attempts} says; `done` gets the end, a problem if all failed or there are none. */
export const tryService = (
  {discovery, candidates, attempts, random, now, onFault}: TrafficOptions,
  {exchange}: Visit,
  destination: ServiceDestination,
  request: AttemptRequest,
  tryOne: (upstream: Upstream, settle: Settle) => void,
  done: (end: End) => void,
): void => {
  const {address, port, handling} = destination
  const holdUntil = now() + (handling?.holdMs ?? 0)
  const session = handling?.sticky?.instance
  const asking = () => ({request: fieldsOf(exchange.head), random: random(), ...(session === undefined ? {} : {session})})
  const look = (): void => {
    const known = discovery.known(address.formation)
    if (known !== undefined) go(known)
    else discovery.find(address.formation).then(go).catch(onFault)
  }
  const go = (view: FormationView): void => {
    const found = candidates.find(view, address, port, asking)
    if (!found.ok) {
      const refuse = (): void => done({problem: nobodyProblem(destination, view.loaded, found.detail)})
      const leftMs = holdUntil - now()
      if (leftMs <= 0 || exchange.gone) refuse()
      else
        discovery
          .changed(leftMs)
          .then(changed => (changed ? look() : refuse()))
          .catch(onFault)
      return
    }
    attempts.run(found.upstreams, request, tryOne, attempted => {
      const {outcome, upstream} = attempted
      if (outcome.kind !== 'failed') done({attempted, outcome})
      else done({attempted, outcome, problem: failedProblem(destination, upstream.name, outcome.failure, attempted.attempts)})
    })
  }
  look()
}

/** The same for a host outside, which is tried once. */
export const tryOutside = (
  {outside, limits}: TrafficOptions,
  destination: OutsideDestination,
  tryOne: (settle: Settle) => void,
  done: (end: End) => void,
): void => {
  const settle = (outcome: Tried): void => {
    if (outcome.kind !== 'failed') done({outcome})
    else done({outcome, problem: failedProblem(destination, destination.authority, outcome.failure, 1)})
  }
  const refusal = outside.refusal(destination.host)
  if (refusal === undefined) tryOne(settle)
  else settle({kind: 'failed', failure: failureOf(refusal, false, limits), sent: false, answerBegun: false})
}

export class Traffic {
  readonly #options: TrafficOptions

  constructor(options: TrafficOptions) {
    this.#options = options
  }

  /** Serves one request; one for a WebSocket too. `done` is called when the answer is over, or the tunnel has begun. */
  serve(exchange: Exchange, client: TunnelEnd, done: (outcome: Tried | undefined) => void): void {
    const visit = beginVisit(exchange, this.#options.now)
    const decided = decide(visit, this.#options.self)
    if (isProblem(decided)) {
      this.#end(visit, undefined, {problem: decided}, done)
      return
    }
    const ended = (end: End): void => this.#end(visit, decided, end, done)
    if (decided.kind === 'answer') {
      answerByItself(visit, decided, this.#options)
      ended({})
    } else if (decided.kind === 'outside') this.#toOutside(visit, client, decided, ended)
    else this.#toService(visit, client, decided, ended)
  }

  #toOutside(visit: Visit, client: TunnelEnd, destination: OutsideDestination, done: (end: End) => void): void {
    const {outside, limits} = this.#options
    const tryOne = (settle: Settle): void => this.#relay(visit, client, destination, outside.pool(destination), {limits}, settle)
    tryOutside(this.#options, destination, tryOne, done)
  }

  #toService(visit: Visit, client: TunnelEnd, destination: ServiceDestination, done: (end: End) => void): void {
    const {handling} = destination
    const {exchange, startedAt} = visit
    const request = {method: exchange.head.method, bodyConsumed: () => exchange.bodyTaken, preferred: handling?.sticky?.instance}
    const own = handling === undefined ? {limits: this.#options.limits} : handled(handling, startedAt, this.#options)
    const tryOne = ({pool, instance}: Upstream, settle: Settle): void => {
      const edit = handling === undefined ? undefined : answerEdit(handling, instance)
      this.#relay(visit, client, destination, pool, {...own, edit}, settle)
    }
    tryService(this.#options, visit, destination, request, tryOne, done)
  }

  #end(visit: Visit, destination: Destination | undefined, end: End, done: (outcome: Tried | undefined) => void): void {
    const {report, now} = this.#options
    const kind: Entry['kind'] = visit.exchange.framing.webSocket ? 'upgrade' : 'http'
    if (end.problem !== undefined) answerWithProblem(visit, end.problem, this.#options)
    report(entryOf(visit, kind, now, destination === undefined ? end : {destination, ...end}))
    done(end.outcome)
  }

  #relay(
    visit: Visit,
    client: TunnelEnd,
    destination: ServiceDestination | OutsideDestination,
    pool: Pool,
    own: Pick<RelayOptions, 'limits' | 'endsAt' | 'bodyBytesMax' | 'edit'>,
    settle: Settle,
  ): void {
    const {self, draining, date, now} = this.#options
    const options = {...own, head: headFor(visit, destination, self), requestId: visit.requestId, date, draining, now}
    relay(pool, visit.exchange, client, options, settle)
  }
}

/** What a route's options say to a relay. */
const handled = (handling: Handling, startedAt: number, {limits: general, deadlines}: Pick<TrafficOptions, 'limits' | 'deadlines'>) => {
  const limits = limitsOf(handling, general)
  deadlines.heed(shortestMs(limits))
  const {totalMs} = handling.timeouts
  return {limits, endsAt: totalMs === undefined ? undefined : startedAt + totalMs, bodyBytesMax: handling.bodyBytesMax}
}
