// The options of a route as manifests and the command line write them, and how they become what the API takes. docs/routes.md is tested against the keys.
import {RouteOptions as Schema} from '#shared/api.ts'
import type {RouteOptions} from '#shared/domain/route-options.ts'
import type {RequestField} from '#shared/domain/traffic.ts'
import {
  collect,
  type FieldValues,
  flag,
  group,
  list,
  quantity,
  type Reading,
  readFields,
  record,
  text,
  textThat,
  variable,
  wholeNumber,
} from './reading.ts'
import {type Place, type Problem, readSource} from './source.ts'
import {parseBytes, parseDuration} from './units.ts'

const duration = quantity(parseDuration, 'a duration with its unit (`500ms`, `10s`, `5m`, `1h`)')

export const timeoutKeys = {
  connect: {about: 'to an open connection with an instance; 3 s by default', read: duration},
  first_byte: {about: 'from the request sent to the first byte of the answer; 60 s by default', read: duration},
  idle: {about: 'between two pieces of a body; 300 s by default', read: duration},
  total: {about: 'from the request’s head to the end of the answer, every try together; unlimited by default', read: duration},
} as const

export const headerKeys = {
  set: {about: 'name → value; replaces what is there', read: record(variable)},
  remove: {about: 'names', read: list(text)},
} as const

export const corsKeys = {
  origins: {about: 'who may read answers: `https://app.example.com`, or `*` alone', read: list(text)},
  methods: {about: 'methods they may use; GET, HEAD, POST, PUT, PATCH, DELETE by default', read: list(text)},
  headers: {about: 'request headers they may send; what they ask for by default', read: list(text)},
  expose: {about: 'headers of the answer that scripts may read', read: list(text)},
  credentials: {about: 'whether cookies go along; needs origins by name', read: flag},
  max_age: {about: 'how long browsers may remember', read: duration},
} as const

const isBy = (value: string): boolean => /^(?:route|client|(?:header|cookie):[^\s:]+)$/.test(value)

export const rateLimitKeys = {
  requests: {about: 'how many', read: wholeNumber},
  per: {about: 'in how long', read: duration},
  burst: {about: 'how many at once; as many as `requests` by default', read: wholeNumber},
  by: {
    about: '`route` (all together, the default), `client` (each address), `header:NAME` or `cookie:NAME` (each value)',
    read: textThat(isBy, '`route`, `client`, `header:NAME` or `cookie:NAME`'),
  },
} as const

export const routeOptionKeys = {
  timeouts: {about: 'how long things may take', read: group(timeoutKeys)},
  body_limit: {about: 'largest body of a request: `10M`, `512Ki`', read: quantity(parseBytes, 'a size (`64K`, `10M`, `1Gi`)')},
  canonical_host: {about: 'requests for other hosts are redirected to this one (308)', read: text},
  request_headers: {about: 'what instances get to see', read: group(headerKeys)},
  response_headers: {about: 'what clients get to see', read: group(headerKeys)},
  cors: {about: 'cross-origin requests: preflights are answered, answers marked', read: group(corsKeys)},
  rate_limit: {about: 'more than this is answered with `rate_limited`; counted by each router', read: group(rateLimitKeys)},
  sticky: {about: 'name of a cookie that keeps a client with one instance', read: text},
  hold: {about: 'how long a request waits while the service has no live instance; not at all by default', read: duration},
} as const

type Written = FieldValues<typeof routeOptionKeys>

/** Without what was left out. */
const present = <T extends object>(fields: T): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T

const byOf = (by: string | undefined): 'route' | 'client' | RequestField | undefined => {
  if (by === undefined || by === 'route' || by === 'client') return by
  const [kind, name = ''] = by.split(':')
  return kind === 'header' ? {header: name.toLowerCase()} : {cookie: name}
}

const convert = ({timeouts, cors, rate_limit: limit, ...written}: Written) =>
  present({
    timeouts:
      timeouts && present({connectMs: timeouts.connect, firstByteMs: timeouts.first_byte, idleMs: timeouts.idle, totalMs: timeouts.total}),
    bodyBytesMax: written.body_limit,
    canonicalHost: written.canonical_host?.toLowerCase(),
    requestHeaders: written.request_headers,
    responseHeaders: written.response_headers,
    cors: cors && present({...cors, max_age: undefined, maxAgeMs: cors.max_age}),
    rateLimit: limit && present({requests: limit.requests, perMs: limit.per, burst: limit.burst, by: byOf(limit.by)}),
    sticky: written.sticky,
    holdMs: written.hold,
  })

/** API field → key, where they differ. */
const keyOf: Readonly<Record<string, string>> = {
  connectMs: 'connect',
  firstByteMs: 'first_byte',
  idleMs: 'idle',
  totalMs: 'total',
  bodyBytesMax: 'body_limit',
  canonicalHost: 'canonical_host',
  requestHeaders: 'request_headers',
  responseHeaders: 'response_headers',
  maxAgeMs: 'max_age',
  rateLimit: 'rate_limit',
  perMs: 'per',
  holdMs: 'hold',
}

/** The options as the API takes them; undefined when they are not right, and then problems have been reported. */
export const routeOptionsOf = (written: Written, at: Place, reading: Reading, what: string): RouteOptions | undefined => {
  const checked = Schema.safeParse(convert(written))
  for (const {path, message} of checked.error?.issues ?? []) {
    const where = path.map(step => keyOf[String(step)] ?? String(step)).join('.')
    reading.problem(at, `${what}: ${where === '' ? '' : `${where}: `}${message}`)
  }
  return checked.data
}

/** Options as the command line gives them: YAML, one key or more in each text, as in a manifest. */
export const parseRouteOptions = (texts: readonly string[]): {readonly options?: RouteOptions; readonly problems: readonly string[]} => {
  const source = readSource(texts.join('\n'))
  if (!source.ok) return {problems: source.problems.map(({message}) => message)}
  const problems: Problem[] = []
  const reading = collect(problems)
  const written = readFields(source.root, routeOptionKeys, reading, 'route')
  const options = written === undefined || problems.length > 0 ? undefined : routeOptionsOf(written, source.root.at, reading, 'route')
  return {problems: problems.map(({message}) => message), ...(options === undefined ? {} : {options})}
}
