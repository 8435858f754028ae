// What is told of every request when it is over: one entry, read by metrics and access log. Types only.
import type {ErrorCode} from '#shared/errors.ts'

export interface Entry {
  readonly kind: 'http' | 'upgrade' | 'connect'
  readonly requestId: string
  readonly method: string
  /** Host and path as the client asked, without the query: queries hold secrets. */
  readonly host: string
  readonly path: string
  /** Of the answer; 0 when the client left before there was one. */
  readonly status: number
  /** Set when the answer is ours, or the instance's broke off. */
  readonly code?: ErrorCode
  readonly detail?: string
  readonly route?: string
  readonly service?: string
  readonly formation?: string
  readonly instance?: string
  readonly attempts: number
  readonly durationMs: number
}
export type Report = (entry: Entry) => void
