// The instances we talk to: pooled connections and what the balancer knows of each. Owns their lives; which one is picked is shared/domain/balancer.ts.
import {ejectionMs, errorsInARowMax, isInstanceError, newRetryBudget, type RetryBudget} from '#shared/domain/balancer.ts'
import {Pool} from './http/pool.ts'
import type {Shared} from './http/upstream-connection.ts'
import type {Place} from './select.ts'

/** What the instances of one service have in common, for as long as we know any of them. */
export interface ServiceRecord {
  budget: RetryBudget
  /** How many of its instances are known. */
  upstreams: number
}

/** Where an instance is, and what it runs. */
interface UpstreamPlace {
  readonly host: string
  readonly port: number
  readonly near: boolean
  readonly release: number | undefined
}

/** An instance's port, its connections and its record. */
export class Upstream {
  readonly key: string
  readonly name: string
  /** Its instance's id: what {@link name} begins with. */
  readonly instance: string
  readonly release: number | undefined
  /** Service, formation and release as one text: what instances are counted together by. */
  readonly group: string
  readonly host: string
  readonly port: number
  inFlight = 0
  ejectedUntil = 0
  /** Nobody answered when the lookout last tried it. */
  isSilent = false
  lastUsedAt = 0
  /** When its host was last known to be there, in milliseconds since the epoch. */
  heardAt = 0
  /** When it appeared in the feed; 0 when it was there from the start. */
  since = 0
  readonly near: boolean
  readonly service: ServiceRecord
  #failures = 0
  #errors = 0
  #brokenBefore = false
  /** Connections for HTTP requests, opened as needed and kept alive. */
  readonly pool: Pool

  constructor(key: string, name: string, place: UpstreamPlace, service: ServiceRecord, shared: Shared) {
    this.key = key
    this.name = name
    this.instance = name.slice(0, name.indexOf('.'))
    this.release = place.release
    this.group = `${name.slice(this.instance.length + 1)} ${place.release ?? ''}`
    this.host = place.host
    this.port = place.port
    this.near = place.near
    this.service = service
    this.pool = new Pool(place, shared)
  }

  /** One of its requests is over. */
  over(now: number): void {
    this.inFlight -= 1
    this.lastUsedAt = now
  }

  /** It answered; true when that was one error too many in a row. */
  answered(status: number, now: number): boolean {
    this.#brokenBefore = false
    this.isSilent = false
    this.heardAt = now
    if (!isInstanceError(status)) {
      this.#failures = 0
      this.#errors = 0
      this.ejectedUntil = 0
      return false
    }
    this.#errors += 1
    if (this.#errors < errorsInARowMax) return false
    this.#errors = 0
    return this.connectionFailed(now)
  }

  /**
   * A connection was refused or broken: passed over for a few seconds, longer when it repeats; true when it was not before. All that fail while it is passed
   * over are the same failure: a hundred requests on their way to an instance that dies do not keep it out for longer than one.
   */
  connectionFailed(now: number): boolean {
    if (this.ejectedUntil > now) return false
    this.#failures += 1
    this.ejectedUntil = now + ejectionMs(this.#failures)
    return true
  }

  /**
   * A connection ended after a request was sent on it; true when that is held against the instance. The first time in a row is not: the instance may have
   * ended a kept-alive connection just then, as servers do. One that is gone refuses the next connection.
   */
  connectionBroke(now: number): boolean {
    const again = this.#brokenBefore
    this.#brokenBefore = true
    return again && this.connectionFailed(now)
  }

  /** It appeared in the feed, perhaps not for the first time: one that was away and is back, healthy again, begins with a clean record. */
  appeared(at: number): void {
    if (at > this.since) {
      this.#failures = 0
      this.#errors = 0
      this.#brokenBefore = false
      this.isSilent = false
      this.ejectedUntil = 0
    }
    this.since = at
  }
}

/** An upstream nobody used for this long is forgotten. */
export const upstreamIdleMsMax = 60_000

/** All upstreams, by instance and address: an instance that moves or a port that is reused starts with a clean record. */
export class Upstreams {
  /** Changes when upstreams are forgotten: whoever holds on to some must ask again. */
  generation = 0
  readonly #byKey = new Map<string, Upstream>()
  /** By service and formation: those of upstreams we have. */
  readonly #services = new Map<string, ServiceRecord>()
  readonly #shared: Shared
  readonly #zone: string | undefined

  /** Instances of `zone` are near; without one, none is. */
  constructor(shared: Shared, zone?: string) {
    this.#shared = shared
    this.#zone = zone
  }

  of(formation: string, place: Place): Upstream {
    const {endpoint, port} = place
    const name = `${endpoint.id}.${endpoint.service}.${formation}`
    const {host, release} = endpoint
    const key = `${name}@${host}:${port} ${release ?? ''}`
    const known = this.#byKey.get(key)
    const near = this.#zone !== undefined && endpoint.zone === this.#zone
    const upstream =
      known ?? new Upstream(key, name, {host, port, near, release}, this.#serviceOf(`${endpoint.service}.${formation}`), this.#shared)
    if (known === undefined) this.#byKey.set(key, upstream)
    upstream.appeared(endpoint.since ?? 0)
    return upstream
  }

  /** The record of a service that another upstream joins. */
  #serviceOf(name: string): ServiceRecord {
    const service = this.#services.get(name) ?? {budget: newRetryBudget(), upstreams: 0}
    service.upstreams += 1
    this.#services.set(name, service)
    return service
  }

  get all(): readonly Upstream[] {
    return [...this.#byKey.values()]
  }

  /**
   * Closes upstreams that are idle since {@link upstreamIdleMsMax}; their number stays near that of instances in use. Those that are passed over stay, for
   * what is known of them, as long as they are listed.
   */
  sweep(now: number, isListed: (name: string) => boolean): void {
    for (const upstream of this.#byKey.values()) {
      if (upstream.inFlight > 0 || now - upstream.lastUsedAt < upstreamIdleMsMax) continue
      if (upstream.ejectedUntil > now && isListed(upstream.name)) continue
      this.#byKey.delete(upstream.key)
      this.generation += 1
      upstream.pool.close()
      upstream.service.upstreams -= 1
    }
    for (const [name, {upstreams}] of this.#services) if (upstreams === 0) this.#services.delete(name)
  }

  destroy(): void {
    for (const {pool} of this.#byKey.values()) pool.destroy()
    this.#byKey.clear()
    this.#services.clear()
  }
}
