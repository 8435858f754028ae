// What is told of every request when it is over: one entry, read by metrics and access log. Types only.
import type {ErrorCode} from '#shared/errors.ts'

export interface Entry {
  readonly kind: 'http' | 'upgrade' | 'connect'
  /** What `acceptableRequestId` lets through, or ours: no character of it needs an escape. */
  readonly requestId: string
  /** Of the W3C trace context: the trace, and our part in it. */
  readonly traceId: string
  readonly spanId: string
  /** The client's address. */
  readonly client: string
  readonly method: string
  /** Host and path as the client asked, without the query: queries hold secrets. */
  readonly host: string
  readonly path: string
  /** Of the answer; 0 when the client left before there was one. */
  readonly status: number
  /** Set when the answer is ours, or the instance's broke off. */
  readonly code?: ErrorCode | undefined
  readonly detail?: string | undefined
  readonly route?: string | undefined
  readonly service?: string | undefined
  readonly formation?: string | undefined
  /** Service, formation and release of the instance as one text. */
  readonly group?: string | undefined
  readonly release?: number | undefined
  readonly instance?: string | undefined
  readonly attempts: number
  /** Of the request's body, as far as it was passed on, and of the answer's. Not counted in tunnels. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Milliseconds since the epoch. */
  readonly endedAt: number
  readonly durationMs: number
}
export type Report = (entry: Entry) => void
