// Answers of our own: problem documents for refused and failed requests. Owns their shape, not their causes. Pure.
import {STATUS_CODES} from 'node:http'
import type {HeaderEdit} from '#shared/domain/header-edit.ts'
import {type ErrorCode, problem} from '#shared/errors.ts'
import {fieldLines} from './http/rewrite.ts'

/** What a problem document tells beside code and detail. */
export interface ProblemContext {
  readonly requestId: string
  readonly route?: string
  readonly service?: string
  readonly formation?: string
  /** Further headers of the answer, names and values in turn. */
  readonly headers?: readonly string[]
  /** What the route puts on answers. */
  readonly edit?: HeaderEdit
}

const document = (code: ErrorCode, detail: string, context: ProblemContext): {status: number; body: string} => {
  const {requestId, headers: _, edit: __, ...where} = context
  const content = {...problem(code, detail, {requestId}), ...where}
  return {status: content.status, body: `${JSON.stringify(content)}\n`}
}

/** Our own headers, and what the route puts beside them: it can not replace what makes the answer what it is. */
const linesOf = (own: readonly string[], edit: HeaderEdit | undefined): string => {
  let lines = fieldLines(own)
  if (edit === undefined) return lines
  const names = new Set(own.filter((_, index) => index % 2 === 0))
  for (let i = 0; i + 1 < edit.put.length; i += 2) if (!names.has(edit.put[i] as string)) lines += fieldLines(edit.put.slice(i, i + 2))
  return lines
}

const statusLine = (status: number): string => `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`

/** How an answer of ours is given. */
export interface Manner {
  /** HEAD gets the head only. */
  readonly headOnly: boolean
  /** Tells the client that the connection ends, as it must when the request's body was not read. */
  readonly close: boolean
  readonly date: string
}

/** A problem document as a whole message, one character per byte. */
export const problemAnswer = (
  code: ErrorCode,
  detail: string,
  context: ProblemContext,
  {headOnly, close, date}: Manner,
): {status: number; text: string} => {
  const {status, body} = document(code, detail, context)
  const bytes = Buffer.from(body)
  const own = [
    ...['content-type', 'application/problem+json', 'content-length', String(bytes.length), 'cache-control', 'no-store'],
    ...['x-request-id', context.requestId, 'date', date],
    ...(context.headers ?? []),
    ...(close ? ['connection', 'close'] : []),
  ]
  const head = `${statusLine(status)}${linesOf(own, context.edit)}\r\n`
  return {status, text: headOnly ? head : head + bytes.toString('latin1')}
}

/** An answer of a status and headers alone, such as a redirect. */
export const bareAnswer = (
  {status, headers, edit}: {status: number; headers: readonly string[]; edit?: HeaderEdit},
  requestId: string,
  {close, date}: Manner,
): string => {
  const own = [
    ...headers,
    ...(status === 204 ? [] : ['content-length', '0']),
    ...['x-request-id', requestId, 'date', date],
    ...(close ? ['connection', 'close'] : []),
  ]
  return `${statusLine(status)}${linesOf(own, edit)}\r\n`
}
