// Brings the routes of a formation in line with its manifest: creates missing ones, removes those it owns that vanished.
import type {Client} from '#shared/client.ts'
import type {RouteText} from '#shared/domain/route.ts'
import {optionsText, type RouteOptions} from '#shared/domain/route-options.ts'
import {neutralise} from './safe.ts'

type Wanted = RouteText & {readonly options?: RouteOptions}

const keyOf = ({domain, path}: RouteText): string => JSON.stringify([domain.toLowerCase(), path])
const isAlike = (a: Wanted, b: Wanted): boolean => a.target === b.target && optionsText(a.options) === optionsText(b.options)
const sourceOf = ({domain, path}: RouteText): string => `${domain === '*' ? '' : domain}${path}`

/**
 * Routes that vanished go first, so that new ones do not meet them. One that leads elsewhere now, or has other options, is changed in one step: no request
 * finds it missing.
 */
export const syncRoutes = async (
  client: Client,
  formation: string,
  wanted: readonly Wanted[],
  say: (line: string) => void,
): Promise<void> => {
  const {items} = await client.call('listRoutes')
  const own = new Map(items.filter(route => route.formation === formation).map(route => [keyOf(route), route]))
  const wantedKeys = new Set(wanted.map(keyOf))
  for (const [key, route] of own) {
    if (wantedKeys.has(key)) continue
    await client.call('deleteRoute', {params: {route: route.name}})
    say(`Removed route ${neutralise(sourceOf(route))} → ${neutralise(route.target)}.`)
  }
  for (const route of wanted) {
    const there = own.get(keyOf(route))
    const {target, options} = route
    if (there === undefined) {
      if (items.some(item => keyOf(item) === keyOf(route) && isAlike(item, route))) continue
      await client.call('createRoute', {body: {...route, formation}})
      say(`Created route ${sourceOf(route)} → ${target}.`)
    } else if (!isAlike(there, route)) {
      await client.call('changeRoute', {params: {route: there.name}, body: {target, ...(options === undefined ? {} : {options})}})
      say(`Changed route ${sourceOf(route)} → ${target}.`)
    }
  }
}
