// The router's decision: which route a request matches, what its options make of it, and which service it names. Pure but for reading the current table and
// counting what is limited.
import {findRoute, type RouteTable} from '#shared/domain/route-table.ts'
import {resolveTarget} from '#shared/domain/route-target.ts'
import type {Decision, RequestHead, Role} from './destination.ts'
import {type Counting, decideEarly, handlingOf, saidBy} from './handling.ts'
import {readTarget} from './request-target.ts'

const shown = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text)

/** Decides one request against one table. */
export const routeRequest = (table: RouteTable, head: RequestHead, counting: Counting): Decision => {
  const read = readTarget(head.url, head.hosts)
  if (!read.ok) return {ok: false, code: 'invalid_request', detail: `Can not route this request: ${read.detail}.`}
  const {host, path, query} = read.target
  const match = findRoute(table, host, path)
  if (match === undefined) {
    const where = host === '' ? 'no host' : `host “${host}”`
    return {ok: false, code: 'no_route', detail: `No route matches ${where} and path “${shown(path)}”. \`gilliam routes\` lists them.`}
  }
  const {name: route, route: stored} = match.route
  const handling = stored.options === undefined ? undefined : handlingOf(stored.options, head)
  const inForce = {name: route, handling}
  const early = stored.options === undefined ? undefined : decideEarly(stored.options, head, read.target, inForce, counting)
  if (early !== undefined) return early
  const resolved = resolveTarget(match.route.parsed.target, match.values, query)
  if (!resolved.ok) {
    const detail = `Route “${route}” leads to “${stored.target}”, but ${resolved.message}.`
    return {ok: false, code: 'target_invalid', detail, ...saidBy(inForce)}
  }
  if (resolved.value.kind === 'redirect') {
    const {status, location} = resolved.value
    return {ok: true, destination: {kind: 'answer', status, headers: ['location', location], ...saidBy(inForce)}}
  }
  const {address, port, authority, path: to} = resolved.value
  return {ok: true, destination: {kind: 'service', address, port, path: to, authority, route, handling}}
}

const notLoaded: Decision = {
  ok: false,
  code: 'unavailable',
  detail: 'This router has no routing table yet: it has just started, and the control plane has not answered. Try again in a moment.',
}

/** The router role over a table that may be swapped at any time; undefined until the first one is there. */
export const createRouter = (table: () => RouteTable | undefined, counting: Counting): Role => ({
  name: 'router',
  decide: head => {
    const current = table()
    return current === undefined ? notLoaded : routeRequest(current, head, counting)
  },
  forwardsClient: true,
})
