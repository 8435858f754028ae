// The compiled routing table: built when routes change, asked on every request. Pure; swapped as one reference by whoever serves from it.
import {isName, parseServiceAddress, type ServiceAddress} from './names.ts'
import type {Route} from './registry.ts'
import {asQueryValue, hasDotSegment} from './request-path.ts'
import {compareRoutes, labelPattern, type ParsedRoute, parseRoute, type RouteError, segmentPattern, type Target} from './route.ts'
import {type CompilePattern, compileTemplate, type Outcome, type Piece, type Values} from './template.ts'

type Matcher = (text: string) => Values | undefined

/** A route ready to match. `matchDomain` gets a lower-case host without port, `matchPath` a path from `normalisePath`. */
export interface CompiledRoute {
  readonly name: string
  readonly route: Route
  readonly parsed: ParsedRoute & {readonly ok: true}
  readonly matchDomain: Matcher
  readonly matchPath: Matcher
}

export interface RouteTable {
  /** Every readable route in the order of precedence. */
  readonly routes: readonly CompiledRoute[]
  readonly unreadable: readonly {readonly route: Route; readonly errors: readonly RouteError[]}[]
  /** Exact domains; then, in order, those with wildcards and variables; then any. */
  readonly exact: ReadonlyMap<string, readonly CompiledRoute[]>
  readonly patterned: readonly CompiledRoute[]
  readonly any: readonly CompiledRoute[]
}

const none: Values = {}

const domainMatcher = (parsed: CompiledRoute['parsed'], compile: CompilePattern): Outcome<Matcher> => {
  const {domain} = parsed
  if (domain.kind === 'any') return {ok: true, value: () => none}
  if (domain.kind === 'exact') return {ok: true, value: host => (host === domain.host ? none : undefined)}
  if (domain.kind === 'template') return compileTemplate(domain.pieces, '.', labelPattern, compile)
  const {suffix} = domain
  return {ok: true, value: host => (host.length > suffix.length && host.endsWith(suffix) && !host.startsWith('.') ? none : undefined)}
}

const compileRoute = (
  route: Route,
  compile: CompilePattern,
): {ok: true; value: CompiledRoute} | {ok: false; errors: readonly RouteError[]} => {
  const parsed = parseRoute(route, compile)
  if (!parsed.ok) return parsed
  const matchDomain = domainMatcher(parsed, compile)
  const matchPath = compileTemplate(parsed.path, '/', segmentPattern, compile)
  if (!matchDomain.ok) return {ok: false, errors: [{path: 'domain', message: matchDomain.message}]}
  if (!matchPath.ok) return {ok: false, errors: [{path: 'path', message: matchPath.message}]}
  return {ok: true, value: {name: route.name, route, parsed, matchDomain: matchDomain.value, matchPath: matchPath.value}}
}

/** Compiles routes. One that can not be read is left out and listed, so that it never takes the others down. */
export const compileTable = (routes: readonly Route[], compile: CompilePattern): RouteTable => {
  const readable: CompiledRoute[] = []
  const unreadable: {route: Route; errors: readonly RouteError[]}[] = []
  for (const route of routes) {
    const compiled = compileRoute(route, compile)
    if (compiled.ok) readable.push(compiled.value)
    else unreadable.push({route, errors: compiled.errors})
  }
  const ordered = readable.toSorted(compareRoutes)
  const exact = new Map<string, CompiledRoute[]>()
  for (const compiled of ordered) {
    const {domain} = compiled.parsed
    if (domain.kind !== 'exact') continue
    const same = exact.get(domain.host)
    if (same === undefined) exact.set(domain.host, [compiled])
    else same.push(compiled)
  }
  return {
    routes: ordered,
    unreadable,
    exact,
    patterned: ordered.filter(({parsed}) => parsed.domain.kind === 'under' || parsed.domain.kind === 'template'),
    any: ordered.filter(({parsed}) => parsed.domain.kind === 'any'),
  }
}

export interface RouteMatch {
  readonly route: CompiledRoute
  readonly values: Values
}

const firstMatch = (routes: readonly CompiledRoute[], host: string, path: string): RouteMatch | undefined => {
  for (const route of routes) {
    const inDomain = route.matchDomain(host)
    if (inDomain === undefined) continue
    const inPath = route.matchPath(path)
    if (inPath !== undefined) return {route, values: {...inDomain, ...inPath}}
  }
  return undefined
}

/** The first route in order of precedence whose domain and path both match. `host` from `hostOf`, `path` from `normalisePath`. */
export const findRoute = (table: RouteTable, host: string, path: string): RouteMatch | undefined =>
  firstMatch(table.exact.get(host) ?? [], host, path) ?? firstMatch(table.patterned, host, path) ?? firstMatch(table.any, host, path)

/** Where a matched request goes. `path` starts with `/` and carries the query. */
export interface ResolvedTarget {
  readonly address: ServiceAddress
  readonly port?: number
  readonly path: string
}

const render = (pieces: readonly Piece[], values: Values, encode: (value: string) => string): string =>
  pieces.map(piece => (typeof piece === 'string' ? piece : encode(values[piece.name] ?? ''))).join('')

const hostValue = /^[A-Za-z0-9_-]+$/

const resolveAddress = (target: Target, values: Values): Outcome<ServiceAddress> => {
  for (const piece of target.host) {
    if (typeof piece === 'string' || hostValue.test(values[piece.name] ?? '')) continue
    return {ok: false, message: `{${piece.name}} is “${values[piece.name]}”, which can not be part of a service address`}
  }
  const host = render(target.host, values, value => value)
  const address = parseServiceAddress(host)
  return address === undefined ? {ok: false, message: `“${host}” is not a service address`} : {ok: true, value: address}
}

/**
 * Fills a match's variables into its target. Values are untrusted: in the host they must make valid names; in the path they stay percent-encoded and may
 * not make `.` or `..` segments; in the query their separators are escaped. `query` is the request's, without `?`, and comes after the target's own.
 */
export const resolveTarget = ({route, values}: RouteMatch, query: string | undefined): Outcome<ResolvedTarget> => {
  const {target} = route.parsed
  const address = resolveAddress(target, values)
  if (!address.ok) return address
  const path = render(target.path, values, value => value)
  if (hasDotSegment(path)) return {ok: false, message: 'the variables make a “.” or “..” segment in the target’s path'}
  const own = target.query === undefined ? undefined : render(target.query, values, asQueryValue)
  const queries = [own, query].filter(text => text !== undefined && text !== '')
  const resolved = {address: address.value, path: queries.length === 0 ? path : `${path}?${queries.join('&')}`}
  return {ok: true, value: target.port === undefined ? resolved : {...resolved, port: target.port}}
}

/** Formations that targets name literally: what a router watches without being asked. */
export const namedFormations = (table: RouteTable): ReadonlySet<string> => {
  const names = new Set<string>()
  for (const {parsed} of table.routes) {
    const last = parsed.target.host.at(-1)
    const labels = typeof last === 'string' ? last.toLowerCase().split('.') : []
    const formation = labels.length >= 3 ? labels.at(-2) : undefined
    if (formation !== undefined && isName(formation)) names.add(formation)
  }
  return names
}
