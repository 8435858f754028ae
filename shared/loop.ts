// A supervised loop: calls a task again and again, waits as the task asks, backs off when it throws, and ends when told.
import {backoffMs, jitterMs} from './domain/backoff.ts'

export interface LoopOptions {
  /** Wait after a success, unless the task returns its own number of milliseconds. */
  readonly intervalMs: number
  readonly backoffBaseMs?: number
  readonly backoffMaxMs?: number
  /** Share of every wait that is random, against herds. */
  readonly jitterShare?: number
  readonly onError?: (error: unknown, failures: number) => void
  readonly random?: () => number
}

export interface Loop {
  /** Ends the current wait now; while the task runs, the next wait is skipped. */
  readonly wake: () => void
  /** Ends the loop; resolves when the running task, if any, is over. */
  readonly stop: () => Promise<void>
}

/** Starts calling `task`, never twice at once. `task` may return the milliseconds to wait before the next call. */
export const startLoop = (task: (signal: AbortSignal) => Promise<number | undefined>, options: LoopOptions): Loop => {
  const abort = new AbortController()
  const random = options.random ?? Math.random
  let failures = 0
  let woken = false
  let endWait: (() => void) | undefined

  const wait = (ms: number): Promise<void> =>
    new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      endWait = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const once = async (): Promise<number> => {
    try {
      const asked = await task(abort.signal)
      failures = 0
      return asked ?? options.intervalMs
    } catch (error) {
      if (abort.signal.aborted) return 0
      failures += 1
      options.onError?.(error, failures)
      return backoffMs(failures, options.backoffBaseMs ?? options.intervalMs, options.backoffMaxMs ?? 30_000)
    }
  }

  const run = async (): Promise<void> => {
    while (!abort.signal.aborted) {
      woken = false
      const waitMs = await once()
      if (abort.signal.aborted) return
      if (!woken) await wait(jitterMs(waitMs, options.jitterShare ?? 0, random()))
    }
  }

  const ended = run()
  return {
    wake: () => {
      woken = true
      endWait?.()
    },
    stop: async () => {
      abort.abort()
      endWait?.()
      await ended
    },
  }
}
