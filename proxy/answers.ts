// Answers of our own: problem documents for refused and failed requests. Owns their shape, not their causes. Pure.
import {STATUS_CODES} from 'node:http'
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
}

const document = (code: ErrorCode, detail: string, context: ProblemContext): {status: number; body: string} => {
  const {requestId, headers: _, ...where} = context
  const content = {...problem(code, detail, {requestId}), ...where}
  return {status: content.status, body: `${JSON.stringify(content)}\n`}
}

const linesOf = (flat: readonly string[]): string[] => fieldLines(flat).split('\r\n').slice(0, -1)

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
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'content-type: application/problem+json',
    `content-length: ${bytes.length}`,
    'cache-control: no-store',
    `x-request-id: ${context.requestId}`,
    `date: ${date}`,
    ...linesOf(context.headers ?? []),
    ...(close ? ['connection: close'] : []),
  ]
  return {status, text: `${head.join('\r\n')}\r\n\r\n${headOnly ? '' : bytes.toString('latin1')}`}
}

/** An answer of a status and headers alone, such as a redirect. */
export const bareAnswer = (status: number, headers: readonly string[], requestId: string, {close, date}: Manner): string => {
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...linesOf(headers),
    ...(status === 204 ? [] : ['content-length: 0']),
    `x-request-id: ${requestId}`,
    `date: ${date}`,
    ...(close ? ['connection: close'] : []),
  ]
  return `${head.join('\r\n')}\r\n\r\n`
}
