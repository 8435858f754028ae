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
  readonly code?: ErrorCode | undefined
  readonly detail?: string | undefined
  readonly route?: string | undefined
  readonly service?: string | undefined
  readonly formation?: string | undefined
  readonly instance?: string | undefined
  readonly attempts: number
  readonly durationMs: number
}
export type Report = (entry: Entry) => void
