// When an executor is lost: its lease is over, and somebody watched for a whole lease. Pure: the time comes in.
import {type Executor, executorLeaseMs} from './executor.ts'

/**
 * Leases that nobody looked at for longer than this were not watched: the control plane may have been away. Below a lease less the longest time between two
 * syncs (`syncMsMax`) and between two tries (`syncRetryMsMax`), each with its jitter, so that an outage too short to be noticed here ends no lease: 45 s less
 * 22 s and 5.5 s are 17.5 s. Whoever runs the reconciler ticks more often than this, or nobody is ever lost.
 */
export const watchGapMsMax = 15_000

/**
 * Executors whose lease is over at `now`, unless leases were not watched for a whole lease: after an outage of the control plane, which no executor
 * could reach, each gets the time of one lease to sync again. `watchedSince` is when watching without a gap began.
 */
export const executorsLost = (executors: readonly Executor[], watchedSince: number, now: number): readonly string[] =>
  now - watchedSince < executorLeaseMs
    ? []
    : executors.filter(each => each.state !== 'lost' && each.leaseExpiresAt < now).map(each => each.id)

/** Executors that were lost and still hold instances: giving them up was interrupted. */
export const executorsHalfLost = (executors: readonly Executor[]): readonly string[] =>
  executors.filter(each => each.state === 'lost' && each.instances > 0).map(each => each.id)
