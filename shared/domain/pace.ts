// How often those who ask the control plane ask again, and what others may rely on for it. Pure: quiet times come in.

/** Share of every wait that is random, either way, so that many do not ask at once. */
export const waitJitterShare = 0.1

/** Longest wait of an agent between two syncs that were answered, whatever the control plane asks for; jitter comes on top. */
export const syncMsMax = 20_000
/** Longest wait of an agent between two tries that failed; jitter comes on top. */
export const syncRetryMsMax = 5_000

/** How soon to ask again: while something is going on, and when nothing has been for long. Milliseconds. */
export interface Pace {
  readonly busyMs: number
  readonly idleMs: number
}

/** Waits grow to this share of the time for which there was nothing new. */
const quietShare = 0.25

/**
 * When to ask again after `quietMs` without news: a quarter of it, between the two of `pace`. So one who missed a change hears of it within a quarter more of
 * the time that it was quiet, and a change makes everybody ask often again.
 */
export const askAgainMs = (quietMs: number, {busyMs, idleMs}: Pace): number =>
  Math.round(Math.min(Math.max(quietMs * quietShare, busyMs), Math.max(idleMs, busyMs)))

/** For one call that takes its time, or fails once and is repeated. */
const drainMarginMs = 4_000

/**
 * How long an instance that is withdrawn goes on serving before it is told to stop, where routers and proxies ask for changes at least every `pollMs`: all of
 * them have heard of it by then, with jitter and one try that failed.
 */
export const drainMsFor = (pollMs: number): number => Math.round(pollMs * (1 + waitJitterShare)) + drainMarginMs
