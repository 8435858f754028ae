// Tries instances of a service one after the other until one takes the request. Owns the loop; the rules are shared/domain/balancer.ts.
import {earn, mayRetry, pick, spend} from '#shared/domain/balancer.ts'
import type {Failure} from './failures.ts'
import type {Upstream} from './upstreams.ts'

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

/** Hears how an attempt ended, once. */
export interface Settler {
  readonly settled: (outcome: Tried) => void
}

/** A request that is to be taken by one of several instances. */
export interface Errand {
  readonly method: string
  /** Whether a part of the body is gone: then nobody else can get it. */
  readonly bodyConsumed: boolean
  /** Id of the instance to try first, while it is not passed over. */
  readonly preferred: string | undefined
  readonly tryOne: (upstream: Upstream, settler: Settler) => void
  /** It is over. Called once. */
  readonly tried: (attempted: Attempted) => void
}

/** What happens on the way, for metrics. */
export interface AttemptEvents {
  readonly retried: () => void
  readonly ejected: () => void
}

/** The connection ended after the request was sent, without a word: the instance may be well, and have ended a kept-alive connection just then. */
const isBroken = (outcome: Tried): boolean =>
  outcome.kind === 'failed' && outcome.failure.connection && outcome.sent && !outcome.answerBegun

/** What all requests share. */
interface Trying {
  readonly now: () => number
  readonly random: () => number
  readonly events: AttemptEvents
}

/** The attempts of one request. */
class Run implements Settler, Attempted {
  attempts = 0
  upstream: Upstream
  outcome: Tried = {kind: 'client_gone'}
  readonly #trying: Trying
  readonly #errand: Errand
  #untried: readonly Upstream[]
  #onceMore = true

  constructor(trying: Trying, candidates: readonly Upstream[], first: Upstream, errand: Errand) {
    this.#trying = trying
    this.#errand = errand
    this.#untried = candidates
    this.upstream = first
  }

  next(): void {
    const {now, random} = this.#trying
    const upstream = this.#preferred() ?? pick(this.#untried, now(), random)
    if (upstream === undefined) throw new Error('no instance to try')
    this.attempts += 1
    this.upstream = upstream
    upstream.inFlight += 1
    this.#errand.tryOne(upstream, this)
  }

  #preferred(): Upstream | undefined {
    const {preferred} = this.#errand
    if (preferred === undefined) return undefined
    const now = this.#trying.now()
    return this.#untried.find(({instance, ejectedUntil}) => instance === preferred && ejectedUntil <= now)
  }

  settled(outcome: Tried): void {
    const {upstream} = this
    this.outcome = outcome
    this.#record(upstream, outcome)
    if (outcome.kind === 'failed') {
      this.#untried = this.#untried.filter(one => one !== upstream)
      if (this.#untried.length === 0 && this.#onceMore && isBroken(outcome)) {
        this.#onceMore = false
        this.#untried = [upstream]
      }
      if (this.#mayGoOn(outcome)) {
        this.#trying.events.retried()
        this.next()
        return
      }
    }
    this.#errand.tried(this)
  }

  /** What an attempt says of its instance. */
  #record(upstream: Upstream, outcome: Tried): void {
    const {now, events} = this.#trying
    const at = now()
    if (outcome.kind === 'answered') {
      if (upstream.answered(outcome.status, at)) events.ejected()
      if (outcome.until === undefined) upstream.over(at)
      else void outcome.until.then(() => upstream.over(now()))
      return
    }
    upstream.over(at)
    if (isBroken(outcome)) {
      if (upstream.connectionBroke(at)) events.ejected()
    } else if (outcome.kind === 'failed' && outcome.failure.connection && !outcome.answerBegun) {
      if (upstream.connectionFailed(at)) events.ejected()
    }
  }

  #mayGoOn({failure, sent, answerBegun}: Tried & {kind: 'failed'}): boolean {
    if (this.#untried.length === 0 || answerBegun) return false
    const {method, bodyConsumed} = this.#errand
    if (!mayRetry({method, attempts: this.attempts, sent, bodyConsumed, timedOut: failure.timedOut})) return false
    // What never reached an instance is no work done twice: it only goes where it might have gone at once.
    if (!sent) return true
    const {service} = this.upstream
    const budget = spend(service.budget)
    if (budget === undefined) return false
    service.budget = budget
    return true
  }
}

export class Attempts {
  readonly #trying: Trying

  constructor({now, random}: {now: () => number; random: () => number}, events: AttemptEvents) {
    this.#trying = {now, random, events}
  }

  /**
   * Gives the request to the best of `candidates`, and to another when it failed there and may be tried again; once more to the same one when that is the
   * last and only its connection ended. `candidates` is not empty, and of one service, whose retry budget it is.
   */
  run(candidates: readonly Upstream[], errand: Errand): void {
    const [first] = candidates
    if (first === undefined) throw new Error('no instance to try')
    first.service.budget = earn(first.service.budget)
    new Run(this.#trying, candidates, first, errand).next()
  }
}
