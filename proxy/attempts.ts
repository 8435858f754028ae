// Tries instances of a service one after the other until one takes the request. Owns the loop; the rules are shared/domain/balancer.ts.
import {earn, mayRetry, pick, spend} from '#shared/domain/balancer.ts'
import type {Failure} from './failures.ts'
import type {ServiceRecord, Upstream} from './upstreams.ts'

/** How one attempt ended. `until`: what the instance is busy with after the attempt itself, such as a tunnel. */
export type Tried =
  | {readonly kind: 'answered'; readonly status: number; readonly until?: Promise<void>}
  | {readonly kind: 'failed'; readonly failure: Failure; readonly sent: boolean; readonly answerBegun: boolean}
  | {readonly kind: 'client_gone'}

export interface Attempted {
  readonly outcome: Tried
  readonly attempts: number
  /** The last instance tried. */
  readonly upstream: Upstream
}

export interface AttemptRequest {
  readonly method: string
  readonly bodyConsumed: () => boolean
  /** Id of the instance to try first, while it is not passed over. */
  readonly preferred?: string | undefined
}

/** What happens on the way, for metrics. */
export interface AttemptEvents {
  readonly retried: () => void
  readonly ejected: () => void
}

/** The connection ended after the request was sent, without a word: the instance may be well, and have ended a kept-alive connection just then. */
const isBroken = (outcome: Tried): boolean =>
  outcome.kind === 'failed' && outcome.failure.connection && outcome.sent && !outcome.answerBegun

/** Tries one instance; `settle` is called once. */
type TryOne = (upstream: Upstream, settle: (outcome: Tried) => void) => void

export class Attempts {
  readonly #now: () => number
  readonly #random: () => number
  readonly #events: AttemptEvents

  constructor(clock: {now: () => number; random: () => number}, events: AttemptEvents) {
    this.#now = clock.now
    this.#random = clock.random
    this.#events = events
  }

  /**
   * Gives the request to the best of `candidates`, and to another when it failed there and may be tried again; once more to the same one when that is the
   * last and only its connection ended. `candidates` is not empty, and of one service, whose retry budget it is. Calls `done` once.
   */
  run(candidates: readonly Upstream[], request: AttemptRequest, tryOne: TryOne, done: (attempted: Attempted) => void): void {
    const service = candidates[0]?.service
    if (service === undefined) throw new Error('no instance to try')
    service.budget = earn(service.budget)
    let untried = candidates
    let onceMore = true
    let attempts = 0
    const next = (): void => {
      const upstream = this.#preferred(untried, request) ?? pick(untried, this.#now(), this.#random)
      if (upstream === undefined) throw new Error('no instance to try')
      attempts += 1
      this.#attempt(upstream, tryOne, outcome => {
        if (outcome.kind === 'failed') {
          untried = untried.filter(one => one !== upstream)
          if (untried.length === 0 && onceMore && isBroken(outcome)) {
            onceMore = false
            untried = [upstream]
          }
          if (this.#mayGoOn(outcome, request, {attempts, untried: untried.length, service})) {
            this.#events.retried()
            return next()
          }
        }
        done({outcome, attempts, upstream})
      })
    }
    next()
  }

  #preferred(untried: readonly Upstream[], {preferred}: AttemptRequest): Upstream | undefined {
    if (preferred === undefined) return undefined
    return untried.find(({instance, ejectedUntil}) => instance === preferred && ejectedUntil <= this.#now())
  }

  #attempt(upstream: Upstream, tryOne: TryOne, settle: (outcome: Tried) => void): void {
    upstream.inFlight += 1
    upstream.lastUsedAt = this.#now()
    tryOne(upstream, outcome => {
      this.#record(upstream, outcome)
      settle(outcome)
    })
  }

  /** What an attempt says of its instance. */
  #record(upstream: Upstream, outcome: Tried): void {
    const release = (): void => {
      upstream.inFlight -= 1
      upstream.lastUsedAt = this.#now()
    }
    if (outcome.kind === 'answered') {
      if (upstream.answered(outcome.status, this.#now())) this.#events.ejected()
      if (outcome.until === undefined) release()
      else void outcome.until.then(release)
      return
    }
    release()
    if (isBroken(outcome)) {
      if (upstream.connectionBroke(this.#now())) this.#events.ejected()
    } else if (outcome.kind === 'failed' && outcome.failure.connection && !outcome.answerBegun) {
      if (upstream.connectionFailed(this.#now())) this.#events.ejected()
    }
  }

  #mayGoOn(
    outcome: Tried & {kind: 'failed'},
    request: AttemptRequest,
    {attempts, untried, service}: {attempts: number; untried: number; service: ServiceRecord},
  ): boolean {
    const {failure, sent, answerBegun} = outcome
    if (untried === 0 || answerBegun) return false
    const {timedOut} = failure
    if (!mayRetry({method: request.method, attempts, sent, bodyConsumed: request.bodyConsumed(), timedOut})) return false
    // What never reached an instance is no work done twice: it only goes where it might have gone at once.
    if (!sent) return true
    const budget = spend(service.budget)
    if (budget === undefined) return false
    service.budget = budget
    return true
  }
}
