// Which route comes first when several match: the order of precedence as a text, so that sorting many routes costs little. Pure.
import {type Domain, domainShape, type RouteError, type RouteParts, type RouteText, readRoute} from './route.ts'
import {isCatchAll, type Piece} from './template.ts'

/** Comes after every kind of segment, so that when one list of segments begins another, the longer comes first. */
const end = '\uffff'

/** Two characters: the kind of a segment, and how much text it has; more text first. */
const rank = (kind: number, text = 0): string => String.fromCharCode(kind, 0xfffe - text)

const [textRank, patternRank, variableRank] = [rank(0), rank(2), rank(3)]

/** What kind of segment comes first: text (0), text with variables (1), a pattern (2), a bare variable (3), a catch-all (4). */
const segmentRank = (text: number, variables: number, patterns: number, catchAll: boolean): string => {
  if (variables === 0) return textRank
  if (catchAll) return rank(4, text)
  if (text > 0) return rank(1, text)
  return patterns > 0 ? patternRank : variableRank
}

/** The ranks of all segments, from left to right, in one pass over the pieces. */
const ranksOf = (pieces: readonly Piece[], separator: '/' | '.'): string[] => {
  const ranks: string[] = []
  let [text, variables, patterns, catchAll] = [0, 0, 0, false]
  for (const piece of pieces) {
    if (typeof piece !== 'string') {
      variables += 1
      if (piece.pattern !== undefined) patterns += 1
      catchAll ||= isCatchAll(piece)
      continue
    }
    let from = 0
    for (let at = piece.indexOf(separator); at >= 0; at = piece.indexOf(separator, from)) {
      ranks.push(segmentRank(text + at - from, variables, patterns, catchAll))
      text = 0
      variables = 0
      patterns = 0
      catchAll = false
      from = at + 1
    }
    text += piece.length - from
  }
  ranks.push(segmentRank(text, variables, patterns, catchAll))
  return ranks
}

const domainKinds = {exact: '0', template: '1', under: '1', any: '2'} as const

/** Wildcards and variables are compared from the right; a wildcard ends its list. */
const domainRanks = (domain: Domain): string => {
  if (domain.kind === 'template') return ranksOf(domain.pieces, '.').reverse().join('')
  return domain.kind === 'under' ? `${textRank.repeat(domain.suffix.split('.').length - 1)}${rank(5)}` : ''
}

/** The order of a domain: exact ones, then wildcards and variables (longer and more literal first, seen from the right), then any. */
export const domainOrder = (domain: Domain): string => `${domainKinds[domain.kind]}${domainRanks(domain)}${end}${domainShape(domain)}`

/**
 * The order of a path within its domain: segment by segment text, text with variables, patterns, bare variables, catch-alls; longer before shorter; then
 * by name.
 */
export const pathOrder = (path: readonly Piece[], name: string): string => `${ranksOf(path, '/').join('')}${end}${name}`

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

type Ordered = {readonly name: string; readonly parsed: Pick<RouteParts, 'domain' | 'path'>}

/** Routes by domain, in the order in which they are tried: the first whose domain and path both match wins. */
export const inOrder = <R extends Ordered>(routes: readonly R[]): readonly (readonly R[])[] => {
  const keys = new Map<Domain, string>()
  const groups = new Map<string, {readonly key: string; readonly route: R}[]>()
  for (const route of routes) {
    const {domain, path} = route.parsed
    const domainKey = keys.get(domain) ?? domainOrder(domain)
    keys.set(domain, domainKey)
    const entry = {key: pathOrder(path, route.name), route}
    const group = groups.get(domainKey)
    if (group === undefined) groups.set(domainKey, [entry])
    else group.push(entry)
  }
  return [...groups]
    .sort(([a], [b]) => compareText(a, b))
    .map(([, group]) => group.sort((a, b) => compareText(a.key, b.key)).map(({route}) => route))
}

/** Routes in the order they are tried. A stored route that can not be read any more is left out and named in `unreadable`. */
export const orderRoutes = <R extends RouteText & {readonly name: string}>(
  routes: readonly R[],
): {ordered: readonly R[]; unreadable: readonly {route: R; errors: readonly RouteError[]}[]} => {
  const readable: {name: string; parsed: RouteParts; route: R}[] = []
  const unreadable: {route: R; errors: readonly RouteError[]}[] = []
  for (const route of routes) {
    const parsed = readRoute(route)
    if (parsed.ok) readable.push({name: route.name, parsed, route})
    else unreadable.push({route, errors: parsed.errors})
  }
  return {ordered: inOrder(readable).flatMap(group => group.map(({route}) => route)), unreadable}
}
