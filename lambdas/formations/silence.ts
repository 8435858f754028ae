// What an instance's reason says while its executor is not heard from: that, and how long it is still waited for. Nothing of it is kept.
import type {Store} from '#lambdas/store/index.ts'
import {type Instance, isPlaced} from '#shared/domain/instance.ts'
import {silenceReason} from '#shared/domain/lease.ts'

/** The instances, in their order; those of silent executors with that as their reason. */
export const withSilence = async <Some extends readonly Instance[]>(
  {executors}: {readonly executors: Pick<Store['executors'], 'leases'>},
  instances: Some,
  now: number,
): Promise<Some> => {
  const placed = instances.flatMap(({state, executor}) => (executor !== undefined && isPlaced(state) ? [executor] : []))
  if (placed.length === 0) return instances
  const leases = await executors.leases(placed)
  const told = instances.map(instance => {
    const {executor = '', onLost, state} = instance
    const leaseExpiresAt = isPlaced(state) ? leases.get(executor) : undefined
    if (leaseExpiresAt === undefined) return instance
    const held = {...(onLost !== undefined && {onLost}), stop: state === 'stopping'}
    const reason = silenceReason(held, {id: executor, leaseExpiresAt}, now)
    return reason === undefined ? instance : {...instance, reason}
  })
  return told as unknown as Some
}
