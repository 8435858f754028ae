// From a raw body to parsed JSON: size, depth, syntax and keys that could poison an object. Knows no schema.
import parser from '@middy/http-json-body-parser'
import type {APIGatewayProxyEventV2} from 'aws-lambda'
import {requestBodyBytesMax} from '#shared/api.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Step} from './exchange.ts'

/** Arrays and objects inside each other; nothing in the API needs more, and parsers recurse. */
export const jsonDepthMax = 64

/** How deep brackets nest outside strings; a linear scan, so that no parser has to recurse into a hostile body. */
export const jsonDepth = (text: string): number => {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (inString) {
      if (c === 92) i++
      else if (c === 34) inString = false
    } else if (c === 34) inString = true
    else if (c === 91 || c === 123) deepest = Math.max(deepest, ++depth)
    else if (c === 93 || c === 125) depth--
  }
  return deepest
}

/** The body as text; an empty one reads as `{}`, so that bodies made of defaults may be left out. */
export const bodyText = (http: Pick<APIGatewayProxyEventV2, 'body' | 'isBase64Encoded'>): string => {
  const raw = http.body ?? ''
  const text = http.isBase64Encoded ? Buffer.from(raw, 'base64').toString() : raw
  return text.trim() === '' ? '{}' : text
}

/** A `\uD800` without its other half is JSON, but no Unicode text: nothing can keep it. */
const halfCharacter = 'it holds half of a surrogate pair (U+D800–U+DFFF), which is no character'

/** Refuses own keys that code which looks at an object’s class would trip over (the parser itself refuses `__proto__`), and broken text. */
const forbidden = (key: string, value: unknown): unknown => {
  if (key === 'constructor') throw Object.assign(new Error('forbidden key', {cause: {data: key}}), {statusCode: 422})
  if (!key.isWellFormed() || (typeof value === 'string' && !value.isWellFormed())) throw new Error(halfCharacter)
  return value
}

const refusal = (error: unknown): GilliamError => {
  const cause = error instanceof Error && typeof error.cause === 'object' ? (error.cause as {data?: unknown; message?: unknown}) : {}
  if (cause.data !== '__proto__' && cause.data !== 'constructor')
    return new GilliamError('invalid_json', `The body is not JSON: ${String(cause.message ?? error).slice(0, 200)}`)
  return new GilliamError('invalid_request', `The key “${cause.data}” is not allowed.`, [{path: cause.data, message: 'not allowed'}])
}

const parse = (text: string): unknown => {
  const holder = {event: {body: text, headers: {}, isBase64Encoded: false}}
  // The content type is not asked for: curl sends a form’s by default, and nothing but JSON is ever accepted.
  const {before} = parser({disableContentTypeCheck: true, reviver: forbidden})
  try {
    before?.(holder as unknown as Parameters<NonNullable<typeof before>>[0])
  } catch (error) {
    throw refusal(error)
  }
  return holder.event.body
}

/** Sets `body` for endpoints that take one; throws too_large, invalid_json, or invalid_request for a forbidden key. */
export const parsing = (): Step => ({
  before: ({event}) => {
    if (event.endpoint.request === undefined) return
    const text = bodyText(event.http)
    const bytesMax = event.endpoint.bodyBytesMax ?? requestBodyBytesMax
    const bytes = Buffer.byteLength(text)
    if (bytes > bytesMax) throw new GilliamError('too_large', `The body has ${bytes} bytes; this endpoint takes at most ${bytesMax}.`)
    if (jsonDepth(text) > jsonDepthMax) throw new GilliamError('invalid_json', `The body nests deeper than ${jsonDepthMax} levels.`)
    event.body = parse(text)
  },
})
