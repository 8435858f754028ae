// Which instance gets a request, when one is passed over, and when a request may be tried again. Pure: clock and randomness come in.

/** One instance as the balancer sees it. */
export interface Candidate {
  readonly inFlight: number
  /** Milliseconds since the epoch until which it is passed over; 0 when it is not. */
  readonly ejectedUntil: number
  /** Tried by ourselves since it is passed over, with no answer of any kind. */
  readonly isSilent?: boolean
  /** Milliseconds since the epoch at which it appeared; absent or 0 when it was there before we looked. */
  readonly since?: number
  /** In our own zone. */
  readonly near?: boolean
}

/** When more than this share of a service is ejected, ejection is more likely our own trouble than theirs: all may be picked again. */
export const ejectedShareMax = 0.5

/** A new instance gets a growing share of requests for this long, while caches fill and code is compiled. */
export const slowStartMs = 10_000
/** The share it begins with, of what an old one gets. */
export const slowStartShareMin = 0.1
/** An instance elsewhere is picked when the one in our zone has this many more requests in flight. */
export const zoneSpillInFlight = 4

/** The share of requests an instance is ready for, from {@link slowStartShareMin} to 1. */
export const warmth = ({since = 0}: Candidate, now: number): number => Math.min(1, Math.max(slowStartShareMin, (now - since) / slowStartMs))

/** Whether one of two in slow start stands back for the other, by chance: so its share is in proportion to its warmth. */
const standsBack = (own: number, other: number, random: () => number): boolean => own < other && random() >= own / other

/** The better of two: not ejected, then warm, then less busy, then nearer unless it is much busier. */
const better = <C extends Candidate>(a: C, b: C, now: number, random: () => number): C => {
  const aOut = a.ejectedUntil > now
  const bOut = b.ejectedUntil > now
  if (aOut !== bOut) return aOut ? b : a
  const [aWarm, bWarm] = [warmth(a, now), warmth(b, now)]
  if (standsBack(aWarm, bWarm, random)) return b
  if (standsBack(bWarm, aWarm, random)) return a
  const aAhead = (a.near === b.near ? 0 : a.near === true ? zoneSpillInFlight : -zoneSpillInFlight) - a.inFlight + b.inFlight
  return aAhead < 0 ? b : a
}

/** Two different ones at random; the same one twice when there is only one. */
const two = <C>(pool: readonly C[], random: () => number): readonly [C, C] | undefined => {
  const first = Math.floor(random() * pool.length)
  const a = pool[first]
  if (a === undefined || pool.length === 1) return a === undefined ? undefined : [a, a]
  const second = Math.floor(random() * (pool.length - 1))
  return [a, pool[second < first ? second : second + 1] ?? a]
}

const pickOf = <C extends Candidate>(pool: readonly C[], now: number, random: () => number): C | undefined => {
  const pair = two(pool, random)
  if (pair === undefined) return undefined
  return pair[0] === pair[1] ? pair[0] : better(...pair, now, random)
}

/**
 * The better of two random candidates (Mitzenmacher, "The power of two choices", 2001), passing over ejected ones while at most {@link ejectedShareMax} of
 * all are ejected; silent ones as long as there are others, since a request can only lose time there. With instances in our own zone and elsewhere, two of each are drawn, and the near one is taken unless it is ejected, much newer, or has
 * more than {@link zoneSpillInFlight} requests in flight beyond the far one's. `random` gives numbers in [0, 1). Undefined when there are none.
 */
export const pick = <C extends Candidate>(candidates: readonly C[], now: number, random: () => number): C | undefined => {
  const isOut = ({ejectedUntil}: C): boolean => ejectedUntil > now
  const healthy = candidates.some(isOut) ? candidates.filter(one => !isOut(one)) : candidates
  const heard = healthy.length < candidates.length ? candidates.filter(one => !isOut(one) || one.isSilent !== true) : candidates
  const known = heard.length > 0 ? heard : candidates
  const ejected = known.length - healthy.length
  const pool = healthy.length > 0 && ejected <= known.length * ejectedShareMax ? healthy : known
  const near = pool.filter(candidate => candidate.near === true)
  if (near.length === 0 || near.length === pool.length) return pickOf(pool, now, random)
  const here = pickOf(near, now, random)
  const elsewhere = pickOf(
    pool.filter(candidate => candidate.near !== true),
    now,
    random,
  )
  return here === undefined || elsewhere === undefined ? (here ?? elsewhere) : better(here, elsewhere, now, random)
}

/** This many answers in a row that say the instance does not work eject it, as a broken connection does. */
export const errorsInARowMax = 5

/** Whether an answer says that the instance itself does not work, rather than that it did not like the request (RFC 9110 §15.6.3–5). */
export const isInstanceError = (status: number): boolean => status >= 502 && status <= 504

export const ejectionMsBase = 2_000
export const ejectionMsMax = 16_000

/** How long an instance is passed over after its n-th connection failure in a row. */
export const ejectionMs = (failures: number): number =>
  failures <= 0 ? 0 : Math.min(ejectionMsMax, ejectionMsBase * 2 ** Math.min(failures - 1, 10))

const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** RFC 9110 §9.2.2: repeating the request has the same intended effect as sending it once. */
export const isIdempotent = (method: string): boolean => idempotent.has(method)

export const attemptsMax = 3

/** What is known of an attempt that failed before an answer came. */
export interface FailedAttempt {
  readonly method: string
  /** How many attempts were made, this one included. */
  readonly attempts: number
  /** Whether any byte of the request may have reached the instance. */
  readonly sent: boolean
  /** Whether any byte of the request's body was taken from the client; what was taken is gone. */
  readonly bodyConsumed: boolean
  /** The instance took the request and did not answer in time: it may still be working on it. */
  readonly timedOut: boolean
}

/** Whether the same request may go to another instance: nothing was sent, or sending it twice is harmless and still possible. */
export const mayRetry = ({method, attempts, sent, bodyConsumed, timedOut}: FailedAttempt): boolean =>
  attempts < attemptsMax && !bodyConsumed && (!sent || (isIdempotent(method) && !timedOut))

/** Retries allowed on top of ordinary traffic: tokens earned by requests and spent by retries. */
export interface RetryBudget {
  readonly tokens: number
}
export const retryTokensMax = 50
/** One retry for every five requests, so that a failing service never sees much more than its ordinary load. */
export const retryTokensPerRequest = 0.2

export const newRetryBudget = (): RetryBudget => ({tokens: retryTokensMax})
export const earn = (budget: RetryBudget): RetryBudget =>
  budget.tokens >= retryTokensMax ? budget : {tokens: Math.min(retryTokensMax, budget.tokens + retryTokensPerRequest)}
/** The budget after one retry; undefined when it does not allow one. */
export const spend = ({tokens}: RetryBudget): RetryBudget | undefined => (tokens < 1 ? undefined : {tokens: tokens - 1})
