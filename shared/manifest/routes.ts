// The routes of a manifest: reads `domain/path: target`, written as one text or as a map with one entry, and checks each template and duplicates.
import {parseRoute, type RouteText, splitRoute} from '#shared/domain/route.ts'
import {compilePattern} from '#shared/patterns.ts'
import type {Read, Reading} from './reading.ts'
import type {Place, Value} from './source.ts'

const form = "`domain/path: target`, for example 'crm.example.com/user/{username}: users.crm.service/{username}'"

/** The two sides of an item. In a text, the last “: ” parts them: a target has none. */
const sides = (item: Value): {from: string; to: string} | undefined => {
  if (item.kind === 'scalar' && typeof item.value === 'string') {
    const at = item.value.lastIndexOf(': ')
    return at < 0 ? undefined : {from: item.value.slice(0, at).trim(), to: item.value.slice(at + 2).trim()}
  }
  if (item.kind !== 'map' || item.entries.size !== 1) return undefined
  const [from, value] = [...item.entries].map(([key, entry]) => [key, entry.value] as const)[0] ?? []
  if (from === undefined || value === undefined) return undefined
  return value.kind === 'scalar' && typeof value.value === 'string' ? {from, to: value.value} : undefined
}

const readRoute = (item: Value, seen: Map<string, Place>, reading: Reading): RouteText | undefined => {
  const split = sides(item)
  if (split === undefined || split.from === '' || split.to === '') {
    reading.problem(item.at, `routes: each must be ${form}`)
    return undefined
  }
  const route = {...splitRoute(split.from), target: split.to}
  const parsed = parseRoute(route, compilePattern)
  if (!parsed.ok) {
    for (const error of parsed.errors) reading.problem(item.at, `route “${split.from}”: ${error.path}: ${error.message}`)
    return undefined
  }
  const before = seen.get(parsed.pattern)
  if (before !== undefined)
    reading.problem(item.at, `route “${split.from}” matches the same requests as the one in line ${before.line}; keep one`)
  seen.set(parsed.pattern, item.at)
  return route
}

export const readRoutes: Read<readonly RouteText[]> = (value, reading) => {
  if (value.kind !== 'list') {
    reading.problem(value.at, `routes must be a list of ${form}`)
    return undefined
  }
  const seen = new Map<string, Place>()
  return value.items.map(item => readRoute(item, seen, reading)).filter(route => route !== undefined)
}
