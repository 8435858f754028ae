// Simulated time: what happens when, in order. Owns the clock; nothing in a simulation reads another.

interface Entry {
  readonly at: number
  /** Keeps what is due at one moment in the order it was asked for. */
  readonly order: number
  readonly name: string
  readonly happen: () => void
  isCancelled: boolean
}

export type Due = Pick<Entry, 'isCancelled'>

const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

export class Timeline {
  /** Milliseconds since the epoch. */
  now: number
  #order = 0
  /** A binary heap: the earliest comes first. */
  readonly #heap: Entry[] = []

  constructor(now: number) {
    this.now = now
  }

  /** Lets something happen after `ms`, unless what it answers is cancelled before; `name` is for traces. */
  after(ms: number, name: string, happen: () => void): Due {
    const heap = this.#heap
    const entry = {at: this.now + Math.max(0, ms), order: this.#order++, name, happen, isCancelled: false}
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Entry
      if (!isBefore(entry, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = entry
    return entry
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => void this.after(ms, 'sleep', resolve))
  }

  /** Lets the next thing happen; answers its name. */
  step(): string {
    let entry = this.#pop()
    while (entry.isCancelled) entry = this.#pop()
    this.now = Math.max(this.now, entry.at)
    entry.happen()
    return entry.name
  }

  #pop(): Entry {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined) throw new Error('nothing is left to happen')
    if (heap.length === 0) return first
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = child + 1
      if (right < heap.length && isBefore(heap[right] as Entry, heap[child] as Entry)) child = right
      const below = heap[child] as Entry
      if (!isBefore(below, last)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
    return first
  }
}

/** Resolves when everything that was set off has run as far as it can without the clock. */
export const quiet = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
