// One clock for all connections: each has at most one deadline at a time, and one timer looks for those that are over. Setting one is a store to memory,
// which matters at thousands of requests per second. Owns the timer; what a deadline means is the connection's business.

/** Something that must not wait for ever. */
export interface Waiting {
  /** Milliseconds since the epoch; Infinity for none. */
  readonly deadlineAt: number
  readonly onDeadline: () => void
}

/** How late a deadline may be noticed. */
const tickMsMax = 500
const tickMsMin = 20

export class Deadlines {
  readonly now: () => number
  readonly #waiting = new Set<Waiting>()
  readonly #onFault: (error: unknown) => void
  #tickMs = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  /** `shortestMs`: the shortest deadline anybody sets; it is noticed at most a quarter of that too late. `onFault` is told of faults of ours. */
  constructor(now: () => number, shortestMs: number, onFault: (error: unknown) => void) {
    this.now = now
    this.#onFault = onFault
    this.heed(shortestMs)
  }

  /** Looks often enough, from now on, for deadlines of `ms`, which may be shorter than any before. */
  heed(ms: number): void {
    const tickMs = Math.max(tickMsMin, Math.min(tickMsMax, ms / 4))
    if (tickMs >= this.#tickMs) return
    this.#tickMs = tickMs
    clearInterval(this.#timer)
    this.#timer = setInterval(() => this.#look(), tickMs).unref()
  }

  watch(waiting: Waiting): void {
    this.#waiting.add(waiting)
  }

  forget(waiting: Waiting): void {
    this.#waiting.delete(waiting)
  }

  #look(): void {
    const now = this.now()
    for (const waiting of this.#waiting) {
      if (waiting.deadlineAt > now) continue
      try {
        waiting.onDeadline()
      } catch (error) {
        this.#onFault(error)
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#waiting.clear()
  }
}
