// Path, query and body against the endpoint's schemas. Every field that does not fit is named; unknown ones are refused.
import {z} from 'zod'
import type {Endpoint} from '#shared/endpoints.ts'
import {type FieldError, GilliamError} from '#shared/errors.ts'
import type {Step} from './exchange.ts'

/** Fields named in one answer. */
export const fieldErrorsMax = 100

const nothing = z.strictObject({})

const messageOf = (issue: z.core.$ZodIssue): string =>
  (issue.code === 'invalid_key' ? issue.issues.map(inner => inner.message).join('; ') : '') || issue.message

const fieldErrors = (error: z.ZodError, place: string): FieldError[] =>
  error.issues.map(issue => ({
    path: [...(place === '' ? [] : [place]), ...issue.path].map(String).join('.'),
    message: messageOf(issue),
  }))

const partsOf = (
  endpoint: Endpoint,
): {readonly name: 'params' | 'query' | 'body'; readonly place: string; readonly schema: z.ZodType}[] => [
  {name: 'params', place: 'path', schema: endpoint.params === undefined ? nothing : z.strictObject(endpoint.params)},
  {name: 'query', place: 'query', schema: endpoint.query ?? nothing},
  {name: 'body', place: '', schema: endpoint.request ?? z.undefined()},
]

/** Sets `input`, or throws invalid_request with every field that does not fit. */
export const validating = (): Step => {
  const compiled = new Map<Endpoint, ReturnType<typeof partsOf>>()
  return {
    before: ({event}) => {
      const parts = compiled.get(event.endpoint) ?? partsOf(event.endpoint)
      compiled.set(event.endpoint, parts)
      const raw = {params: event.http.pathParameters ?? {}, query: event.http.queryStringParameters ?? {}, body: event.body}
      const input: Record<'params' | 'query' | 'body', unknown> = {params: {}, query: {}, body: undefined}
      const errors: FieldError[] = []
      for (const {name, place, schema} of parts) {
        const parsed = schema.safeParse(raw[name])
        if (parsed.success) input[name] = parsed.data
        else errors.push(...fieldErrors(parsed.error, place))
      }
      if (errors.length > 0) throw invalid(errors)
      event.input = input
    },
  }
}

const invalid = (errors: readonly FieldError[]): GilliamError => {
  const first = errors[0]
  const what = first === undefined ? '' : first.path === '' ? `the body: ${first.message}` : `“${first.path}”: ${first.message}`
  const rest = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  return new GilliamError('invalid_request', `The request does not fit: ${what}${rest}.`, errors.slice(0, fieldErrorsMax))
}
