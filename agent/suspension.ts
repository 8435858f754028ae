// What an agent that stops everything still waits for. Pure but for what it remembers: times come in as monotonic milliseconds. Stops nothing itself.

/** What nobody can be reached for, or is being called off, is waited for so long. */
export const reachMsMax = 15_000
/** What was killed, and is there all the same. */
export const killedMsMax = 60_000

/** Something that runs, or is being started. */
export interface Held {
  readonly key: string
  /** `lost`: orders do not get through to it, or its start does not heed that it is called off. `killed`: told to end at once. `stopping`: it has its grace. */
  readonly state: 'stopping' | 'killed' | 'lost'
}

const limits = {stopping: Number.POSITIVE_INFINITY, killed: killedMsMax, lost: reachMsMax} as const

export class Suspension {
  readonly #since = new Map<string, {readonly state: Held['state']; readonly at: number}>()

  /** The keys of all that is held, once none of it is worth waiting for any more; undefined before. Call it often. */
  left(held: readonly Held[], now: number): readonly string[] | undefined {
    const isLeft = held.map(({key, state}) => {
      const before = this.#since.get(key)
      const at = before?.state === state ? before.at : now
      this.#since.set(key, {state, at})
      return now - at >= limits[state]
    })
    return isLeft.every(Boolean) ? held.map(({key}) => key) : undefined
  }
}
