// Lines that come two ways, live and from what is kept, each shown once whichever way is first. Pure but for being told the time.

/** What tells lines apart; the same line written twice within a millisecond counts twice. */
export interface OnceLine {
  readonly service: string
  readonly id: string
  readonly at: number
  readonly stream: string
  readonly text: string
}

/** How long the second coming of a line is waited for. */
export const rememberedMs = 120_000
const rememberedMax = 200_000

interface Balance {
  /** Times it came live, less times it was read. */
  live: number
  readonly until: number
}

export class Once {
  /** In the order of their first coming. */
  readonly #balances = new Map<string, Balance>()

  /** Whether to show a line that came this way. */
  isNew({service, id, at, stream, text}: OnceLine, way: 'live' | 'kept', now: number): boolean {
    this.#forget(now)
    const key = JSON.stringify([service, id, at, stream, text])
    const balance = this.#balances.get(key) ?? {live: 0, until: now + rememberedMs}
    const came = way === 'live' ? 1 : -1
    const isSecond = balance.live * came < 0
    balance.live += came
    if (balance.live === 0) this.#balances.delete(key)
    else this.#balances.set(key, balance)
    return !isSecond
  }

  get size(): number {
    return this.#balances.size
  }

  #forget(now: number): void {
    for (const [key, {until}] of this.#balances) {
      if (until > now && this.#balances.size <= rememberedMax) return
      this.#balances.delete(key)
    }
  }
}
