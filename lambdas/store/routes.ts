// Routes: names and patterns are both unique, and the whole table has one version.
import type {Route} from '#shared/domain/registry.ts'
import type {HeaderChange} from '#shared/domain/route-options.ts'
import {exists, notExists, routesFit} from './conditions.ts'
import {domainOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {type Deed, get, query, type Table, transact, type Write} from './table.ts'
import type {RouteStore} from './types.ts'

/** A stored route; `pattern` finds the item that reserves it. */
type StoredRoute = Route & {readonly pattern: string}

const routeOf = ({pattern: _, ...route}: StoredRoute): Route => route

const bytesOf = (route: Route): number => Buffer.byteLength(JSON.stringify(route))

/** Moves the table's version, with so many more routes and bytes in it. */
const tableMoves = (routes: number, routeBytes: number): Write => ({
  update: keys.routing(),
  change: {set: {type: 'routing'}, add: {version: 1, routes, routeBytes}},
  // Whoever takes something away is never refused.
  ...((routes > 0 || routeBytes > 0) && {when: routesFit(routes, routeBytes)}),
})

const list = async (table: Table): Promise<Route[]> =>
  (await query(table, keys.routing().pk, {prefix: 'ROUTE#'})).map(item => routeOf(domainOf<StoredRoute>(item)))

const hideValues = (change: HeaderChange | undefined): HeaderChange | undefined =>
  change?.set === undefined ? change : {...change, set: Object.fromEntries(Object.keys(change.set).map(name => [name, '…']))}

/** Values of headers may be keys of somebody's API. */
const toldOf = ({domain, path, target, options}: Omit<Route, 'name'>) => {
  const {requestHeaders, responseHeaders, ...others} = options ?? {}
  const headers = {requestHeaders: hideValues(requestHeaders), responseHeaders: hideValues(responseHeaders)}
  return {domain, path, target, ...(options !== undefined && {options: {...others, ...headers}})}
}

const deedOf = (verb: 'create' | 'change' | 'delete', name: string, from: Route | undefined, to?: Route): Deed => ({
  action: `route.${verb}`,
  what: `route ${name}`,
  ...((to ?? from)?.formation !== undefined && {formation: (to ?? from)?.formation as string}),
  ...(from !== undefined && {from: toldOf(from)}),
  ...(to !== undefined && {to: toldOf(to)}),
})

const create =
  (table: Table): RouteStore['create'] =>
  async (route, pattern) => {
    const reserved = keys.routePattern(pattern)
    const refused = await transact(
      table,
      [
        {put: typed('route', keys.route(route.name), {...route, pattern}), when: notExists},
        {put: typed('routing', reserved, {route: route.name}), when: notExists},
        tableMoves(1, bytesOf(route)),
      ],
      deedOf('create', route.name, undefined, route),
    )
    if (refused === undefined) return {outcome: 'ok', route}
    if (refused.includes(0)) return {outcome: 'exists'}
    if (refused.includes(2)) return {outcome: 'full'}
    const holder = await get(table, reserved)
    return holder === undefined ? {outcome: 'conflict'} : {outcome: 'overlap', by: holder.route as string}
  }

const remove =
  (table: Table): RouteStore['delete'] =>
  async name => {
    const item = await get(table, keys.route(name))
    if (item === undefined) return {outcome: 'missing'}
    const stored = domainOf<StoredRoute>(item)
    const {pattern} = stored
    const refused = await transact(
      table,
      [
        {delete: keys.route(name), when: {...exists, text: `${exists.text} AND pattern = :pattern`, values: {':pattern': pattern}}},
        {delete: keys.routePattern(pattern)},
        tableMoves(-1, -bytesOf(routeOf(stored))),
      ],
      deedOf('delete', name, routeOf(stored)),
    )
    return {outcome: refused === undefined ? 'ok' : 'conflict'}
  }

/** Readers of the table see the old or the new one, and never none. */
const change =
  (table: Table): RouteStore['change'] =>
  async (name, {target, options}) => {
    const moves = {set: {target, ...(options !== undefined && {options})}, ...(options === undefined && {remove: ['options']})}
    const before = await find(table, name)
    if (before === undefined) return {outcome: 'missing'}
    const {options: _, ...rest} = before
    const after = {...rest, target, ...(options !== undefined && {options})}
    const moved = tableMoves(0, bytesOf(after) - bytesOf(before))
    const refused = await transact(
      table,
      [{update: keys.route(name), change: moves, when: exists}, moved],
      deedOf('change', name, before, after),
    )
    if (refused?.includes(1)) return {outcome: 'full'}
    const route = refused === undefined ? await find(table, name) : undefined
    return route === undefined ? {outcome: 'missing'} : {outcome: 'ok', route}
  }

const find = async (table: Table, name: string): Promise<Route | undefined> => {
  const item = await get(table, keys.route(name))
  return item === undefined ? undefined : routeOf(domainOf<StoredRoute>(item))
}

export const createRouteStore = (table: Table): RouteStore => ({
  create: create(table),
  change: change(table),
  delete: remove(table),
  list: () => list(table),
  get: name => find(table, name),

  holding: async pattern => {
    const holder = await get(table, keys.routePattern(pattern))
    return holder === undefined ? undefined : find(table, holder.route as string)
  },

  table: async heldVersion => {
    // The version first: the routes read are at least as new.
    const version = ((await get(table, keys.routing()))?.version as number | undefined) ?? 0
    return version === heldVersion ? undefined : {version, routes: await list(table)}
  },
})
