// Sees to it that requests do not have to find out which hosts are gone: tries instances that are passed over before a request has to, and those whose
// requests wait for long. Owns when it looks; what is tried is reach.ts's, and what an instance's record says is upstreams.ts's.
import {ExchangeError} from './failures.ts'
import type {Limits} from './limits.ts'
import {type Reach, reach} from './reach.ts'
import type {Upstream} from './upstreams.ts'

export interface LookoutOptions {
  readonly upstreams: () => readonly Upstream[]
  readonly limits: Pick<Limits, 'quietMsMax' | 'probeTimeoutMs' | 'connectTimeoutMs'>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** The clock of {@link Upstream.pool}'s connections. */
  readonly steady: () => number
  /** An instance is passed over. */
  readonly ejected: () => void
  readonly onFault: (error: unknown) => void
}

/** A host is silent when it did not answer so many times in a row: one loss is none. */
const silentTriesMin = 2
/** A host that has answered is asked again after so many times the wait for the first time: what is slow stays slow. */
const againAfterWaits = 3
/** Looks so many times in the time that a try may take. */
const looksPerTry = 3
const portMax = 65_535

/** Another port of the same host, most likely of the same range, that nothing need listen on: one that refuses is an answer, too. */
const neighbourOf = (port: number): number => (port < portMax ? port + 1 : port - 1)

export class Lookout {
  readonly #options: LookoutOptions
  /** Instances that are being tried. */
  readonly #trying = new Set<Upstream>()
  /** Until when those with slow requests are not asked again. */
  readonly #assured = new WeakMap<Upstream, number>()
  readonly #timer: NodeJS.Timeout
  readonly #everyMs: number

  constructor(options: LookoutOptions) {
    this.#options = options
    this.#everyMs = Math.max(1, options.limits.probeTimeoutMs / looksPerTry)
    this.#timer = setInterval(() => this.#look(), this.#everyMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const {upstreams, now, steady, limits} = this.#options
    const at = now()
    const quietBefore = steady() - limits.quietMsMax
    for (const upstream of upstreams()) {
      if (this.#trying.has(upstream)) continue
      if (this.#isDoubtful(upstream, at) && upstream.pool.quietSince <= quietBefore) this.#try(upstream, this.#listen(upstream))
      else if (upstream.ejectedUntil > at && upstream.ejectedUntil - at <= 2 * this.#everyMs) this.#try(upstream, this.#readmit(upstream))
    }
  }

  #isDoubtful(upstream: Upstream, at: number): boolean {
    const {quietMsMax} = this.#options.limits
    return upstream.inFlight > 0 && upstream.heardAt <= at - quietMsMax && (this.#assured.get(upstream) ?? 0) <= at
  }

  #try(upstream: Upstream, trial: Promise<void>): void {
    this.#trying.add(upstream)
    trial.catch(this.#options.onFault).finally(() => this.#trying.delete(upstream))
  }

  /** Before it may be picked again: one that takes no connection stays passed over, for longer. */
  async #readmit(upstream: Upstream): Promise<void> {
    const {limits, now} = this.#options
    const {until, letGo} = this.#hold(upstream, limits.connectTimeoutMs)
    const how = await reach(upstream.host, upstream.port, limits.connectTimeoutMs)
    upstream.isSilent = how === 'silent'
    if (letGo() && how !== 'taken') upstream.connectionFailed(Math.max(now(), until))
  }

  /** Keeps one that is passed over from being picked for `ms`. `letGo` undoes that; false when somebody knew better meanwhile. */
  #hold(upstream: Upstream, ms: number): {readonly until: number; readonly letGo: () => boolean} {
    const until = upstream.ejectedUntil
    const at = this.#options.now()
    const held = until > at ? Math.max(until, at + ms + 2 * this.#everyMs) : until
    upstream.ejectedUntil = held
    const letGo = (): boolean => {
      if (upstream.ejectedUntil !== held) return false
      upstream.ejectedUntil = until
      return true
    }
    return {until, letGo}
  }

  /**
   * Its requests wait, and nothing was heard from it. What is slow is left alone as long as its host answers anything at all; where it does not, what has
   * waited since before we asked is over.
   */
  async #listen(upstream: Upstream): Promise<void> {
    const {limits, now, steady, ejected} = this.#options
    const [askedAt, askedSteady] = [now(), steady()]
    const heldMs = silentTriesMin * limits.probeTimeoutMs
    let {until, letGo} = this.#hold(upstream, heldMs)
    for (let tries = 0; tries < silentTriesMin; tries++) {
      if (!(await this.#isSilent(upstream))) {
        this.#assured.set(upstream, now() + againAfterWaits * limits.quietMsMax)
        letGo()
        return
      }
      if (upstream.heardAt > askedAt) return void letGo()
      // A request may have found out meanwhile: then nothing is sent there until we know.
      if (until <= askedAt) ({until, letGo} = this.#hold(upstream, heldMs))
    }
    upstream.isSilent = true
    const isNews = letGo() && until <= askedAt
    if (upstream.connectionFailed(Math.max(now(), upstream.ejectedUntil)) && isNews) ejected()
    upstream.pool.abandonQuiet(askedSteady, new ExchangeError('HOST_SILENT', `nothing for ${limits.quietMsMax} ms, nor to new connections`))
  }

  async #isSilent({host, port}: Upstream): Promise<boolean> {
    const {probeTimeoutMs} = this.#options.limits
    const heard = await Promise.all([port, neighbourOf(port)].map((each): Promise<Reach> => reach(host, each, probeTimeoutMs)))
    return heard.every(how => how === 'silent')
  }
}
