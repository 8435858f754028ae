// The routing table as plainly as it can be said: compare every route with every other, try them one after the other. What the compiled one is held to.
import type {Route} from '#shared/domain/registry.ts'
import {type Domain, domainShape, labelPattern, type ParsedRoute, parseRoute, segmentPattern} from '#shared/domain/route.ts'
import {
  type CompilePattern,
  compileTemplate,
  isCatchAll,
  type Piece,
  segmentsOf,
  type Values,
  variablesOf,
} from '#shared/domain/template.ts'

type Parsed = ParsedRoute & {readonly ok: true}
type Rank = readonly number[]
interface Ranked {
  readonly name: string
  readonly parsed: Parsed
}

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

const domainRanks = (domain: Domain): readonly Rank[] => {
  if (domain.kind === 'template') return ranksOf(domain.pieces, '.').toReversed()
  if (domain.kind !== 'under') return []
  const labels = domain.suffix.split('.').slice(1)
  return [...labels.map((): Rank => [0, 0]), [5, 0]]
}

const domainKinds = {exact: 0, template: 1, under: 1, any: 2} as const

export const compareRoutes = (a: Ranked, b: Ranked): number =>
  domainKinds[a.parsed.domain.kind] - domainKinds[b.parsed.domain.kind] ||
  compareRanks(domainRanks(a.parsed.domain), domainRanks(b.parsed.domain)) ||
  compareText(domainShape(a.parsed.domain), domainShape(b.parsed.domain)) ||
  compareRanks(ranksOf(a.parsed.path, '/'), ranksOf(b.parsed.path, '/')) ||
  compareText(a.name, b.name)

/** Every route in the order of precedence; all must be readable. */
export const ordered = (routes: readonly Route[], compile: CompilePattern): readonly Ranked[] =>
  routes
    .map(route => {
      const parsed = parseRoute(route, compile)
      if (!parsed.ok) throw new Error(`${route.path}: ${JSON.stringify(parsed.errors)}`)
      return {name: route.name, parsed}
    })
    .toSorted(compareRoutes)

const matchDomain = (domain: Domain, host: string, compile: CompilePattern): Values | undefined => {
  if (domain.kind === 'any') return {}
  if (domain.kind === 'exact') return host === domain.host ? {} : undefined
  if (domain.kind === 'under')
    return host.length > domain.suffix.length && host.endsWith(domain.suffix) && !host.startsWith('.') ? {} : undefined
  const compiled = compileTemplate(domain.pieces, '.', labelPattern, compile)
  return compiled.ok ? compiled.value(host) : undefined
}

/** The first route in order whose domain and path both match, with its variables. */
export const firstMatch = (
  routes: readonly Route[],
  host: string,
  path: string,
  compile: CompilePattern,
): {name: string; values: Values} | undefined => {
  for (const {name, parsed} of ordered(routes, compile)) {
    const inDomain = matchDomain(parsed.domain, host, compile)
    const compiled = compileTemplate(parsed.path, '/', segmentPattern, compile)
    const inPath = compiled.ok ? compiled.value(path) : undefined
    if (inDomain !== undefined && inPath !== undefined) return {name, values: {...inDomain, ...inPath}}
  }
  return undefined
}
