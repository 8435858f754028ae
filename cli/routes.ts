// Brings the routes of a formation in line with its manifest: creates missing ones, removes those it owns that vanished.
import type {Client} from '#shared/client.ts'
import type {RouteText} from '#shared/domain/route.ts'
import {optionsText, type RouteOptions} from '#shared/domain/route-options.ts'
import {neutralise} from './safe.ts'

type Wanted = RouteText & {readonly options?: RouteOptions}

const keyOf = ({domain, path, target, options}: Wanted): string =>
  JSON.stringify([domain.toLowerCase(), path, target, optionsText(options)])
const sourceOf = ({domain, path}: RouteText): string => `${domain === '*' ? '' : domain}${path}`

/** Old routes go first, so that a changed target does not meet its former self. */
export const syncRoutes = async (
  client: Client,
  formation: string,
  wanted: readonly Wanted[],
  say: (line: string) => void,
): Promise<void> => {
  const {items} = await client.call('listRoutes')
  const own = items.filter(route => route.formation === formation)
  const wantedKeys = new Set(wanted.map(keyOf))
  const haveKeys = new Set(items.map(keyOf))
  for (const route of own.filter(route => !wantedKeys.has(keyOf(route)))) {
    await client.call('deleteRoute', {params: {route: route.name}})
    say(`Removed route ${neutralise(sourceOf(route))} → ${neutralise(route.target)}.`)
  }
  for (const route of wanted.filter(route => !haveKeys.has(keyOf(route)))) {
    await client.call('createRoute', {body: {...route, formation}})
    say(`Created route ${sourceOf(route)} → ${route.target}.`)
  }
}
