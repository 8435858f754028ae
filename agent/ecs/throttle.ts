// What to do when ECS says that it is asked too often: wait, longer each time, and ask again. Other failures are the caller's.
import {setTimeout as sleep} from 'node:timers/promises'
import {backoffMs, jitterMs} from '#shared/domain/backoff.ts'

const triesMax = 8
const baseMs = 500
const maxMs = 20_000

const names = new Set(['ThrottlingException', 'Throttling', 'TooManyRequestsException', 'RequestLimitExceeded', 'LimitExceededException'])

/** ECS tells some of it as a ClientException. */
export const isThrottled = (error: unknown): boolean =>
  error instanceof Error && (names.has(error.name) || /rate exceeded|too many concurrent/i.test(error.message))

export interface Patience {
  readonly random: () => number
  /** Shortens waits in tests. */
  readonly wait?: (ms: number, signal?: AbortSignal) => Promise<unknown>
}

const waiting = (ms: number, signal?: AbortSignal): Promise<unknown> => sleep(ms, undefined, signal === undefined ? {} : {signal})

/** Calls until it is not throttled, about a minute at most; then throws what ECS said. `signal` ends a wait. */
export const patiently = async <T>(call: () => Promise<T>, {random, wait = waiting}: Patience, signal?: AbortSignal): Promise<T> => {
  for (let failures = 1; ; failures++) {
    try {
      return await call()
    } catch (error) {
      if (!isThrottled(error) || failures >= triesMax) throw error
      await wait(jitterMs(backoffMs(failures, baseMs, maxMs), 0.5, random()), signal)
    }
  }
}
