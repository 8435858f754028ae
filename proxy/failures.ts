// What went wrong between us and an instance, in the platform's words. Pure: from error codes of node and of our HTTP engine.
import type {ErrorCode} from '#shared/errors.ts'
import type {Limits} from './limits.ts'

/** One failed attempt. */
export interface Failure {
  readonly code: Extract<
    ErrorCode,
    'upstream_refused' | 'upstream_broken' | 'upstream_timeout' | 'no_such_host' | 'host_forbidden' | 'too_large'
  >
  /** Ends a sentence that begins with the instance's name. */
  readonly why: string
  /** The connection itself failed: the instance is passed over for a while. */
  readonly connection: boolean
  /** The request may still be worked on. */
  readonly timedOut: boolean
}

const unreachable: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'EADDRNOTAVAIL', 'EINVAL'])
const unknownHost: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'ENODATA'])

/** The `code` of an error, '' when it has none. */
export const codeOf = (error: unknown): string => {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : ''
  return typeof code === 'string' ? code : ''
}

/** Thrown by our own lookup and connect: the host is one nobody may reach through a proxy. */
export class ForbiddenHostError extends Error {
  readonly code = 'GILLIAM_FORBIDDEN_HOST'
}

const seconds = (ms: number): string => `${ms / 1_000} s`

/** Which of our timeouts ran out. */
export type LateCode = 'CONNECT_TIMEOUT' | 'FIRST_BYTE_TIMEOUT' | 'IDLE_TIMEOUT' | 'TOTAL_TIMEOUT'

/** What our own HTTP engine finds wrong with the other side. `CLOSED`: the connection ended before the answer did. `HOST_SILENT`: its host is gone. */
export class ExchangeError extends Error {
  readonly code: LateCode | 'CLOSED' | 'NOT_HTTP' | 'BODY_TOO_LARGE' | 'HOST_SILENT'

  constructor(code: ExchangeError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** Names a failure. `sent`: whether the connection had been made before it. */
export const failureOf = (error: unknown, sent: boolean, limits: Limits): Failure => {
  const code = codeOf(error)
  const message = error instanceof Error ? error.message : String(error)
  if (code === 'GILLIAM_FORBIDDEN_HOST') return {code: 'host_forbidden', why: message, connection: false, timedOut: false}
  if (unknownHost.has(code)) return {code: 'no_such_host', why: 'has a host name that DNS does not know', connection: true, timedOut: false}
  if (code === 'CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
    const why = `did not accept a connection within ${seconds(limits.connectTimeoutMs)} (connect timeout)`
    return {code: 'upstream_timeout', why, connection: true, timedOut: false}
  }
  if (code === 'HOST_SILENT') {
    const why = 'is on a host that stopped answering, new connections too'
    return {code: 'upstream_timeout', why, connection: true, timedOut: false}
  }
  if (code === 'BODY_TOO_LARGE') {
    return {code: 'too_large', why: 'was being sent a body that is longer than the route takes', connection: false, timedOut: false}
  }
  if (code === 'TOTAL_TIMEOUT') {
    const why = 'did not finish its answer in time (total timeout of the route)'
    return {code: 'upstream_timeout', why, connection: false, timedOut: true}
  }
  if (code === 'FIRST_BYTE_TIMEOUT') {
    const why = `did not begin to answer within ${seconds(limits.firstByteTimeoutMs)} (first-byte timeout)`
    return {code: 'upstream_timeout', why, connection: false, timedOut: true}
  }
  if (code === 'IDLE_TIMEOUT') {
    const why = `sent nothing for ${seconds(limits.idleTimeoutMs)} in the middle of its answer (idle timeout)`
    return {code: 'upstream_timeout', why, connection: false, timedOut: true}
  }
  if (!sent || unreachable.has(code)) {
    return {code: 'upstream_refused', why: `refused the connection (${code || message})`, connection: true, timedOut: false}
  }
  if (code === 'NOT_HTTP') {
    return {code: 'upstream_broken', why: `sent something that is not HTTP (${message})`, connection: false, timedOut: false}
  }
  return {
    code: 'upstream_broken',
    why: `closed the connection before it had answered (${code === 'CLOSED' ? message : code || message})`,
    connection: true,
    timedOut: false,
  }
}
