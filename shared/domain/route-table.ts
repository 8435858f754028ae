// The compiled routing table: built when routes change, asked on every request. Pure; swapped as one reference by whoever serves from it.
import type {Route} from './registry.ts'
import {
  type Domain,
  labelPattern,
  type PartReaders,
  partReaders,
  piecesOfDomain,
  type RouteError,
  type RouteParts,
  readRoute,
  segmentPattern,
} from './route.ts'
import {domainOrder, inOrder} from './route-order.ts'
import {buildPaths, findPath, type PathTree} from './route-paths.ts'
import {formationNamed} from './route-target.ts'
import {type CompilePattern, lazyMatcher, type Matcher, type Values} from './template.ts'

/** A route ready to match. `matchDomain` gets a lower-case host without port, `matchPath`, for paths with variables, one from `normalisePath`. */
export interface CompiledRoute {
  readonly name: string
  readonly route: Route
  readonly parsed: RouteParts
  /** Its place among all routes: smaller ones are tried first. Set while the table is compiled. */
  order: number
  readonly matchDomain: Matcher
  readonly matchPath: Matcher
}

/** The routes of all domains that match the same hosts. */
interface DomainPaths {
  readonly domain: Domain
  readonly matches: (host: string) => boolean
  readonly paths: PathTree<CompiledRoute>
}

export interface RouteTable {
  /** Every readable route in the order of precedence. */
  readonly routes: readonly CompiledRoute[]
  readonly unreadable: readonly {readonly route: Route; readonly errors: readonly RouteError[]}[]
  readonly exact: ReadonlyMap<string, PathTree<CompiledRoute>>
  /** Domains with wildcards and variables by the text that ends them, from a dot on, or `''`; each list in order of precedence. */
  readonly patterned: ReadonlyMap<string, readonly (DomainPaths & {readonly order: string})[]>
  /** Dots in the longest key of `patterned`: no more of a host's endings are looked up. */
  readonly dotsMax: number
  readonly any: PathTree<CompiledRoute> | undefined
}

const none: Values = {}
/** Of paths without variables, which are found by their text. */
const matchesByText: Matcher = () => undefined
const noErrors: readonly RouteError[] = []

const remembering = <T>(read: (text: string) => T): ((text: string) => T) => {
  const known = new Map<string, T>()
  return text => {
    const before = known.get(text)
    if (before !== undefined) return before
    const value = read(text)
    known.set(text, value)
    return value
  }
}

const domainMatcher = (domain: Domain, compile: CompilePattern): Matcher => {
  if (domain.kind === 'any') return () => none
  if (domain.kind === 'exact') return host => (host === domain.host ? none : undefined)
  if (domain.kind === 'template') return lazyMatcher(domain.pieces, '.', labelPattern, compile)
  const {suffix} = domain
  return host => (host.length > suffix.length && host.endsWith(suffix) && !host.startsWith('.') ? none : undefined)
}

/** Checks each regular expression by itself; whole templates were checked when the route was made, and are compiled when first asked. */
const patternErrors = ({domain, path}: RouteParts, compile: CompilePattern): readonly RouteError[] => {
  if (path.length === 1 && domain.kind !== 'template') return noErrors
  const errors: RouteError[] = []
  const check = (where: 'domain' | 'path', pieces: RouteParts['path']): void => {
    for (const piece of pieces) {
      if (typeof piece === 'string' || piece.pattern === undefined) continue
      const compiled = compile(piece.pattern)
      if (!compiled.ok) errors.push({path: where, message: `the pattern of {${piece.name}}: ${compiled.message}`})
    }
  }
  check('domain', piecesOfDomain(domain))
  check('path', path)
  return errors
}

const readAll = (routes: readonly Route[], compile: CompilePattern): {readable: CompiledRoute[]; unreadable: RouteTable['unreadable']} => {
  const readers: PartReaders = {domain: remembering(partReaders.domain), target: remembering(partReaders.target)}
  const domains = new Map<Domain, Matcher>()
  const readable: CompiledRoute[] = []
  const unreadable: {route: Route; errors: readonly RouteError[]}[] = []
  for (const route of routes) {
    const parsed = readRoute(route, readers)
    const errors = parsed.ok ? patternErrors(parsed, compile) : parsed.errors
    if (!parsed.ok || errors.length > 0) unreadable.push({route, errors})
    else {
      const matchDomain = domains.get(parsed.domain) ?? domainMatcher(parsed.domain, compile)
      domains.set(parsed.domain, matchDomain)
      const matchPath = parsed.path.length === 1 ? matchesByText : lazyMatcher(parsed.path, '/', segmentPattern, compile)
      readable.push({name: route.name, route, parsed, order: 0, matchDomain, matchPath})
    }
  }
  return {readable, unreadable}
}

/** The text every matching host ends with, from a dot on; `''` when there is no such. */
const endingOf = (domain: Domain): string => {
  if (domain.kind === 'under') return domain.suffix
  const last = domain.kind === 'template' ? domain.pieces.at(-1) : undefined
  return typeof last === 'string' && last.includes('.') ? last.slice(last.indexOf('.')) : ''
}

/** Compiles routes. One that can not be read is left out and listed, so that it never takes the others down. */
export const compileTable = (routes: readonly Route[], compile: CompilePattern): RouteTable => {
  const {readable, unreadable} = readAll(routes, remembering(compile))
  const ordered: CompiledRoute[] = []
  const exact = new Map<string, PathTree<CompiledRoute>>()
  const patterned = new Map<string, (DomainPaths & {order: string})[]>()
  let any: PathTree<CompiledRoute> | undefined
  for (const group of inOrder(readable)) {
    const [first] = group
    if (first === undefined) continue
    for (const route of group) route.order = ordered.push(route)
    const {matchDomain} = first
    const {domain} = first.parsed
    const paths = buildPaths(group, route => route.parsed.path)
    if (domain.kind === 'any') any = paths
    else if (domain.kind === 'exact') exact.set(domain.host, paths)
    else {
      const ending = endingOf(domain)
      const same = patterned.get(ending) ?? []
      same.push({domain, paths, order: domainOrder(domain), matches: host => matchDomain(host) !== undefined})
      patterned.set(ending, same)
    }
  }
  const dotsMax = [...patterned.keys()].reduce((max, ending) => Math.max(max, ending.split('.').length - 1), 0)
  return {routes: ordered, unreadable, exact, patterned, dotsMax, any}
}

export interface RouteMatch {
  readonly route: CompiledRoute
  readonly values: Values
}

const matchIn = (paths: PathTree<CompiledRoute> | undefined, host: string, path: string): RouteMatch | undefined => {
  const found = paths === undefined ? undefined : findPath(paths, path)
  if (found === undefined) return undefined
  const {route, values} = found
  return route.parsed.domain.kind === 'template' ? {route, values: {...route.matchDomain(host), ...values}} : found
}

/** Patterned domains that may match, by the endings of `host`, in order of precedence. */
const candidates = ({patterned, dotsMax}: RouteTable, host: string): readonly DomainPaths[] => {
  const lists = [patterned.get('') ?? []]
  for (let dots = 0, at = host.lastIndexOf('.'); at >= 0 && dots < dotsMax; dots++) {
    const list = patterned.get(host.slice(at))
    if (list !== undefined) lists.push(list)
    at = at === 0 ? -1 : host.lastIndexOf('.', at - 1)
  }
  const all = lists.flat()
  return all.length < 2 ? all : all.sort((a, b) => (a.order < b.order ? -1 : 1))
}

/** The first route in order of precedence whose domain and path both match. `host` from `hostOf`, `path` from `normalisePath`. */
export const findRoute = (table: RouteTable, host: string, path: string): RouteMatch | undefined => {
  const exact = matchIn(table.exact.get(host), host, path)
  if (exact !== undefined) return exact
  if (table.patterned.size > 0) {
    for (const {matches, paths} of candidates(table, host)) {
      const match = matches(host) ? matchIn(paths, host, path) : undefined
      if (match !== undefined) return match
    }
  }
  return matchIn(table.any, host, path)
}

/** Formations that targets name literally: what a router watches without being asked. */
export const namedFormations = (table: RouteTable): ReadonlySet<string> => {
  const names = table.routes.map(({parsed}) => formationNamed(parsed.target)).filter(name => name !== undefined)
  return new Set(names)
}
