// One HTTP request from its head to its end: decide, find instances, try them, answer, report. Owns the order of these steps.
import {problemAnswer} from './answers.ts'
import type {Attempted, Attempts, Tried} from './attempts.ts'
import type {Destination, OutsideDestination, ServiceDestination} from './destination.ts'
import type {Discovery} from './discovery.ts'
import {failureOf} from './failures.ts'
import type {Exchange} from './http/exchange.ts'
import type {Pool} from './http/pool.ts'
import type {TunnelEnd} from './http/tunnel.ts'
import type {Limits} from './limits.ts'
import type {Outside} from './outside.ts'
import {relay} from './relay.ts'
import type {Entry, Report} from './report.ts'
import {beginVisit, decide, entryOf, failedProblem, findPlaces, headFor, isProblem, type Problem, type Self, type Visit} from './visit.ts'

export interface TrafficOptions {
  readonly self: Self
  readonly discovery: Discovery
  readonly attempts: Attempts
  readonly outside: Outside
  readonly limits: Limits
  readonly report: Report
  readonly draining: () => boolean
  readonly now: () => number
  /** The present time as an HTTP date. */
  readonly date: () => string
}

/** How a request ended, beside what its answer shows. */
export interface End {
  readonly destination?: Destination
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

export class Traffic {
  readonly #options: TrafficOptions

  constructor(options: TrafficOptions) {
    this.#options = options
  }

  /** Serves one request; one for a WebSocket too. Never rejects. Resolves when the answer is over, or the tunnel is. */
  async serve(exchange: Exchange, client: TunnelEnd): Promise<Tried | undefined> {
    const {report, now, self} = this.#options
    const visit = beginVisit(exchange, now)
    const kind: Entry['kind'] = exchange.framing.webSocket ? 'upgrade' : 'http'
    const decided = decide(visit, self)
    const end: End = isProblem(decided) ? {problem: decided} : await this.#deliver(visit, client, decided)
    if (end.problem !== undefined) answerWithProblem(visit, end.problem, this.#options)
    report(entryOf(visit, kind, now, {status: exchange.status, ...end}))
    return end.outcome
  }

  async #deliver(visit: Visit, client: TunnelEnd, destination: Destination): Promise<End> {
    if (destination.kind === 'outside') return {destination, ...(await this.#toOutside(visit, client, destination))}
    return {destination, ...(await this.#toService(visit, client, destination))}
  }

  async #toService(visit: Visit, client: TunnelEnd, destination: ServiceDestination): Promise<End> {
    const {attempts, discovery} = this.#options
    const {exchange} = visit
    const places = await findPlaces(destination, discovery)
    if (isProblem(places)) return {problem: places}
    const {formation} = destination.address
    const request = {method: exchange.head.method, bodyConsumed: () => exchange.bodyTaken}
    const attempted = await attempts.run(formation, places, request, ({pool}) => this.#relay(visit, client, destination, pool))
    const {outcome, upstream} = attempted
    if (outcome.kind !== 'failed') return {attempted, outcome}
    return {attempted, outcome, problem: failedProblem(destination, upstream.name, outcome.failure, attempted.attempts)}
  }

  async #toOutside(visit: Visit, client: TunnelEnd, destination: OutsideDestination): Promise<End> {
    const {outside, limits} = this.#options
    const failed = (outcome: Tried & {kind: 'failed'}): End => ({
      outcome,
      problem: failedProblem(destination, destination.authority, outcome.failure, 1),
    })
    const refusal = outside.refusal(destination.host)
    if (refusal !== undefined) return failed({kind: 'failed', failure: failureOf(refusal, false, limits), sent: false, answerBegun: false})
    const outcome = await this.#relay(visit, client, destination, outside.pool(destination))
    return outcome.kind === 'failed' ? failed(outcome) : {outcome}
  }

  #relay(visit: Visit, client: TunnelEnd, destination: Destination, pool: Pool): Promise<Tried> {
    const {self, limits, draining, date} = this.#options
    const options = {limits, head: headFor(visit, destination, self), requestId: visit.requestId, date, draining}
    return new Promise(resolve => relay(pool, visit.exchange, client, options, resolve))
  }
}
