// One HTTP request from its head to its end: decide, find instances, try them, answer, report. Owns the order of these steps.
import type {IncomingMessage, ServerResponse} from 'node:http'
import {answerBare, answerProblem} from './answers.ts'
import type {Attempted, Attempts, Tried} from './attempts.ts'
import {RequestBody} from './body.ts'
import type {Destination, OutsideDestination, ServiceDestination} from './destination.ts'
import type {Discovery} from './discovery.ts'
import {failureOf} from './failures.ts'
import {answerEdit, limitsOf} from './handling.ts'
import type {Limits} from './limits.ts'
import type {Outside} from './outside.ts'
import {relay} from './relay.ts'
import type {Report} from './report.ts'
import {
  beginVisit,
  decide,
  entryOf,
  failedProblem,
  findPlaces,
  headersFor,
  isProblem,
  type Problem,
  type Self,
  type Visit,
} from './visit.ts'

export interface TrafficOptions {
  readonly self: Self
  readonly discovery: Discovery
  readonly attempts: Attempts
  readonly outside: Outside
  readonly limits: Limits
  readonly report: Report
  readonly draining: () => boolean
  readonly now: () => number
  readonly random: () => number
}

/** One request with everything that belongs to it. */
interface Exchange {
  readonly visit: Visit
  readonly body: RequestBody
  readonly response: ServerResponse
}

/** How a request ended, beside what its response shows. */
interface End {
  readonly destination?: Destination
  readonly attempted?: Attempted
  readonly problem?: Problem
}

export class Traffic {
  readonly #options: TrafficOptions

  constructor(options: TrafficOptions) {
    this.#options = options
  }

  /** Serves one request. Never rejects. `expectsContinue`: the client waits for 100 Continue before it sends the body. */
  async serve(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const {report, now, self, draining} = this.#options
    const visit = beginVisit(request, now)
    const body = new RequestBody(request, () => {
      if (expectsContinue) response.writeContinue()
    })
    response.on('error', () => response.destroy())
    const decided = decide(visit, self)
    const end: End = isProblem(decided) ? {problem: decided} : await this.#deliver({visit, body, response}, decided)
    if (end.problem !== undefined && !response.headersSent && !response.destroyed) {
      const {code, detail, ...where} = end.problem
      answerProblem(response, code, detail, {requestId: visit.requestId, ...where}, draining() || this.#unread({visit, body, response}))
    }
    const status = response.headersSent ? response.statusCode : 0
    report(entryOf(visit, 'http', now, {status, ...end}))
  }

  #unread({body, visit}: Exchange): boolean {
    return body.present && !visit.request.complete
  }

  async #deliver(exchange: Exchange, destination: Destination): Promise<End> {
    if (destination.kind === 'answer') {
      const {status, headers} = destination
      answerBare(exchange.response, status, headers, exchange.visit.requestId, this.#options.draining() || this.#unread(exchange))
      return {destination}
    }
    const end = destination.kind === 'outside' ? await this.#toOutside(exchange, destination) : await this.#toService(exchange, destination)
    return {destination, ...end}
  }

  async #toService(exchange: Exchange, destination: ServiceDestination): Promise<End> {
    const {attempts} = this.#options
    const {visit, body} = exchange
    const places = await findPlaces(visit, destination, this.#options)
    if (isProblem(places)) return {problem: places}
    const {formation} = destination.address
    const {bodyBytesMax, timeouts} = destination.handling ?? {}
    if (bodyBytesMax !== undefined) body.bytesMax = bodyBytesMax
    const totalMs = timeouts?.totalMs
    const deadline = totalMs === undefined ? undefined : AbortSignal.timeout(Math.max(1, visit.startedAt + totalMs - this.#options.now()))
    const preferred = destination.handling?.sticky?.instance
    const request = {
      method: visit.request.method ?? 'GET',
      bodyConsumed: () => body.consumed,
      ...(preferred === undefined ? {} : {preferred}),
    }
    const attempted = await attempts.run(formation, places, request, upstream => this.#relay(exchange, destination, upstream, {deadline}))
    const {outcome, upstream} = attempted
    if (outcome.kind !== 'failed') return {attempted}
    return {attempted, problem: failedProblem(destination, upstream.name, outcome.failure, attempted.attempts)}
  }

  async #toOutside(exchange: Exchange, destination: OutsideDestination): Promise<End> {
    const {outside, limits} = this.#options
    try {
      outside.check(destination.host)
      const outcome = await this.#relay(exchange, destination, outside, {origin: `http://${destination.host}:${destination.port}`})
      return outcome.kind === 'failed' ? {problem: failedProblem(destination, destination.authority, outcome.failure, 1)} : {}
    } catch (error) {
      return {problem: failedProblem(destination, destination.authority, failureOf(error, false, limits), 1)}
    }
  }

  #relay(
    exchange: Exchange,
    destination: ServiceDestination | OutsideDestination,
    upstream: {readonly dispatcher: Parameters<typeof relay>[0]; readonly instance?: string},
    {origin, deadline}: {readonly origin?: string; readonly deadline?: AbortSignal | undefined} = {},
  ): Promise<Tried> {
    const {visit, body, response} = exchange
    const {self, limits, draining} = this.#options
    const headers = headersFor(visit, destination, self)
    const request = {method: visit.request.method ?? 'GET', path: destination.path, headers, body: body.open()}
    const handling = destination.kind === 'service' ? destination.handling : undefined
    const options = {
      limits: handling === undefined ? limits : limitsOf(handling, limits),
      requestId: visit.requestId,
      lastOnConnection: (): boolean => draining() || this.#unread(exchange),
      ...(deadline === undefined ? {} : {deadline}),
      ...(handling === undefined ? {} : {edit: answerEdit(handling, upstream.instance)}),
    }
    return relay(upstream.dispatcher, origin === undefined ? request : {...request, origin}, response, options)
  }
}
