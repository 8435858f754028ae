// Headers on their way through: what is for one connection only is taken off, what tells of the way is put on. Pure, on flat name-value lists.
import {cookieOf} from '#shared/domain/cookies.ts'
import type {RequestFields} from '#shared/domain/traffic.ts'

/** Meant for one connection (RFC 9110 §7.6.1), or for this proxy (§11.7). Whatever `Connection` names is dropped too. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Names and values in turn, as node:http's `rawHeaders`. */
export type FlatHeaders = readonly string[]

/** All values of a header, in order. */
export const valuesOf = (headers: FlatHeaders, name: string): readonly string[] => {
  const values: string[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) if (headers[i]?.toLowerCase() === name) values.push(headers[i + 1] as string)
  return values
}

/** A request's headers and cookies by name, as traffic choices ask for them. Of several values the first counts. */
export const fieldsOf = (headers: FlatHeaders): RequestFields => ({
  header: name => valuesOf(headers, name)[0],
  cookie: name => cookieOf(valuesOf(headers, 'cookie'), name),
})

/** Every header but hop-by-hop ones and those in `dropped` (lower case). */
export const endToEnd = (headers: FlatHeaders, dropped: ReadonlySet<string> = new Set()): string[] => {
  const named = new Set(
    valuesOf(headers, 'connection')
      .flatMap(value => value.toLowerCase().split(','))
      .map(name => name.trim()),
  )
  const kept: string[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string
    const lower = name.toLowerCase()
    if (!hopByHop.has(lower) && !named.has(lower) && !dropped.has(lower)) kept.push(name, headers[i + 1] as string)
  }
  return kept
}

/** What a request passed on carries about its way. */
export interface Way {
  /** Host header for the instance. */
  readonly authority: string
  readonly requestId: string
  /** Our name in Via: unique to this process, so that seeing it again means a loop. */
  readonly pseudonym: string
  readonly httpVersion: string
  /** Set when X-Forwarded-* are to be added. */
  readonly client?: {readonly address: string; readonly host: string; readonly proto: string}
}

const rewritten: ReadonlySet<string> = new Set(['host', 'via', 'expect', 'x-request-id'])
const rewrittenWithClient: ReadonlySet<string> = new Set([...rewritten, 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'])

/** The headers of a forwarded request. X-Forwarded-For and Via grow; X-Forwarded-Host and -Proto are ours. */
export const requestHeaders = (headers: FlatHeaders, way: Way): string[] => {
  const {client} = way
  const kept = endToEnd(headers, client === undefined ? rewritten : rewrittenWithClient)
  const via = [...valuesOf(headers, 'via'), `${way.httpVersion} ${way.pseudonym}`].join(', ')
  kept.push('host', way.authority, 'via', via, 'x-request-id', way.requestId)
  if (client !== undefined) {
    const way4 = [...valuesOf(headers, 'x-forwarded-for'), client.address].join(', ')
    kept.push('x-forwarded-for', way4, 'x-forwarded-host', client.host, 'x-forwarded-proto', client.proto)
  }
  return kept
}

/** Whether a request has come through this process before (RFC 9110 §7.6.3). */
export const isLoop = (headers: FlatHeaders, pseudonym: string): boolean =>
  valuesOf(headers, 'via').some(value => value.split(',').some(hop => hop.trim().split(/\s+/)[1] === pseudonym))

/** A request id that may travel on: what the client sent, if it is short and plain. */
export const acceptableRequestId = (value: string | undefined): string | undefined =>
  value !== undefined && /^[A-Za-z0-9._:/+=@-]{1,128}$/.test(value) ? value : undefined
