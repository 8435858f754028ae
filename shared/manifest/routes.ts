// The routes of a manifest: reads `domain/path: target`, written as one text or as a map with one entry, and checks each template and duplicates.
import {parseRoute, type RouteText, splitRoute} from '#shared/domain/route.ts'
import type {RouteOptions} from '#shared/domain/route-options.ts'
import {compilePattern} from '#shared/patterns.ts'
import {type Read, type Reading, readFields} from './reading.ts'
import {routeOptionKeys, routeOptionsOf} from './route-options.ts'
import type {MapValue, Place, Value} from './source.ts'

const form =
  "`domain/path: target`, for example 'crm.example.com/user/{username}: users.crm.service/{username}', or with a map of `target` and options after the colon"

/** One route of a manifest: its templates and options. */
export type ManifestRoute = RouteText & {readonly options?: RouteOptions}

interface Sides {
  readonly from: string
  readonly to: string
  readonly options?: MapValue
}

/** The target of a map and what stands beside it. */
const withOptions = (from: string, value: MapValue): Sides | undefined => {
  const target = value.entries.get('target')?.value
  if (target?.kind !== 'scalar' || typeof target.value !== 'string') return undefined
  const entries = new Map([...value.entries].filter(([key]) => key !== 'target'))
  return {from, to: target.value, options: {...value, entries}}
}

/** The two sides of an item. In a text, the last “: ” parts them: a target has none. */
const sides = (item: Value): Sides | undefined => {
  if (item.kind === 'scalar' && typeof item.value === 'string') {
    const at = item.value.lastIndexOf(': ')
    return at < 0 ? undefined : {from: item.value.slice(0, at).trim(), to: item.value.slice(at + 2).trim()}
  }
  if (item.kind !== 'map' || item.entries.size !== 1) return undefined
  const [from, value] = [...item.entries].map(([key, entry]) => [key, entry.value] as const)[0] ?? []
  if (from === undefined || value === undefined) return undefined
  if (value.kind === 'map') return withOptions(from, value)
  return value.kind === 'scalar' && typeof value.value === 'string' ? {from, to: value.value} : undefined
}

const readOptions = (value: MapValue, reading: Reading, what: string): RouteOptions | undefined => {
  const written = readFields(value, routeOptionKeys, reading, what)
  return written === undefined ? undefined : routeOptionsOf(written, value.at, reading, what)
}

const readRoute = (item: Value, seen: Map<string, Place>, reading: Reading): ManifestRoute | undefined => {
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
  const options = split.options === undefined ? undefined : readOptions(split.options, reading, `route “${split.from}”`)
  return options === undefined ? route : {...route, options}
}

export const readRoutes: Read<readonly ManifestRoute[]> = (value, reading) => {
  if (value.kind !== 'list') {
    reading.problem(value.at, `routes must be a list of ${form}`)
    return undefined
  }
  const seen = new Map<string, Place>()
  return value.items.map(item => readRoute(item, seen, reading)).filter(route => route !== undefined)
}
