// Which health check an assignment asks for. Pure; health.ts carries it out.
import type {Assignment} from '#shared/domain/assignment.ts'
import {healthDefault} from '#shared/domain/release.ts'

export interface Check {
  /** Path asked with GET; a TCP connection is enough when undefined. */
  readonly path?: string
  /** The service port whose host port is asked. */
  readonly port: number
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly startTimeoutMs: number
  /** How long an accepted connection must last to be a passed check, unless something is heard on it before, in milliseconds. */
  readonly lingerMs?: number
}

/** A container's published port is accepted by the engine's own proxy whether or not something listens behind it, which hangs up in the latter case. */
const publishedLingerMs = 50

/** The check, `tcp` on the first port by default; undefined when there is no port to ask. */
export const healthCheckOf = (assignment: Assignment): Check | undefined => {
  const health = assignment.health
  const port = health?.port ?? assignment.ports[0]?.port
  if (port === undefined) return undefined
  const {intervalMs, timeoutMs, startTimeoutMs} = health ?? healthDefault
  const lingerMs = assignment.image === undefined ? 0 : publishedLingerMs
  return {...(health?.http === undefined ? {} : {path: health.http}), port, intervalMs, timeoutMs, startTimeoutMs, lingerMs}
}
