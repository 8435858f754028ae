// How many requests pass: token buckets, and a bounded number of them. Pure: the clock comes in.
import type {RateLimit} from './route-options.ts'

export interface Bucket {
  readonly tokens: number
  /** Milliseconds since the epoch at which `tokens` was right. */
  readonly at: number
}
export type Taken =
  | {readonly ok: true; readonly bucket: Bucket}
  | {readonly ok: false; readonly bucket: Bucket; readonly retryAfterMs: number}

/** Tokens that arithmetic may swallow. */
const tolerance = 1e-9

/** Takes one token, if there is one. A bucket nobody used before is full. A clock that goes back adds nothing, now or later. */
export const take = (limit: RateLimit, before: Bucket | undefined, now: number): Taken => {
  const {requests, perMs, burst = requests} = limit
  const at = Math.max(now, before?.at ?? now)
  const tokens = before === undefined ? burst : Math.min(burst, before.tokens + ((at - before.at) * requests) / perMs)
  if (tokens >= 1 - tolerance) return {ok: true, bucket: {tokens: tokens - 1, at}}
  return {ok: false, bucket: {tokens, at}, retryAfterMs: Math.ceil(((1 - tokens) * perMs) / requests - tolerance)}
}

/** What one process has let through, for others to count as well. */
export interface Spent {
  readonly key: string
  readonly limit: RateLimit
  readonly count: number
}

/** Takes what somebody else let through already. A bucket may owe up to a burst, so that several processes together keep to the rate in the long run. */
export const charge = ({limit, count}: Spent, before: Bucket | undefined, now: number): Bucket => {
  const {requests, perMs, burst = requests} = limit
  const at = Math.max(now, before?.at ?? now)
  const tokens = before === undefined ? burst : Math.min(burst, before.tokens + ((at - before.at) * requests) / perMs)
  return {tokens: Math.max(-burst, tokens - count), at}
}

/** Keys told of at once; what goes beyond is counted where it was let through only. */
export const spentKeysMax = 1_000

/** Buckets kept at once, over all routes; the one unused for longest makes room for a new one. */
export const bucketsMax = 50_000

/** The buckets of one process, by key. */
export class Buckets {
  readonly #buckets = new Map<string, Bucket>()
  readonly #max: number
  #spent = new Map<string, Spent>()

  constructor(max = bucketsMax) {
    this.#max = max
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Milliseconds until it may be tried again; 0 when the request passes. */
  take(key: string, limit: RateLimit, now: number): number {
    const taken = take(limit, this.#buckets.get(key), now)
    this.#put(key, taken.bucket)
    if (!taken.ok) return taken.retryAfterMs
    const count = (this.#spent.get(key)?.count ?? 0) + 1
    if (count > 1 || this.#spent.size < spentKeysMax) this.#spent.set(key, {key, limit, count})
    return 0
  }

  #put(key: string, bucket: Bucket): void {
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size <= this.#max) return
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }

  /** What was let through since the last call. */
  spent(): readonly Spent[] {
    if (this.#spent.size === 0) return []
    const spent = [...this.#spent.values()]
    this.#spent = new Map()
    return spent
  }

  /** Counts what others let through. */
  charge(spent: readonly Spent[], now: number): void {
    for (const each of spent) this.#put(each.key, charge(each, this.#buckets.get(each.key), now))
  }
}
