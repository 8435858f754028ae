// The proxy's decision: whether a URL or authority names a service, a host outside that policy allows, or nothing it serves. Pure.
import {parseServiceAddress, serviceAuthority} from '#shared/domain/names.ts'
import type {Decision, RequestHead, Role} from './destination.ts'
import {readAuthority, readTarget} from './request-target.ts'

/** Whether requests for ordinary hosts pass. */
export type OutsidePolicy = 'allow' | 'forbid'

const howTo = 'Send http://SERVICE.FORMATION.service/… through the proxy, or CONNECT HOST:PORT'

const decidePlace = (
  place: {host: string; port?: number},
  request: {path: string; authority: string; portDefault: number},
  outside: OutsidePolicy,
): Decision => {
  const {host, port} = place
  const {path, authority} = request
  const address = parseServiceAddress(host)
  if (address !== undefined) {
    return {ok: true, destination: {kind: 'service', address, port, path, authority: serviceAuthority(address, port)}}
  }
  if (host.endsWith('.service')) {
    const detail = `“${host}” is not a service address; they are SERVICE.FORMATION.service and INSTANCE.SERVICE.FORMATION.service.`
    return {ok: false, code: 'no_such_host', detail}
  }
  if (outside === 'forbid') {
    return {ok: false, code: 'host_forbidden', detail: `“${host}” is outside the platform, and this proxy only serves *.service addresses.`}
  }
  return {ok: true, destination: {kind: 'outside', host, port: port ?? request.portDefault, path, authority}}
}

/** Decides an absolute-form request. Origin-form ones are for a server, and this is a proxy. */
export const forwardRequest = (head: RequestHead, outside: OutsidePolicy): Decision => {
  const read = readTarget(head.url, head.hosts)
  if (!read.ok) return {ok: false, code: 'bad_proxy_request', detail: `Can not forward this request: ${read.detail}.`}
  const {target} = read
  if (target.form === 'origin') return {ok: false, code: 'bad_proxy_request', detail: `This is a forward proxy, not a server. ${howTo}.`}
  const path = target.query === undefined ? target.path : `${target.path}?${target.query}`
  return decidePlace(target, {path, authority: target.authority, portDefault: 80}, outside)
}

/**
 * Decides a request that comes through a CONNECT to `authority`, which names a service: that is where it goes. One that says that it is for another place
 * was sent into the wrong tunnel, or wants us to believe so.
 */
export const forwardWithin = (head: RequestHead, authority: string, outside: OutsidePolicy): Decision => {
  const read = readTarget(head.url, head.hosts)
  if (!read.ok) return {ok: false, code: 'bad_proxy_request', detail: `Can not forward this request: ${read.detail}.`}
  const {form, host, port, path: asked, query, authority: named} = read.target
  const place = readAuthority(authority)
  if (place === undefined) throw new Error('a tunnel without an authority')
  // A Host header often leaves out a port; in a URL none means 80 (RFC 9110 §4.2.1).
  const isSamePort = (port ?? (form === 'absolute' ? 80 : place.port)) === place.port
  if (host !== '' && (host !== place.host || !isSamePort)) {
    const detail = `This tunnel leads to “${authority}”, but the request in it is for “${named}”; open another one for that.`
    return {ok: false, code: 'bad_proxy_request', detail}
  }
  const path = query === undefined ? asked : `${asked}?${query}`
  return decidePlace(place, {path, authority, portDefault: 80}, outside)
}

/** Decides a CONNECT; its authority must carry a port (RFC 9110 §9.3.6). */
export const forwardConnect = (authority: string, outside: OutsidePolicy): Decision => {
  const place = readAuthority(authority)
  if (place?.port === undefined) {
    return {ok: false, code: 'bad_proxy_request', detail: `CONNECT needs HOST:PORT, not “${authority.slice(0, 260)}”.`}
  }
  return decidePlace(place, {path: '/', authority, portDefault: place.port}, outside)
}

/** The proxy role. */
export const createForwarder = (outside: OutsidePolicy): Role => ({
  name: 'proxy',
  decide: head => forwardRequest(head, outside),
  decideWithin: (head, authority) => forwardWithin(head, authority, outside),
  decideConnect: authority => forwardConnect(authority, outside),
  forwardsClient: false,
})
