// Counts of requests by what they were about, kept so that counting one takes a few stores to memory. Owns how many there may be and when they are
// forgotten; what they are called is metrics.ts's business.
import type {Entry} from './report.ts'

/** Upper bounds of the histogram's buckets, in milliseconds. */
export const bucketsMs: readonly number[] = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000]

/** Counts of one set of labels. */
export interface Series<Labels> {
  readonly labels: Labels
  /** Requests by status. */
  readonly statuses: Map<number, {count: number}>
  /** Requests by the bucket their duration falls in; the last is for what is above all bounds. */
  readonly buckets: number[]
  count: number
  sumMs: number
  /** When the last request was counted, in milliseconds since the epoch. */
  lastAt: number
}

/** A series without a request for this long is forgotten: its instance, release or route is gone, or as good as. */
export const forgetAfterMs = 600_000

const bucketOf = (ms: number): number => {
  let at = 0
  while (at < bucketsMs.length && ms > (bucketsMs[at] as number)) at++
  return at
}

/** Series by two texts that do not change from request to request. More than `max` are counted together in one that is never forgotten. */
export class SeriesSet<Labels> {
  readonly #max: number
  readonly #other: Series<Labels>
  readonly #known = new Map<string, Map<string, Series<Labels>>>()
  #size = 0

  constructor(max: number, other: Labels) {
    this.#max = max
    this.#other = newSeries(other)
  }

  /** Counts one request; `labelsOf` is asked once per series. */
  count(first: string, second: string, entry: Entry, labelsOf: (entry: Entry) => Labels): void {
    const series = this.#known.get(first)?.get(second) ?? this.#make(first, second, entry, labelsOf)
    const status = series.statuses.get(entry.status)
    if (status === undefined) series.statuses.set(entry.status, {count: 1})
    else status.count += 1
    const bucket = bucketOf(entry.durationMs)
    series.buckets[bucket] = (series.buckets[bucket] as number) + 1
    series.count += 1
    series.sumMs += entry.durationMs
    series.lastAt = entry.endedAt
  }

  #make(first: string, second: string, entry: Entry, labelsOf: (entry: Entry) => Labels): Series<Labels> {
    if (this.#size >= this.#max) return this.#other
    const made = newSeries(labelsOf(entry))
    const seconds = this.#known.get(first) ?? new Map<string, Series<Labels>>()
    this.#known.set(first, seconds.set(second, made))
    this.#size += 1
    return made
  }

  get all(): readonly Series<Labels>[] {
    const all = [...this.#known.values()].flatMap(seconds => [...seconds.values()])
    return this.#other.count === 0 ? all : [...all, this.#other]
  }

  /** Forgets what nobody has asked for since {@link forgetAfterMs}. */
  sweep(now: number): void {
    for (const [first, seconds] of this.#known) {
      for (const [second, {lastAt}] of seconds) {
        if (now - lastAt <= forgetAfterMs) continue
        seconds.delete(second)
        this.#size -= 1
      }
      if (seconds.size === 0) this.#known.delete(first)
    }
  }
}

const newSeries = <Labels>(labels: Labels): Series<Labels> => ({
  labels,
  statuses: new Map(),
  buckets: Array.from({length: bucketsMs.length + 1}, () => 0),
  count: 0,
  sumMs: 0,
  lastAt: 0,
})
