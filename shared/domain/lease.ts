// When an executor is lost, and what of it before: its lease is over, somebody watched for a whole lease, and what it runs is not to be waited for any
// longer. Pure: the time comes in.
import {type Executor, executorLeaseMs} from './executor.ts'
import {type OnLost, onLostDefault} from './release.ts'

/**
 * Leases that nobody looked at for longer than this were not watched: the control plane may have been away. Below a lease less the longest time between two
 * syncs (`syncMsMax`) and between two tries (`syncRetryMsMax`), each with its jitter, so that an outage too short to be noticed here ends no lease: 45 s less
 * 22 s and 5.5 s are 17.5 s. Whoever runs the reconciler ticks more often than this, or nobody is ever lost.
 */
export const watchGapMsMax = 15_000

/** An executor that is well was heard from within this time: what {@link watchGapMsMax} leaves of a lease. */
const heardWithinMs = executorLeaseMs - watchGapMsMax

/** An agent that is cut off kills what it must stop this long after asking it to end, whatever its own grace is. */
export const cutOffGraceMsMax = 10_000
/** More than that grace, and what an agent needs to notice. */
const stopMarginMs = 30_000
/** Two clocks may run at different speeds: by 1 %, which is a hundred times more than they do. */
const clockDriftShare = 0.01

/** What a lease can hold on to. */
export interface Held {
  readonly onLost?: OnLost
  /** It is on its way out: nobody wants it kept. */
  readonly stop: boolean
}

/**
 * How long after its executor's last sync an instance is given up, in milliseconds; undefined: never, by silence alone. What its own agent stops after
 * T is given up later than T, so that it is gone by then.
 */
export const givenUpAfterMs = ({onLost = onLostDefault, stop}: Held): number | undefined => {
  const afterMs = Math.max(onLost.afterMs, executorLeaseMs)
  switch (onLost.action) {
    case 'replace':
      return afterMs
    case 'stop':
      return Math.ceil(afterMs * (1 + clockDriftShare)) + stopMarginMs
    case 'keep':
      return stop ? executorLeaseMs : undefined
  }
}

/** Milliseconds since the executor's last sync; negative when clocks differ. */
export const silenceMs = ({leaseExpiresAt}: Pick<Executor, 'leaseExpiresAt'>, now: number): number =>
  now - (leaseExpiresAt - executorLeaseMs)

/** Nobody has heard from it for a lease: what it runs may be running on. */
export const isSilent = ({leaseExpiresAt}: Pick<Executor, 'leaseExpiresAt'>, now: number): boolean => leaseExpiresAt < now

/** Executors that may be given something. */
const takers = (executors: readonly Executor[]): readonly Executor[] => executors.filter(each => each.state === 'ready')

/**
 * Whether an executor is heard from that could take over. When none is, our way to all of them is more likely to be cut than all of them gone, and giving
 * something up would help nobody: such time counts as not watched.
 */
export const isAnyHeard = (executors: readonly Executor[], now: number): boolean =>
  takers(executors).some(each => silenceMs(each, now) <= heardWithinMs)

/**
 * Executors that are silent at `now` and not given up, unless leases were not watched for a whole lease: after an outage of the control plane, or of the way
 * to it, each gets the time of one lease to sync again. `watchedSince` is when watching without a gap began. One counts as silent only when another, which
 * could take over, was heard from after it should have been: while leases of a stage that is cut off end one by one, none does.
 */
export const executorsSilent = (executors: readonly Executor[], watchedSince: number, now: number): readonly Executor[] => {
  if (now - watchedSince < executorLeaseMs) return []
  const lastLease = takers(executors).reduce((last, {leaseExpiresAt}) => Math.max(last, leaseExpiresAt), 0)
  return executors.filter(each => each.state !== 'lost' && isSilent(each, now) && lastLease - each.leaseExpiresAt > heardWithinMs)
}

/** Whether it is not to be waited for any longer. */
export const isGivenUp = (held: Held, executor: Pick<Executor, 'leaseExpiresAt'>, now: number): boolean => {
  const afterMs = givenUpAfterMs(held)
  return afterMs !== undefined && silenceMs(executor, now) > afterMs
}

/** Executors that were lost and still hold instances: giving them up was interrupted. */
export const executorsHalfLost = (executors: readonly Executor[]): readonly string[] =>
  executors.filter(each => each.state === 'lost' && each.instances > 0).map(each => each.id)

/** `45s`, `3m`, `2h`, `4d`. */
const roughly = (ms: number): string => {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  if (seconds < 120) return `${seconds}s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`
}

/** What is to be said of an instance of a silent executor, for its owner; undefined while there is nothing to say. */
export const silenceReason = (held: Held, executor: Pick<Executor, 'id' | 'leaseExpiresAt'>, now: number): string | undefined => {
  if (!isSilent(executor, now)) return undefined
  const silence = `${executor.id} has not been heard from for ${roughly(silenceMs(executor, now))}`
  const afterMs = givenUpAfterMs(held)
  if (afterMs === undefined) return `${silence}; kept`
  const left = Math.max(0, afterMs - silenceMs(executor, now))
  const ends = held.onLost?.action === 'stop' ? `; it stops there after ${roughly(held.onLost.afterMs)}` : ''
  // Past its time it is only waited for because nobody who may take over is heard from, or was until now.
  return `${silence}${ends}; ${left > 0 ? `given up in ${roughly(left)}` : 'waited for until an executor that may take over is heard from'}`
}
