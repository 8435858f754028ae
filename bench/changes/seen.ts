// What the load saw of each request, one line of a file each: the load writes it, the report reads it. Owns the form of the lines.
import {readFileSync} from 'node:fs'

/** What is asked for: an answer at once, one after 50–200 ms, one in pieces, or the request's own body. */
export const shapes = ['get', 'slow', 'stream', 'post'] as const
export type Shape = (typeof shapes)[number]

export type Via = 'router' | 'proxy'
/** Whether the request went out on a connection that had served others. */
export type Connection = 'kept' | 'new'

export interface Seen {
  /** When it was sent: milliseconds of the machine's monotonic clock, which is the same in every process. */
  readonly startedAt: number
  /** From when it should have been sent, so that a stalled system does not look fast (“coordinated omission”). */
  readonly tookMs: number
  readonly shape: Shape
  readonly via: Via
  readonly connection: Connection
  /** What answered, as it said itself; 0 and '' when nothing did. */
  readonly release: number
  readonly instance: string
  /** Who asked; 0 is nobody in particular. */
  readonly user: number
  /** Why it failed; '' when it did not. */
  readonly cause: string
  /** What the answer said of its failure. */
  readonly detail: string
}

type Line = [number, number, Shape, Via, Connection, number, string, number, string, string]

/** The monotonic clock of this machine (clock_gettime(2), CLOCK_MONOTONIC) in milliseconds. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6

export const lineOf = (seen: Seen): string => {
  const {startedAt, tookMs, shape, via, connection, release, instance, user, cause, detail} = seen
  const line: Line = [
    Math.round(startedAt * 100) / 100,
    Math.round(tookMs * 100) / 100,
    shape,
    via,
    connection,
    release,
    instance,
    user,
    cause,
    detail,
  ]
  return `${JSON.stringify(line)}\n`
}

const seenOf = (text: string): Seen => {
  const [startedAt, tookMs, shape, via, connection, release, instance, user, cause, detail] = JSON.parse(text) as Line
  return {startedAt, tookMs, shape, via, connection, release, instance, user, cause, detail}
}

/** Everything the load saw, by when it was sent. */
export const readSeen = (file: string): Seen[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(seenOf)
    .sort((a, b) => a.startedAt - b.startedAt)
