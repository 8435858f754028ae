// Turns outcomes into payload-v2 answers: JSON, empty, or problem+json (RFC 9457). The only place that maps thrown errors to codes.
import {errorCodes, GilliamError, problem} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import type {Answer, Exchange, Step} from './exchange.ts'
import {RateLimited} from './rate.ts'

/** A function on AWS answers 6 MB at most, its body as a text in JSON; what is longer fails without a word. In bytes, with room for the rest. */
export const answerBytesMax = 6_000_000
/** A character is three bytes at most, or six as an escape; and there are quotes around them. */
const bytesPerCharacterMax = 6
const quotesBytes = 2

/** Throws limit_reached for what could not be answered on AWS. The same at home, so that nobody finds out there. */
export const checkLength = (body: string, hint: string): void => {
  if (body.length * bytesPerCharacterMax + quotesBytes <= answerBytesMax) return
  const bytes = Buffer.byteLength(JSON.stringify(body))
  if (bytes > answerBytesMax)
    throw new GilliamError('limit_reached', `The answer would have ${bytes} bytes; at most ${answerBytesMax} are answered. ${hint}`)
}

const headersOf = (requestId: string, contentType?: string): Record<string, string> => ({
  ...(contentType === undefined ? {} : {'content-type': contentType}),
  'cache-control': 'no-store',
  'x-request-id': requestId,
})

/** An answer with `body` as it is; no body with status 204. */
export const answerText = (requestId: string, status: number, body: string): Answer =>
  status === 204
    ? {statusCode: 204, headers: headersOf(requestId)}
    : {statusCode: status, headers: headersOf(requestId, 'application/json'), body}

/** The answer that tells of an expected failure. */
export const answerError = (requestId: string, error: GilliamError): Answer => {
  const more = error.errors === undefined ? {requestId} : {errors: error.errors, requestId}
  return {
    statusCode: errorCodes[error.code].status,
    headers: {
      ...headersOf(requestId, 'application/problem+json'),
      ...(error.code === 'unauthenticated' ? {'www-authenticate': 'Bearer'} : {}),
      ...(error instanceof RateLimited ? {'retry-after': String(error.retryAfterSeconds)} : {}),
      ...(error.code === 'unavailable' || error.code === 'idempotency_in_progress' ? {'retry-after': '1'} : {}),
    },
    body: JSON.stringify(problem(error.code, error.message, more)),
  }
}

const unreachableCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN'])
const unreachableNames = new Set([
  'TimeoutError',
  'ThrottlingException',
  // Thrown only after all tries met other transactions on the same items.
  'TransactionConflictException',
  'TransactionInProgressException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'InternalServerError',
  'ServiceUnavailable',
])

const busyCodes = new Set(['None', 'TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded'])

/** A transaction that was cancelled by nothing but others, every time it was tried. */
const isConflict = (error: Error): boolean =>
  error.name === 'TransactionCanceledException' &&
  'CancellationReasons' in error &&
  Array.isArray(error.CancellationReasons) &&
  error.CancellationReasons.every(({Code}: {Code?: string}) => busyCodes.has(Code ?? 'None'))

/** Whether an error of an AWS client means “not now” rather than “never”: its names and Node’s socket codes. */
const isUnreachable = (error: Error): boolean =>
  unreachableNames.has(error.name) ||
  isConflict(error) ||
  ('code' in error && typeof error.code === 'string' && unreachableCodes.has(error.code))

const expected = (error: unknown, exchange: Exchange, log: Logger): GilliamError => {
  if (error instanceof GilliamError) return error
  const fields = {requestId: exchange.requestId, endpoint: exchange.name, err: error}
  if (error instanceof Error && isUnreachable(error)) {
    log.warn(fields, 'database out of reach, or busy')
    return new GilliamError(
      'unavailable',
      'The control plane can not reach its database right now, or too many want to change the same thing; try again.',
    )
  }
  log.error(fields, 'request failed')
  return new GilliamError('internal', `Something of ours went wrong; the log has it under request ${exchange.requestId}.`)
}

/** Answers every error that the steps after it throw. */
export const answering = (log: Logger): Step => ({
  onError: request => {
    request.response = answerError(request.event.requestId, expected(request.error, request.event, log))
  },
})
