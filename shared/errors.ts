// Every error the platform tells its users, as one closed table: a stable code, the HTTP status it travels with, and what it means.
// docs/errors.md lists the same codes (test/tidy.test.ts compares them).

export const errorCodes = {
  invalid_request: {status: 400, means: 'The request does not fit its schema; `errors` names each field.'},
  invalid_json: {status: 400, means: 'The body is not JSON.'},
  invalid_expression: {status: 400, means: 'A requirement or rank is not an expression Gilliam accepts; the message shows the place.'},
  invalid_route: {status: 400, means: 'A route domain, path or target is not a valid template.'},
  unauthenticated: {status: 401, means: 'No token, or one that is unknown, ended or revoked.'},
  forbidden: {status: 403, means: 'The token is not for this: its scope, verbs or formations do not cover it.'},
  not_found: {status: 404, means: 'No such endpoint or thing; the message names it.'},
  method_not_allowed: {status: 405, means: 'The path exists, but not with this method.'},
  already_exists: {status: 409, means: 'The name is taken.'},
  conflict: {
    status: 409,
    means: 'Its present state does not allow it, or somebody else changed it several times in a row; the message says what to do.',
  },
  formation_destroying: {status: 409, means: 'The formation is being destroyed; wait, then create it again.'},
  route_conflict: {status: 409, means: 'Another route already matches exactly the same domain and path.'},
  instance_ended: {status: 409, means: 'The instance has ended; nothing can be done to it any more.'},
  executor_taken: {status: 409, means: 'Another agent has joined under this id, and its executor is not lost.'},
  executor_lost: {status: 409, means: 'The executor has no lease; it must join again.'},
  idempotency_in_progress: {status: 409, means: 'A request with the same Idempotency-Key is being worked on; try again in a moment.'},
  slug_missing: {status: 409, means: 'The release names a slug that was not uploaded.'},
  secret_missing: {status: 409, means: 'The release refers to a secret that is not set.'},
  idempotency_mismatch: {status: 422, means: 'The Idempotency-Key was used before for a different request.'},
  too_large: {status: 413, means: 'The body is larger than the endpoint or route takes.'},
  limit_reached: {status: 422, means: 'One more would exceed a limit, or the answer would be too long; the message names it.'},
  no_relay: {status: 503, means: 'No relay is there for one-off work and live logs, or it can not be reached.'},
  internal: {status: 500, means: 'A fault of ours; the request id finds it in the log.'},
  unavailable: {status: 503, means: 'The control plane can not reach its database right now; try again.'},

  no_route: {status: 404, means: 'Router: no route has this domain and path.'},
  rate_limited: {
    status: 429,
    means: 'More requests than the route or the token lets through, or too many refused proofs; `Retry-After` says when to try again.',
  },
  no_such_host: {status: 404, means: 'Proxy: not a service address and not a host it can reach.'},
  target_invalid: {status: 502, means: 'Router: the route’s variables do not make a valid service address.'},
  host_forbidden: {status: 403, means: 'Proxy: policy forbids hosts outside the platform.'},
  no_instance: {status: 503, means: 'Router, proxy: the service has no live instance.'},
  upstream_refused: {status: 502, means: 'Router, proxy: no instance accepted the connection.'},
  upstream_broken: {status: 502, means: 'Router, proxy: the instance closed the connection or sent something that is not HTTP.'},
  upstream_timeout: {status: 504, means: 'Router, proxy: the instance did not answer in time.'},
  loop_detected: {status: 508, means: 'Router, proxy: the request has come through this same process before.'},
  bad_proxy_request: {status: 400, means: 'Proxy: neither an absolute-form request nor a CONNECT, or a request in the wrong tunnel.'},
} as const satisfies Record<string, {status: number; means: string}>

export type ErrorCode = keyof typeof errorCodes

/** One field that does not fit: a JSON pointer or dotted path, and why. */
export interface FieldError {
  readonly path: string
  readonly message: string
}

/** An RFC 9457 problem document. `code` is stable; `detail` says what, which and what next. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly errors?: readonly FieldError[]
  readonly requestId?: string
}

/** An expected failure on its way to a user. */
export class GilliamError extends Error {
  readonly code: ErrorCode
  readonly errors?: readonly FieldError[]

  constructor(code: ErrorCode, detail: string, errors?: readonly FieldError[]) {
    super(detail)
    this.name = 'GilliamError'
    this.code = code
    if (errors !== undefined) this.errors = errors
  }
}

/** The problem+json body of an error code (RFC 9457 §3). */
export const problem = (code: ErrorCode, detail: string, more: {errors?: readonly FieldError[]; requestId?: string} = {}): Problem => ({
  type: `https://gilliam.dev/errors#${code}`,
  title: code.replaceAll('_', ' '),
  status: errorCodes[code].status,
  code,
  detail,
  ...more,
})
