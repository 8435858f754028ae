// Cross-origin requests (the Fetch standard, §3.2 “CORS protocol”): what a preflight is answered, and what an answer carries. Pure.
import type {HeaderEdit} from './header-edit.ts'
import type {Cors} from './route-options.ts'

const methodsDefault = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
/** Header names as browsers send them; anything else is not repeated to them. */
const tokenList = /^[A-Za-z0-9!#$%&'*+.^_`|~, \t-]{1,4096}$/

/** The instance's own words on the matter give way to the route's. */
const owned = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-expose-headers',
  'access-control-max-age',
]

type Header = (name: string) => string | undefined

/** What says that `origin` may read the answer; `Vary` always, since caches must not give one origin's answer to another. */
const allowing = ({origins, credentials = false}: Cors, origin: string): string[] => {
  const any = origins.includes('*')
  const vary = any ? [] : ['vary', 'Origin']
  if (!any && !origins.includes(origin)) return vary
  const allowed = ['access-control-allow-origin', any ? '*' : origin, ...vary]
  return credentials ? [...allowed, 'access-control-allow-credentials', 'true'] : allowed
}

/** The headers of the answer to a preflight; undefined when the request is none. Origins that are not allowed get an answer that allows nothing. */
export const preflight = (cors: Cors, method: string, header: Header): readonly string[] | undefined => {
  const origin = header('origin')
  if (method !== 'OPTIONS' || origin === undefined || header('access-control-request-method') === undefined) return undefined
  const headers = allowing(cors, origin)
  if (!headers.includes('access-control-allow-origin')) return headers
  const asked = header('access-control-request-headers')
  const allowed = cors.headers?.join(', ') ?? (asked !== undefined && tokenList.test(asked) ? asked : undefined)
  headers.push('access-control-allow-methods', (cors.methods ?? methodsDefault).join(', '))
  if (allowed !== undefined && allowed !== '') headers.push('access-control-allow-headers', allowed)
  if (cors.maxAgeMs !== undefined) headers.push('access-control-max-age', String(Math.floor(cors.maxAgeMs / 1_000)))
  return headers
}

/** What becomes of the headers of an ordinary answer. */
export const corsEdit = (cors: Cors, header: Header): HeaderEdit => {
  const origin = header('origin')
  const put = origin === undefined ? (cors.origins.includes('*') ? [] : ['vary', 'Origin']) : allowing(cors, origin)
  if (cors.expose !== undefined && put.includes('access-control-allow-origin'))
    put.push('access-control-expose-headers', cors.expose.join(', '))
  return {drop: new Set(owned), put}
}
