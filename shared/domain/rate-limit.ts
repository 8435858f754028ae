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

/** Buckets kept at once, over all routes; the one unused for longest makes room for a new one. */
export const bucketsMax = 50_000

/** The buckets of one process, by key. */
export class Buckets {
  readonly #buckets = new Map<string, Bucket>()
  readonly #max: number

  constructor(max = bucketsMax) {
    this.#max = max
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Milliseconds until it may be tried again; 0 when the request passes. */
  take(key: string, limit: RateLimit, now: number): number {
    const taken = take(limit, this.#buckets.get(key), now)
    this.#buckets.delete(key)
    this.#buckets.set(key, taken.bucket)
    if (this.#buckets.size > this.#max) {
      const [oldest] = this.#buckets.keys()
      if (oldest !== undefined) this.#buckets.delete(oldest)
    }
    return taken.ok ? 0 : taken.retryAfterMs
  }
}
