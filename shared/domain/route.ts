// Routes as people write them: how a route is read and checked, and when two are duplicates. Order is in route-order.ts, matching in route-table.ts.
import type {Route} from './registry.ts'
import {hostOf} from './request-path.ts'
import {parsePath, parseTarget, type Target, variablesIn} from './route-target.ts'
import {type CompilePattern, compileTemplate, type Outcome, type Piece, parseTemplate, shapeOf, variablesOf} from './template.ts'

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

export type RouteText = Pick<Route, 'domain' | 'path' | 'target'>
export interface RouteError {
  readonly path: 'domain' | 'path' | 'target'
  readonly message: string
}
/** A route taken apart. */
export interface RouteParts {
  readonly domain: Domain
  readonly path: readonly Piece[]
  readonly target: Target
}
export type ParsedRoute =
  | ({readonly ok: true; readonly pattern: string} & RouteParts)
  | {readonly ok: false; readonly errors: readonly RouteError[]}

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

const parseDomain = (text: string): Outcome<Domain> => {
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

/** The variables of a domain are in here. */
export const piecesOfDomain = (domain: Domain): readonly Piece[] => (domain.kind === 'template' ? domain.pieces : [])

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

const checkVariables = (domain: Domain, path: readonly Piece[], target: Target): readonly RouteError[] => {
  const used = variablesIn(target)
  if (path.length === 1 && domain.kind !== 'template' && used.length === 0) return []
  const errors: RouteError[] = []
  const known: string[] = []
  for (const {name} of variablesOf([...piecesOfDomain(domain), ...path])) {
    if (known.includes(name))
      errors.push({path: 'path', message: `{${name}} is used twice; every variable of domain and path needs its own name`})
    known.push(name)
  }
  for (const {name} of used) {
    if (known.includes(name)) continue
    const hint = known.length === 0 ? 'they have no variables' : `they have {${[...new Set(known)].join('}, {')}}`
    errors.push({path: 'target', message: `{${name}} is in neither domain nor path; ${hint}`})
  }
  return errors
}

/** Readers of the parts of a route; tables of many routes pass ones that remember, since domains and targets repeat. */
export interface PartReaders {
  readonly domain: (text: string) => Outcome<Domain>
  readonly target: (text: string) => Outcome<Target>
}
export const partReaders: PartReaders = {domain: parseDomain, target: parseTarget}

type ReadRoute = ({readonly ok: true} & RouteParts) | {readonly ok: false; readonly errors: readonly RouteError[]}

/** Reads a route without its regular expressions, for tables of routes that were checked when they were made. Every error has the field it belongs to. */
export const readRoute = (route: RouteText, readers = partReaders): ReadRoute => {
  const domain = readers.domain(route.domain)
  const path = parsePath(route.path, segmentPattern)
  const target = readers.target(route.target)
  if (domain.ok && path.ok && target.ok) {
    const errors = checkVariables(domain.value, path.value, target.value)
    return errors.length > 0 ? {ok: false, errors} : {ok: true, domain: domain.value, path: path.value, target: target.value}
  }
  const errors: RouteError[] = []
  if (!domain.ok) errors.push({path: 'domain', message: domain.message})
  if (!path.ok) errors.push({path: 'path', message: path.message})
  if (!target.ok) errors.push({path: 'target', message: target.message})
  return {ok: false, errors}
}

/**
 * Reads a route and checks its regular expressions. `pattern` is canonical: two routes with equal patterns match exactly the same requests (variable names
 * do not count), so only one may exist. `compile` is `compilePattern` of shared/patterns.ts.
 */
export const parseRoute = (route: RouteText, compile: CompilePattern): ParsedRoute => {
  const parsed = readRoute(route)
  if (!parsed.ok) return parsed
  const errors = checkPatterns(parsed.domain, parsed.path, compile)
  const pattern = `${domainShape(parsed.domain)}${shapeOf(parsed.path)}`
  if (pattern.length > routePatternBytesMax)
    errors.push({path: 'path', message: `domain and path together are longer than ${routePatternBytesMax} characters`})
  return errors.length > 0 ? {ok: false, errors} : {...parsed, pattern}
}
