// Routes as people write them: how a route is read and checked, when two are duplicates, and which comes first. Matching is in route-table.ts.
import {parseServiceAddress} from './names.ts'
import type {Route} from './registry.ts'
import {hasDotSegment, hostOf, normaliseLiteral} from './request-path.ts'
import {type CompilePattern, compileTemplate, isCatchAll, type Piece, parseTemplate, segmentsOf, shapeOf, variablesOf} from './template.ts'

/** What a variable without a pattern stands for: one path segment, one label of a domain. */
export const segmentPattern = '[^/]+'
export const labelPattern = '[^.]+'
/** The canonical pattern is a key of the store; printable ASCII, so bytes are characters. */
export const routePatternBytesMax = 960

/** `any`: every host. `under`: every host below `suffix`. `template`: labels and variables. */
export type Domain =
  | {readonly kind: 'any'}
  | {readonly kind: 'exact'; readonly host: string}
  | {readonly kind: 'under'; readonly suffix: string}
  | {readonly kind: 'template'; readonly pieces: readonly Piece[]}

/** Address and path of a target; `query` without its `?`. */
export interface Target {
  readonly host: readonly Piece[]
  readonly port?: number
  readonly path: readonly Piece[]
  readonly query?: readonly Piece[]
}
export type RouteText = Pick<Route, 'domain' | 'path' | 'target'>
export interface RouteError {
  readonly path: 'domain' | 'path' | 'target'
  readonly message: string
}
export type ParsedRoute =
  | {readonly ok: true; readonly pattern: string; readonly domain: Domain; readonly path: readonly Piece[]; readonly target: Target}
  | {readonly ok: false; readonly errors: readonly RouteError[]}

type Part<T> = {readonly ok: true; readonly value: T} | {readonly ok: false; readonly message: string}
const refuse = (message: string) => ({ok: false, message}) as const
const found = <T>(value: T) => ({ok: true, value}) as const

/** Splits `domain/path` (also `/path`, any domain; and `domain:/path`, as the original Gilliam wrote it) at the first `/` outside braces. */
export const splitRoute = (text: string): {domain: string; path: string} => {
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.exec(text)?.[0] ?? ''
  let depth = 0
  let at = scheme.length
  for (; at < text.length; at++) {
    if (text[at] === '{') depth++
    else if (text[at] === '}') depth--
    else if (text[at] === '/' && depth <= 0) break
  }
  const domain = text.slice(0, at)
  return {domain: (scheme === '' ? domain.replace(/:$/, '') : domain) || '*', path: text.slice(at) || '/'}
}

const isHost = (text: string): boolean => hostOf(text) === text && text !== ''

const parseDomain = (text: string): Part<Domain> => {
  if (text === '*') return found({kind: 'any'})
  const host = text.replace(/\.$/, '')
  if (!host.includes('{')) {
    const lower = host.toLowerCase()
    if (lower.startsWith('*.') && isHost(lower.slice(2))) return found({kind: 'under', suffix: lower.slice(1)})
    return isHost(lower)
      ? found({kind: 'exact', host: lower})
      : refuse(`“${text}” is not a host name without scheme and port, “*.host” or “*”`)
  }
  const parsed = parseTemplate(host, labelPattern)
  if (!parsed.ok) return parsed
  const pieces = parsed.value.map(piece => (typeof piece === 'string' ? piece.toLowerCase() : piece))
  const literal = pieces.find(piece => typeof piece === 'string' && !/^[a-z0-9._-]+$/.test(piece))
  return literal === undefined ? found({kind: 'template', pieces}) : refuse(`“${literal}” can not be part of a host name`)
}

const parsePath = (text: string, barePattern = segmentPattern): Part<readonly Piece[]> => {
  if (!text.startsWith('/')) return refuse('a path starts with “/”')
  const parsed = parseTemplate(text, barePattern)
  if (!parsed.ok) return parsed
  const pieces: Piece[] = []
  for (const piece of parsed.value) {
    const literal = typeof piece === 'string' ? normaliseLiteral(piece) : piece
    if (literal === undefined) return refuse(`“${piece}” can not be part of a path: no spaces, “?”, “#”, “\\” or stray “%”`)
    pieces.push(literal)
  }
  return hasDotSegment(shapeOf(pieces)) ? refuse('a path may not hold “.” or “..” segments') : found(pieces)
}

const hostForm = 'of the form [http://][INSTANCE.]SERVICE.FORMATION.service[:PORT][/PATH]'

/** Checks what a target's host becomes with a valid name in every hole: that it is an address ending in `.service`. */
const parseTargetHost = (text: string): Part<Pick<Target, 'host' | 'port'>> => {
  const port = /:([0-9]{1,5})$/.exec(text)
  const parsed = parseTemplate(port === null ? text : text.slice(0, port.index))
  if (!parsed.ok) return parsed
  const host = parsed.value
  const example = host.map(piece => (typeof piece === 'string' ? piece : 'x')).join('')
  if (parseServiceAddress(example) === undefined) return refuse(`“${text}” is not ${hostForm}`)
  const number = Number(port?.[1] ?? 1)
  if (number < 1 || number > 65_535) return refuse(`port ${number} is not in 1–65535`)
  return found(port === null ? {host} : {host, port: number})
}

const parseQuery = (text: string): Part<readonly Piece[]> => {
  const parsed = parseTemplate(text)
  if (!parsed.ok) return parsed
  const bad = parsed.value.find(piece => typeof piece === 'string' && !/^[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*$/.test(piece))
  return bad === undefined ? parsed : refuse(`“${bad}” can not be part of a query; escape it with %`)
}

const parseTarget = (text: string): Part<Target> => {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text) && !text.startsWith('http://'))
    return refuse(`only http:// services can be routed to; a target is ${hostForm}`)
  const [, authority = '', path = '', query] = /^(?:http:\/\/)?([^/?]*)([^?]*)(?:\?(.*))?$/s.exec(text) ?? []
  const address = parseTargetHost(authority)
  if (!address.ok) return address
  const parsedPath = parsePath(path || '/', '')
  if (!parsedPath.ok) return parsedPath
  const parsedQuery = query === undefined ? undefined : parseQuery(query)
  if (parsedQuery?.ok === false) return parsedQuery
  const target = {...address.value, path: parsedPath.value}
  const all = [...target.host, ...target.path, ...(parsedQuery?.value ?? [])]
  const patterned = variablesOf(all).find(({pattern}) => pattern !== undefined)
  if (patterned !== undefined) return refuse(`{${patterned.name}} has a pattern; patterns belong in the domain and the path`)
  return found(parsedQuery === undefined ? target : {...target, query: parsedQuery.value})
}

const piecesOfDomain = (domain: Domain): readonly Piece[] => (domain.kind === 'template' ? domain.pieces : [])

/** The domain with variable names erased: `*`, `crm.example.com`, `*.example.com`, `{}.example.com`. */
export const domainShape = (domain: Domain): string =>
  domain.kind === 'any'
    ? '*'
    : domain.kind === 'exact'
      ? domain.host
      : domain.kind === 'under'
        ? `*${domain.suffix}`
        : shapeOf(domain.pieces)

const checkPatterns = (domain: Domain, path: readonly Piece[], compile: CompilePattern): RouteError[] => {
  const host = compileTemplate(piecesOfDomain(domain), '.', labelPattern, compile)
  const whole = compileTemplate(path, '/', segmentPattern, compile)
  return [
    ...(host.ok ? [] : [{path: 'domain', message: host.message} as const]),
    ...(whole.ok ? [] : [{path: 'path', message: whole.message} as const]),
  ]
}

const checkVariables = (domain: Domain, path: readonly Piece[], target: Target): RouteError[] => {
  const errors: RouteError[] = []
  const known = new Set<string>()
  for (const {name} of variablesOf([...piecesOfDomain(domain), ...path])) {
    if (known.has(name))
      errors.push({path: 'path', message: `{${name}} is used twice; every variable of domain and path needs its own name`})
    known.add(name)
  }
  const unknown = variablesOf([...target.host, ...target.path, ...(target.query ?? [])]).filter(({name}) => !known.has(name))
  for (const {name} of unknown) {
    const hint = known.size === 0 ? 'they have no variables' : `they have {${[...known].join('}, {')}}`
    errors.push({path: 'target', message: `{${name}} is in neither domain nor path; ${hint}`})
  }
  return errors
}

/**
 * Reads a route. `pattern` is canonical: two routes with equal patterns match exactly the same requests (variable names do not count), so only one may
 * exist. `compile` is `compilePattern` of shared/patterns.ts. All errors are returned, with the field they belong to.
 */
export const parseRoute = (route: RouteText, compile: CompilePattern): ParsedRoute => {
  const domain = parseDomain(route.domain)
  const path = parsePath(route.path)
  const target = parseTarget(route.target)
  const errors: RouteError[] = []
  if (!domain.ok) errors.push({path: 'domain', message: domain.message})
  if (!path.ok) errors.push({path: 'path', message: path.message})
  if (!target.ok) errors.push({path: 'target', message: target.message})
  if (!domain.ok || !path.ok || !target.ok) return {ok: false, errors}
  errors.push(...checkPatterns(domain.value, path.value, compile), ...checkVariables(domain.value, path.value, target.value))
  const pattern = `${domainShape(domain.value)}${shapeOf(path.value)}`
  if (pattern.length > routePatternBytesMax) {
    errors.push({path: 'path', message: `domain and path together are longer than ${routePatternBytesMax} characters`})
  }
  if (errors.length > 0) return {ok: false, errors}
  return {ok: true, pattern, domain: domain.value, path: path.value, target: target.value}
}

type Rank = readonly number[]

/** What kind of segment comes first: text (0), text with variables (1), a pattern (2), a bare variable (3), a catch-all (4); then more text. */
const segmentRank = (segment: readonly Piece[]): Rank => {
  const text = segment.filter(piece => typeof piece === 'string').join('').length
  const variables = variablesOf(segment)
  if (variables.length === 0) return [0, 0]
  if (variables.some(isCatchAll)) return [4, -text]
  if (text > 0) return [1, -text]
  return [variables.every(({pattern}) => pattern === undefined) ? 3 : 2, 0]
}

const ranksOf = (pieces: readonly Piece[], separator: '/' | '.'): readonly Rank[] => segmentsOf(pieces, separator).map(segmentRank)

/** First difference wins; when one list begins the other, the longer comes first. */
const compareRanks = (a: readonly Rank[], b: readonly Rank[]): number => {
  for (const [index, [kind = 0, text = 0]] of a.entries()) {
    const other = b[index]
    if (other === undefined) return -1
    const difference = kind - (other[0] ?? 0) || text - (other[1] ?? 0)
    if (difference !== 0) return difference
  }
  return b.length - a.length
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const domainRanks = (domain: Domain): readonly Rank[] =>
  domain.kind === 'template'
    ? ranksOf(domain.pieces, '.').toReversed()
    : domain.kind === 'under'
      ? [
          ...domain.suffix
            .split('.')
            .slice(1)
            .map((): Rank => [0, 0]),
          [5, 0],
        ]
      : []

const domainKinds = {exact: 0, template: 1, under: 1, any: 2} as const

/** What {@link compareRoutes} needs of a route. */
export type Ranked = {readonly name: string; readonly parsed: ParsedRoute & {readonly ok: true}}

/**
 * The order in which routes are tried; the first whose domain and path both match wins. Exact domains, then wildcards and variables (longer and more
 * literal first, seen from the right), then any; within one domain segment by segment: text, text with variables, patterns, bare variables, catch-alls;
 * longer before shorter; then by name.
 */
export const compareRoutes = (a: Ranked, b: Ranked): number =>
  domainKinds[a.parsed.domain.kind] - domainKinds[b.parsed.domain.kind] ||
  compareRanks(domainRanks(a.parsed.domain), domainRanks(b.parsed.domain)) ||
  compareText(domainShape(a.parsed.domain), domainShape(b.parsed.domain)) ||
  compareRanks(ranksOf(a.parsed.path, '/'), ranksOf(b.parsed.path, '/')) ||
  compareText(a.name, b.name)

/** Routes in the order they are tried. A stored route that can not be read any more is left out and named in `unreadable`. */
export const orderRoutes = <R extends RouteText & {readonly name: string}>(
  routes: readonly R[],
  compile: CompilePattern,
): {ordered: readonly R[]; unreadable: readonly {route: R; errors: readonly RouteError[]}[]} => {
  const ranked: {name: string; parsed: ParsedRoute & {ok: true}; route: R}[] = []
  const unreadable: {route: R; errors: readonly RouteError[]}[] = []
  for (const route of routes) {
    const parsed = parseRoute(route, compile)
    if (parsed.ok) ranked.push({name: route.name, parsed, route})
    else unreadable.push({route, errors: parsed.errors})
  }
  return {ordered: ranked.toSorted(compareRoutes).map(({route}) => route), unreadable}
}
