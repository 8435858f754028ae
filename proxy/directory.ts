// What is known of routes and endpoints: which formations are watched, what the feed said of them, and which entries count as alive. No I/O and no clock.
import type {Route} from '#shared/domain/registry.ts'
import {compileTable, namedFormations, type RouteTable} from '#shared/domain/route-table.ts'
import type {CompilePattern} from '#shared/domain/template.ts'
import type {Traffic} from '#shared/domain/traffic.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import type {SeenEndpoint} from './select.ts'

export type Discovered = OutputOf<'discover'>
/** A route as the feed tells it; nobody writes to it. */
type Told = NonNullable<Discovered['routes']>['routes'][number]
type FormationState = Discovered['formations'][string]
/** What is asked of the feed: versions held, 0 for none. */
export interface Asked {
  formations: Record<string, number>
  routes?: number
}

/** As many as one request to the feed may name. */
export const formationsMax = 1_000
/** A formation only requests asked for is forgotten after this long without one; sooner when there was nobody in it. */
export const forgetAfterMs = 600_000
export const forgetEmptyAfterMs = 60_000

type TrafficChoices = Readonly<Record<string, Traffic>>

interface Watched {
  version: number
  endpoints: readonly SeenEndpoint[]
  /** When the first of them ends, in milliseconds since the epoch; Infinity when none does. */
  endsAt: number
  /** By service. */
  traffic: TrafficChoices
  /** Whether the feed, or the snapshot, has told of it. */
  loaded: boolean
  /** Held from before this process: asked for anew, whatever its version. */
  stale: boolean
  /** Named literally by a route: never forgotten. */
  named: boolean
  lastUsedAt: number
}

export interface FormationView {
  readonly loaded: boolean
  readonly endpoints: readonly SeenEndpoint[]
  readonly traffic: TrafficChoices
}

const noChoices: TrafficChoices = {}
const nothing: FormationView = {loaded: false, endpoints: [], traffic: noChoices}

type Entries = FormationState['endpoints']

const endpointsOf = (entries: Entries, now: number): readonly SeenEndpoint[] =>
  entries.map(({expiresInMs, ...endpoint}) => (expiresInMs === undefined ? endpoint : {...endpoint, expiresAt: now + expiresInMs}))

const nameOf = ({service, id}: {readonly service: string; readonly id: string}): string => `${service}.${id}`

const endsFirst = (endpoints: readonly SeenEndpoint[]): number =>
  endpoints.reduce((first, {expiresAt = Number.POSITIVE_INFINITY}) => Math.min(first, expiresAt), Number.POSITIVE_INFINITY)

/** Puts in endpoints; nothing else sets them. */
const put = (watched: Watched, endpoints: readonly SeenEndpoint[]): void => {
  watched.endpoints = endpoints
  watched.endsAt = endsFirst(endpoints)
}

/** Endpoints with when they appeared: those that were not there before have appeared now. */
const seen = (endpoints: readonly SeenEndpoint[], before: readonly SeenEndpoint[], now: number): readonly SeenEndpoint[] => {
  const known = new Map(before.map(endpoint => [nameOf(endpoint), endpoint.since]))
  return endpoints.map(endpoint => {
    const since = known.has(nameOf(endpoint)) ? known.get(nameOf(endpoint)) : now
    return since === undefined ? endpoint : {...endpoint, since}
  })
}

export class Directory {
  readonly #formations = new Map<string, Watched>()
  readonly #compile: CompilePattern
  readonly #withRoutes: boolean
  #table: RouteTable
  #routesVersion = 0
  #routesStale = true
  /** Whether a whole answer, or a snapshot, has been applied. */
  loaded = false
  /** Milliseconds since the epoch; undefined until the feed has answered. */
  lastAnswerAt: number | undefined
  outOfReach = true

  constructor(options: {compile: CompilePattern; withRoutes: boolean}) {
    this.#compile = options.compile
    this.#withRoutes = options.withRoutes
    this.#table = compileTable([], options.compile)
  }

  get table(): RouteTable {
    return this.#table
  }

  get routesVersion(): number {
    return this.#routesVersion
  }

  get formations(): ReadonlyMap<string, Readonly<Watched>> {
    return this.#formations
  }

  /** The versions to send to the feed. Forgets formations nobody uses. */
  ask(now: number): Asked {
    for (const [name, {named, lastUsedAt, endpoints}] of this.#formations) {
      if (!named && now - lastUsedAt > (endpoints.length > 0 ? forgetAfterMs : forgetEmptyAfterMs)) this.#formations.delete(name)
    }
    const held = [...this.#formations].map(([name, {version, stale}]) => [name, stale ? 0 : version])
    const formations: Record<string, number> = Object.fromEntries(held)
    return this.#withRoutes ? {formations, routes: this.#routesStale ? 0 : this.#routesVersion} : {formations}
  }

  /** Takes in an answer to `asked`; true when anything changed. */
  apply(asked: Asked, answer: Discovered, now: number): boolean {
    const outageMs = this.outOfReach && this.lastAnswerAt !== undefined ? now - this.lastAnswerAt : 0
    let changed = false
    for (const [name, version] of Object.entries(asked.formations)) {
      const told = answer.formations[name] ?? (version === 0 ? {version: 0, endpoints: []} : undefined)
      if (this.#applyFormation(name, told, now, outageMs)) changed = true
    }
    if (asked.routes !== undefined) {
      const isNew = this.#routesStale || this.#routesVersion !== 0
      const told = answer.routes ?? (asked.routes === 0 && isNew ? {version: 0, routes: []} : undefined)
      if (told !== undefined) {
        this.#applyRoutes(told, now)
        changed = true
      }
    }
    this.lastAnswerAt = now
    this.outOfReach = false
    this.loaded = true
    return changed
  }

  #applyFormation(name: string, told: FormationState | undefined, now: number, outageMs: number): boolean {
    const watched = this.#formations.get(name)
    if (watched === undefined) return false
    const isFirst = !watched.loaded
    watched.loaded = true
    watched.stale = false
    if (told === undefined) {
      const extend = (endpoint: SeenEndpoint): SeenEndpoint => extended(endpoint, outageMs)
      if (outageMs > 0) put(watched, watched.endpoints.map(extend))
      return false
    }
    const changed = watched.version !== told.version || told.endpoints.length > 0 || watched.endpoints.length > 0
    watched.version = told.version
    const endpoints = endpointsOf(told.endpoints, now)
    put(watched, isFirst ? endpoints : seen(endpoints, watched.endpoints, now))
    watched.traffic = told.traffic ?? noChoices
    return changed
  }

  #applyRoutes(told: {version: number; routes: readonly Route[]}, now: number): void {
    this.#routesVersion = told.version
    this.#routesStale = false
    this.#table = compileTable(told.routes, this.#compile)
    const names = namedFormations(this.#table)
    for (const [name, watched] of this.#formations) watched.named = names.has(name)
    for (const name of names) this.#watch(name, now, true)
  }

  /** Names of all endpoints, as `ID.SERVICE.FORMATION`. */
  listed(): ReadonlySet<string> {
    const names = new Set<string>()
    for (const [formation, {endpoints}] of this.#formations)
      for (const {id, service} of endpoints) names.add(`${id}.${service}.${formation}`)
    return names
  }

  failed(): void {
    this.outOfReach = true
  }

  /** The callable endpoints of a formation; watches it from now on. While the feed is out of reach, entries do not expire. */
  use(name: string, now: number): FormationView {
    const watched = this.#formations.get(name) ?? this.#watch(name, now, false)
    if (watched === undefined) return nothing
    watched.lastUsedAt = now
    const {loaded, endpoints, traffic} = watched
    if (this.outOfReach || watched.endsAt > now) return {loaded, endpoints, traffic}
    return {loaded, traffic, endpoints: endpoints.filter(({expiresAt}) => expiresAt === undefined || expiresAt > now)}
  }

  #watch(name: string, now: number, named: boolean): Watched | undefined {
    const known = this.#formations.get(name)
    if (known !== undefined) return known
    if (this.#formations.size >= formationsMax && !this.#makeRoom()) return undefined
    const watched: Watched = {
      version: 0,
      endpoints: [],
      endsAt: Number.POSITIVE_INFINITY,
      traffic: noChoices,
      loaded: false,
      stale: false,
      named,
      lastUsedAt: now,
    }
    this.#formations.set(name, watched)
    return watched
  }

  /** Forgets one formation that no route names: an empty one if there is, else the least recently used. */
  #makeRoom(): boolean {
    let worst: {name: string; score: number} | undefined
    for (const [name, {named, endpoints, lastUsedAt}] of this.#formations) {
      const score = lastUsedAt + (endpoints.length > 0 ? forgetAfterMs : 0)
      if (!named && (worst === undefined || score < worst.score)) worst = {name, score}
    }
    return worst !== undefined && this.#formations.delete(worst.name)
  }

  /** Everything known, in the feed's own shape. */
  snapshot(now: number): Discovered {
    const formations: Discovered['formations'] = {}
    for (const [name, watched] of this.#formations) if (watched.loaded) formations[name] = stateOf(watched, now)
    return {formations, nextPollMs: 0, ...(this.#withRoutes ? {routes: this.#knownRoutes()} : {})}
  }

  /** What is known beyond the versions of `asked`, in the feed's own shape. The formations asked for count as used. */
  tell(asked: Asked, now: number): Discovered {
    const formations: Discovered['formations'] = {}
    for (const [name, version] of Object.entries(asked.formations)) {
      const watched = this.#formations.get(name)
      if (watched === undefined) continue
      watched.lastUsedAt = now
      if (watched.loaded && watched.version !== version) formations[name] = stateOf(watched, now)
    }
    const isNew = asked.routes !== undefined && asked.routes !== this.#routesVersion
    return {formations, nextPollMs: 0, ...(isNew ? {routes: this.#knownRoutes()} : {})}
  }

  #knownRoutes(): NonNullable<Discovered['routes']> {
    const routes = [...this.#table.routes, ...this.#table.unreadable].map(({route}) => route as Told)
    return {version: this.#routesVersion, routes}
  }

  /** Takes in a snapshot of an earlier process: served until the feed answers, and asked for anew then. */
  restore(snapshot: Discovered, now: number): void {
    if (snapshot.routes !== undefined && this.#withRoutes) this.#applyRoutes(snapshot.routes, now)
    this.#routesStale = true
    for (const [name, told] of Object.entries(snapshot.formations)) {
      const watched = this.#watch(name, now, false)
      if (watched === undefined) continue
      const {version, traffic = noChoices} = told
      put(watched, endpointsOf(told.endpoints, now))
      Object.assign(watched, {version, traffic, loaded: true, stale: true})
    }
    this.loaded = true
  }
}

const extended = (endpoint: SeenEndpoint, ms: number): SeenEndpoint =>
  endpoint.expiresAt === undefined ? endpoint : {...endpoint, expiresAt: endpoint.expiresAt + ms}

const stateOf = ({version, endpoints, traffic}: Readonly<Watched>, now: number): FormationState => {
  const entries = endpoints.map(({expiresAt, since: _, ...endpoint}) =>
    expiresAt === undefined ? endpoint : {...endpoint, expiresInMs: Math.max(0, expiresAt - now)},
  )
  const choices = traffic === noChoices ? {} : {traffic: structuredClone(traffic) as FormationState['traffic']}
  return {version, endpoints: entries.map(entry => ({...entry, ports: {...entry.ports}})), ...choices}
}
