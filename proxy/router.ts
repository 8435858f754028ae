// The router's decision: which route a request matches and which service that names. Pure but for reading the current table.
import {serviceHost} from '#shared/domain/names.ts'
import {findRoute, type RouteTable} from '#shared/domain/route-table.ts'
import {resolveTarget} from '#shared/domain/route-target.ts'
import type {Decision, RequestHead, Role} from './destination.ts'
import {readTarget} from './request-target.ts'

const shown = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text)

/** Decides one request against one table. */
export const routeRequest = (table: RouteTable, head: RequestHead): Decision => {
  const read = readTarget(head.url, head.hosts)
  if (!read.ok) return {ok: false, code: 'invalid_request', detail: `Can not route this request: ${read.detail}.`}
  const {host, path, query} = read.target
  const match = findRoute(table, host, path)
  if (match === undefined) {
    const where = host === '' ? 'no host' : `host “${host}”`
    return {ok: false, code: 'no_route', detail: `No route matches ${where} and path “${shown(path)}”. \`gilliam routes\` lists them.`}
  }
  const route = match.route.name
  const resolved = resolveTarget(match.route.parsed.target, match.values, query)
  if (!resolved.ok) {
    const target = match.route.route.target
    return {ok: false, code: 'target_invalid', route, detail: `Route “${route}” leads to “${target}”, but ${resolved.message}.`}
  }
  const {address, port, path: targetPath} = resolved.value
  const authority = `${serviceHost(address)}${port === undefined || port === 80 ? '' : `:${port}`}`
  return {ok: true, destination: {kind: 'service', address, ...(port === undefined ? {} : {port}), path: targetPath, authority, route}}
}

const notLoaded: Decision = {
  ok: false,
  code: 'unavailable',
  detail: 'This router has no routing table yet: it has just started, and the control plane has not answered. Try again in a moment.',
}

/** The router role over a table that may be swapped at any time; undefined until the first one is there. */
export const createRouter = (table: () => RouteTable | undefined): Role => ({
  name: 'router',
  decide: head => {
    const current = table()
    return current === undefined ? notLoaded : routeRequest(current, head)
  },
  forwardsClient: true,
})
