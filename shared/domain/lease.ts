// When an executor is lost: its lease is over, and somebody watched for a whole lease. Pure: the time comes in.
import {type Executor, executorLeaseMs} from './executor.ts'

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
