// Which instance gets a request, when one is passed over, and when a request may be tried again. Pure: clock and randomness come in.

/** One instance as the balancer sees it. */
export interface Candidate {
  readonly inFlight: number
  /** Milliseconds since the epoch until which it is passed over; 0 when it is not. */
  readonly ejectedUntil: number
}

/** When more than this share of a service is ejected, ejection is more likely our own trouble than theirs: all may be picked again. */
export const ejectedShareMax = 0.5

const less = <C extends Candidate>(a: C, b: C, now: number): C => {
  const aOut = a.ejectedUntil > now
  const bOut = b.ejectedUntil > now
  if (aOut !== bOut) return aOut ? b : a
  return b.inFlight < a.inFlight ? b : a
}

/**
 * The less busy of two random candidates (Mitzenmacher, "The power of two choices", 2001), passing over ejected ones while at most
 * {@link ejectedShareMax} of all are ejected. `random` gives numbers in [0, 1). Undefined when there are none.
 */
export const pick = <C extends Candidate>(candidates: readonly C[], now: number, random: () => number): C | undefined => {
  const isOut = ({ejectedUntil}: C): boolean => ejectedUntil > now
  const healthy = candidates.some(isOut) ? candidates.filter(one => !isOut(one)) : candidates
  const ejected = candidates.length - healthy.length
  const pool = healthy.length > 0 && ejected <= candidates.length * ejectedShareMax ? healthy : candidates
  const first = Math.floor(random() * pool.length)
  const a = pool[first]
  if (a === undefined || pool.length === 1) return a
  const second = Math.floor(random() * (pool.length - 1))
  const b = pool[second < first ? second : second + 1]
  return b === undefined ? a : less(a, b, now)
}

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
export const earn = ({tokens}: RetryBudget): RetryBudget => ({tokens: Math.min(retryTokensMax, tokens + retryTokensPerRequest)})
/** The budget after one retry; undefined when it does not allow one. */
export const spend = ({tokens}: RetryBudget): RetryBudget | undefined => (tokens < 1 ? undefined : {tokens: tokens - 1})
