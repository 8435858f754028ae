// What a request line and Host header say about where a request wants to go (RFC 9112 §3.2). Pure.
import {hostOf, isPlainTarget, normalisePath, normaliseQuery} from '#shared/domain/request-path.ts'

/** A request target taken apart; `host` is lower-case and without port, `''` when the request names none. */
export interface RequestTarget {
  readonly form: 'origin' | 'absolute'
  readonly host: string
  readonly port: number | undefined
  readonly path: string
  readonly query: string | undefined
  /** Host and port as the client wrote them. */
  readonly authority: string
}
export type ReadTarget = {readonly ok: true; readonly target: RequestTarget} | {readonly ok: false; readonly detail: string}

const refuse = (detail: string): ReadTarget => ({ok: false, detail})

/** Splits `host[:port]`; undefined when it is neither. */
export const readAuthority = (authority: string): {host: string; port?: number} | undefined => {
  const host = hostOf(authority)
  if (host === authority && host !== '') return {host}
  const port = /:([0-9]{1,5})$/.exec(authority.replace(/^\[[^\]]*\]/, ''))?.[1]
  if (host === undefined || host === '') return undefined
  if (port === undefined) return {host}
  const number = Number(port)
  return number >= 1 && number <= 65_535 ? {host, port: number} : undefined
}

const noPlace: {readonly host: string; readonly port?: number} = {host: ''}

const readPlace = (form: 'origin' | 'absolute', authority: string, path: string, query: string | undefined): ReadTarget => {
  const place = authority === '' ? noPlace : readAuthority(authority)
  if (place === undefined) return refuse(`“${authority.slice(0, 260)}” is not a host with an optional port`)
  return {ok: true, target: {form, host: place.host, port: place.port, path, query, authority}}
}

const readParts = (form: 'origin' | 'absolute', authority: string, rawPath: string, rawQuery: string | undefined): ReadTarget => {
  const path = normalisePath(rawPath === '' ? '/' : rawPath)
  if (path === undefined) return refuse('the path holds a “%” that is not followed by two hexadecimal digits')
  return readPlace(form, authority, path, normaliseQuery(rawQuery))
}

/** Path and query, without a fragment. */
const readOrigin = (url: string, authority: string): ReadTarget => {
  if (isPlainTarget(url)) {
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    return readPlace('origin', authority, path, mark < 0 ? undefined : url.slice(mark + 1))
  }
  const fragment = url.indexOf('#')
  const end = fragment < 0 ? url.length : fragment
  const mark = url.indexOf('?')
  if (mark < 0 || mark > end) return readParts('origin', authority, url.slice(0, end), undefined)
  return readParts('origin', authority, url.slice(0, mark), url.slice(mark + 1, end))
}

/**
 * Reads origin-form (`/path`) and absolute-form (`http://host/path`, whose host wins over the Host header, RFC 9112 §3.2.2). `hosts` are all values of
 * the Host header; more than one is refused, since two programs could choose differently.
 */
export const readTarget = (url: string, hosts: readonly string[]): ReadTarget => {
  if (hosts.length > 1) return refuse('the request has more than one Host header')
  if (url.startsWith('/')) return readOrigin(url, hosts[0] ?? '')
  const absolute = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?/.exec(url)
  if (absolute !== null) {
    const [, scheme = '', authority = '', path = '', query] = absolute
    if (scheme.toLowerCase() !== 'http') return refuse(`“${scheme}” can not be forwarded; send http://, or CONNECT for https`)
    if (authority === '') return refuse('the request’s URL has no host')
    // Ignored, but it must be one (RFC 9112 §3.2).
    const [host = ''] = hosts
    if (host !== '' && readAuthority(host) === undefined) return refuse('the Host header is not a host with an optional port')
    return readParts('absolute', authority, path, query)
  }
  return refuse('the request target is neither a path nor an http:// URL')
}
