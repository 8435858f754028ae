// Paths and hosts as requests carry them, made comparable. Pure. Nothing is ever decoded that could change a path's structure.

const upperEscapes = (text: string): string =>
  text.replace(/%[0-9a-fA-F]{2}/g, triplet => {
    const char = String.fromCharCode(Number.parseInt(triplet.slice(1), 16))
    return /[A-Za-z0-9\-._~]/.test(char) ? char : triplet.toUpperCase()
  })

const percentByte = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/** Whether a path has a `.` or `..` segment (RFC 3986 §3.3). */
export const hasDotSegment = (path: string): boolean =>
  (path.startsWith('.') || path.includes('/.')) && path.split('/').some(segment => segment === '.' || segment === '..')

/** Resolves `.` and `..` segments (RFC 3986 §5.2.4); never climbs above the root. */
const removeDotSegments = (path: string): string => {
  if (!path.includes('/.')) return path
  const kept: string[] = []
  const segments = path.split('/').slice(1)
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1
    if (segment === '..') kept.pop()
    else if (segment !== '.') kept.push(segment)
    if (isLast && (segment === '.' || segment === '..')) kept.push('')
  }
  return `/${kept.join('/')}`
}

/** Most paths need nothing done to them. */
const plainPath = /^\/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*$/

const plainTarget = /^\/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*(?:\?[A-Za-z0-9\-._~!$&'()*+,;=:@/?%[\]|`^{}"<>\\]*)?$/

/** Whether path and query of a target are as {@link normalisePath} and {@link normaliseQuery} would make them. */
export const isPlainTarget = (target: string): boolean => plainTarget.test(target) && !target.includes('/.')

/**
 * The path of a request target, normalised as RFC 3986 §6.2.2 says: escapes of unreserved characters decoded, others in upper case, characters that
 * do not belong in a path escaped, dot segments resolved. `%2F` stays `%2F`. Undefined when a `%` is not followed by two hexadecimal digits, or the path
 * does not start with `/`. Takes bytes as latin-1 characters, as node:http gives them.
 */
export const normalisePath = (path: string): string | undefined => {
  if (plainPath.test(path) && !path.includes('/.')) return path
  if (!path.startsWith('/') || /%(?![0-9a-fA-F]{2})/.test(path)) return undefined
  return removeDotSegments(upperEscapes(path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]/g, percentByte)))
}

/** The same for literal text of a template, which may hold any Unicode text; undefined when it can not be a path. */
export const normaliseLiteral = (text: string): string | undefined => {
  if (/^[A-Za-z0-9\-._~!$&'()*+,;=:@/]*$/.test(text)) return text
  if (!text.isWellFormed() || /[\s?#\\]/.test(text) || /%(?![0-9a-fA-F]{2})/.test(text)) return undefined
  return upperEscapes(encodeURI(text).replaceAll('%25', '%'))
}

/** Whether a text is a host as most clients write it: small letters, digits, `-`, `_`, and dots between. */
const isPlainHost = (text: string): boolean => {
  if (text.length > 255) return false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const isPlain = (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code === 45 || code === 95 || code === 46
    if (!isPlain) return false
  }
  return text.charCodeAt(text.length - 1) !== 46
}

/**
 * The host of a `Host` header or authority, lower-cased, without port and final dot (RFC 9110 §7.2, RFC 4343); `''` for an absent one. Undefined when it
 * can not be a host.
 */
export const hostOf = (authority: string | undefined): string | undefined => {
  if (authority === undefined || authority === '') return ''
  if (isPlainHost(authority)) return authority
  const parts = /^(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::([0-9]{0,5}))?$/.exec(authority)
  return parts?.[1]?.toLowerCase().replace(/\.$/, '')
}

/** A query as sent, with what does not belong in one escaped (RFC 3986 §3.4); undefined for none. */
export const normaliseQuery = (query: string | undefined): string | undefined =>
  query?.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%[\]|`^{}"<>\\]/g, percentByte)

/** The inside of a query, safe to put one path value into: what separates parameters is escaped. */
export const asQueryValue = (value: string): string => value.replace(/[&=+;#?/]/g, percentByte)
