// One HTTP request from its head to its end: decide, find instances, try them, answer, report. Owns the order of these steps. Nothing here waits unless it
// must, and then by callback: a promise per step would cost more than the steps.
import {problemAnswer} from './answers.ts'
import type {Attempted, Attempts, Tried} from './attempts.ts'
import type {Candidates} from './candidates.ts'
import type {Destination, OutsideDestination, ServiceDestination} from './destination.ts'
import type {FormationView} from './directory.ts'
import type {Discovery} from './discovery.ts'
import {failureOf} from './failures.ts'
import type {Exchange} from './http/exchange.ts'
import type {Pool} from './http/pool.ts'
import type {TunnelEnd} from './http/tunnel.ts'
import type {Limits} from './limits.ts'
import type {Outside} from './outside.ts'
import {relay} from './relay.ts'
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
  readonly report: Report
  readonly draining: () => boolean
  readonly now: () => number
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
  if (options.draining() || !exchange.bodyWhole || exchange.head.method === 'CONNECT') exchange.last = true
  const manner = {headOnly: exchange.head.method === 'HEAD', close: exchange.last, date: options.date()}
  const {status, text} = problemAnswer(code, detail, {requestId, ...where}, manner)
  exchange.answer(status, text)
}

/** Tries the instances of a service, as {@link Attempts} says; `done` gets the end, a problem if all failed or there are none. */
export const tryService = (
  {discovery, candidates, attempts, onFault}: TrafficOptions,
  destination: ServiceDestination,
  request: {method: string; bodyConsumed: () => boolean},
  tryOne: (upstream: Upstream, settle: (outcome: Tried) => void) => void,
  done: (end: End) => void,
): void => {
  const {address, port} = destination
  const go = ({loaded, endpoints}: FormationView): void => {
    const found = candidates.find(endpoints, address, port)
    if (!found.ok) {
      done({problem: nobodyProblem(destination, loaded, found.detail)})
      return
    }
    attempts.run(found.upstreams, request, tryOne, attempted => {
      const {outcome, upstream} = attempted
      if (outcome.kind !== 'failed') done({attempted, outcome})
      else done({attempted, outcome, problem: failedProblem(destination, upstream.name, outcome.failure, attempted.attempts)})
    })
  }
  const known = discovery.known(address.formation)
  if (known !== undefined) go(known)
  else discovery.find(address.formation).then(go).catch(onFault)
}

/** The same for a host outside, which is tried once. */
export const tryOutside = (
  {outside, limits}: TrafficOptions,
  destination: OutsideDestination,
  tryOne: (settle: (outcome: Tried) => void) => void,
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
    const tryOne = (pool: Pool, settle: (outcome: Tried) => void): void => this.#relay(visit, client, decided, pool, settle)
    const ended = (end: End): void => this.#end(visit, decided, end, done)
    if (decided.kind === 'outside') {
      tryOutside(this.#options, decided, settle => tryOne(this.#options.outside.pool(decided), settle), ended)
    } else {
      const request = {method: exchange.head.method, bodyConsumed: () => exchange.bodyTaken}
      tryService(this.#options, decided, request, ({pool}, settle) => tryOne(pool, settle), ended)
    }
  }

  #end(visit: Visit, destination: Destination | undefined, end: End, done: (outcome: Tried | undefined) => void): void {
    const {report, now} = this.#options
    const kind: Entry['kind'] = visit.exchange.framing.webSocket ? 'upgrade' : 'http'
    if (end.problem !== undefined) answerWithProblem(visit, end.problem, this.#options)
    report(entryOf(visit, kind, now, destination === undefined ? end : {destination, ...end}))
    done(end.outcome)
  }

  #relay(visit: Visit, client: TunnelEnd, destination: Destination, pool: Pool, settle: (outcome: Tried) => void): void {
    const {self, limits, draining, date} = this.#options
    const options = {limits, head: headFor(visit, destination, self), requestId: visit.requestId, date, draining}
    relay(pool, visit.exchange, client, options, settle)
  }
}
