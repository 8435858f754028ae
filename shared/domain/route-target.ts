// Where a route leads: to a service, or to another URL. How targets are read, and how a request's variables are filled in. Pure.
import {isName, parseServiceAddress, type ServiceAddress, serviceAuthority} from './names.ts'
import {asQueryValue, hasDotSegment, normaliseLiteral} from './request-path.ts'
import {type Outcome, type Piece, parseTemplate, shapeOf, type Values, variablesOf} from './template.ts'

/** Path of a target; `query` without its `?`. */
interface TargetPath {
  readonly path: readonly Piece[]
  readonly query?: readonly Piece[]
}
/** A service, and what its Host header says. */
interface NamedService {
  readonly address: ServiceAddress
  readonly authority: string
}
export interface ServiceTarget extends TargetPath {
  readonly kind: 'service'
  readonly host: readonly Piece[]
  readonly port?: number
  /** The service that a host without variables names, found once. */
  readonly named?: NamedService
}
export interface RedirectTarget extends TargetPath {
  readonly kind: 'redirect'
  readonly status: number
  /** `https://`; absent when the request's own scheme and host stay. */
  readonly scheme?: string
  /** Host with its port; empty when the request's own stays. */
  readonly host: readonly Piece[]
}
export type Target = ServiceTarget | RedirectTarget

const refuse = (message: string) => ({ok: false, message}) as const
const found = <T>(value: T) => ({ok: true, value}) as const

/** Reads the template of a path; literal text becomes as requests carry it. */
export const parsePath = (text: string, barePattern: string): Outcome<readonly Piece[]> => {
  if (!text.startsWith('/')) return refuse('a path starts with “/”')
  const parsed = parseTemplate(text, barePattern)
  if (!parsed.ok) return parsed
  const pieces: Piece[] = []
  for (const piece of parsed.value) {
    const literal = typeof piece === 'string' ? normaliseLiteral(piece) : piece
    if (literal === undefined) return refuse(`“${piece}” can not be part of a path: no spaces, “?”, “#”, “\\” or stray “%”`)
    pieces.push(literal)
  }
  return hasDotSegment(shapeOf(pieces)) ? refuse('a path may not hold “.” or “..” segments') : found(pieces)
}

const hostForm = 'of the form [http://][INSTANCE.]SERVICE.FORMATION.service[:PORT][/PATH]'

/** Checks what a target's host becomes with a valid name in every hole: that it is an address ending in `.service`. */
const parseServiceHost = (text: string): Outcome<Pick<ServiceTarget, 'host' | 'port' | 'named'>> => {
  const port = /:([0-9]{1,5})$/.exec(text)
  const parsed = parseTemplate(port === null ? text : text.slice(0, port.index))
  if (!parsed.ok) return parsed
  const host = parsed.value
  const example = host.map(piece => (typeof piece === 'string' ? piece : 'x')).join('')
  const address = parseServiceAddress(example)
  if (address === undefined) return refuse(`“${text}” is not ${hostForm}`)
  const number = Number(port?.[1] ?? 1)
  if (number < 1 || number > 65_535) return refuse(`port ${number} is not in 1–65535`)
  const own = port === null ? {} : {port: number}
  if (!host.every(piece => typeof piece === 'string')) return found({host, ...own})
  return found({host, ...own, named: {address, authority: serviceAuthority(address, port === null ? undefined : number)}})
}

const parseQuery = (text: string): Outcome<readonly Piece[]> => {
  const parsed = parseTemplate(text)
  if (!parsed.ok) return parsed
  const bad = parsed.value.find(piece => typeof piece === 'string' && !/^[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*$/.test(piece))
  return bad === undefined ? parsed : refuse(`“${bad}” can not be part of a query; escape it with %`)
}

const parseTargetPath = (path: string, query: string | undefined): Outcome<TargetPath> => {
  const parsedPath = parsePath(path || '/', '')
  if (!parsedPath.ok) return parsedPath
  const parsedQuery = query === undefined ? undefined : parseQuery(query)
  if (parsedQuery?.ok === false) return parsedQuery
  return found(parsedQuery === undefined ? {path: parsedPath.value} : {path: parsedPath.value, query: parsedQuery.value})
}

const redirectForm = 'a redirect is 301, 302, 303, 307 or 308 and a URL or path, for example “308 https://www.example.com/{rest}”'

const parseRedirect = (status: number, text: string): Outcome<RedirectTarget> => {
  const [all, scheme, authority = '', path = '', query] = /^(?:(https?:\/\/)([^/?#]+))?([^?#]*)(?:\?([^#]*))?$/.exec(text) ?? []
  if (all === undefined || text === '' || (scheme === undefined && !text.startsWith('/')) || path.startsWith('//'))
    return refuse(redirectForm)
  const host = parseTemplate(authority)
  if (!host.ok) return host
  const example = host.value.map(piece => (typeof piece === 'string' ? piece : 'x')).join('')
  if (scheme !== undefined && !/^(?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]+(?::[0-9]{1,5})?$/.test(example))
    return refuse(`“${authority}” is not a host with an optional port`)
  const rest = parseTargetPath(path, query)
  if (!rest.ok) return rest
  return found({kind: 'redirect', status, host: host.value, ...rest.value, ...(scheme === undefined ? {} : {scheme})})
}

const parseService = (text: string): Outcome<ServiceTarget> => {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text) && !text.startsWith('http://'))
    return refuse(`only http:// services can be routed to; a target is ${hostForm}`)
  const [, authority = '', path = '', query] = /^(?:http:\/\/)?([^/?]*)([^?]*)(?:\?(.*))?$/s.exec(text) ?? []
  const address = parseServiceHost(authority)
  if (!address.ok) return address
  const rest = parseTargetPath(path, query)
  return rest.ok ? found({kind: 'service', ...address.value, ...rest.value}) : rest
}

/** Reads a target: `users.crm.service/{name}`, or a redirect: `308 https://www.example.com/{rest}`, `302 /login`. */
export const parseTarget = (text: string): Outcome<Target> => {
  const [, status, to = ''] = /^([0-9]{3}) +(.*)$/.exec(text) ?? []
  if (status !== undefined && !/^30[12378]$/.test(status)) return refuse(redirectForm)
  const target = status === undefined ? parseService(text) : parseRedirect(Number(status), to)
  if (!target.ok) return target
  const patterned = variablesIn(target.value).find(({pattern}) => pattern !== undefined)
  if (patterned !== undefined) return refuse(`{${patterned.name}} has a pattern; patterns belong in the domain and the path`)
  return target
}

/** The variables a target uses. */
export const variablesIn = ({host, path, query = []}: Target) => variablesOf([...host, ...path, ...query])

/** The formation a target names literally. */
export const formationNamed = (target: Target): string | undefined => {
  const last = target.kind === 'service' ? target.host.at(-1) : undefined
  const labels = typeof last === 'string' ? last.toLowerCase().split('.') : []
  const formation = labels.length >= 3 ? labels.at(-2) : undefined
  return formation !== undefined && isName(formation) ? formation : undefined
}

/** Where a matched request goes. `path` starts with `/` and carries the query. */
export type ResolvedTarget =
  | {
      readonly kind: 'service'
      readonly address: ServiceAddress
      readonly port: number | undefined
      readonly authority: string
      readonly path: string
    }
  | {readonly kind: 'redirect'; readonly status: number; readonly location: string}

const render = (pieces: readonly Piece[], values: Values, encode: (value: string) => string): string =>
  pieces.reduce<string>((text, piece) => text + (typeof piece === 'string' ? piece : encode(values[piece.name] ?? '')), '')

const hostValue = /^[A-Za-z0-9_-]+$/

const renderHost = ({host}: Target, values: Values): Outcome<string> => {
  for (const piece of host) {
    if (typeof piece === 'string' || hostValue.test(values[piece.name] ?? '')) continue
    return refuse(`{${piece.name}} is “${values[piece.name]}”, which can not be part of a host`)
  }
  return found(render(host, values, value => value))
}

const renderPath = (target: Target, values: Values, query: string | undefined): Outcome<string> => {
  const path = render(target.path, values, value => value)
  if (hasDotSegment(path)) return refuse('the variables make a “.” or “..” segment in the target’s path')
  const own = target.query === undefined ? '' : render(target.query, values, asQueryValue)
  if (query === undefined || query === '') return found(own === '' ? path : `${path}?${own}`)
  return found(own === '' ? `${path}?${query}` : `${path}?${own}&${query}`)
}

/**
 * Fills a match's variables into its target. Values are untrusted: in the host they must make valid names; in the path they stay percent-encoded and may
 * not make `.` or `..` segments, nor, in a redirect without a host, a second slash at the start, which would name a host; in the query their separators
 * are escaped. `query` is the request's, without `?`, and comes after the target's own.
 */
export const resolveTarget = (target: Target, values: Values, query: string | undefined): Outcome<ResolvedTarget> => {
  if (target.kind === 'service' && target.named !== undefined) {
    const path = renderPath(target, values, query)
    if (!path.ok) return path
    const {address, authority} = target.named
    return found({kind: 'service', address, port: target.port, authority, path: path.value})
  }
  const host = renderHost(target, values)
  if (!host.ok) return host
  const path = renderPath(target, values, query)
  if (!path.ok) return path
  if (target.kind === 'redirect') {
    const {status, scheme} = target
    const location = scheme === undefined ? path.value.replace(/^\/{2,}/, '/') : `${scheme}${host.value}${path.value}`
    return found({kind: 'redirect', status, location})
  }
  const address = parseServiceAddress(host.value)
  if (address === undefined) return refuse(`“${host.value}” is not a service address`)
  const {port} = target
  return found({kind: 'service', address, port, authority: serviceAuthority(address, port), path: path.value})
}
