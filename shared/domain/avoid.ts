// Where instances of a service failed not long ago: the next ones go elsewhere if they can. Pure.
import type {Instance} from './instance.ts'

/** How long a failure is held against an executor. */
export const avoidForMs = 600_000
/** Executors avoided at the same time, those of the latest failures. */
export const avoidedMax = 8

/** The executors where an instance of that service and release failed, the latest first. Those of other releases say nothing: they may have been at fault themselves. */
export const avoidedOf = (
  instances: readonly Pick<Instance, 'service' | 'release' | 'state' | 'executor' | 'endedAt'>[],
  {service, release}: Pick<Instance, 'service' | 'release'>,
  now: number,
): readonly string[] => {
  const failed = instances.flatMap(each =>
    each.service === service && each.release === release && each.state === 'failed' && each.executor !== undefined
      ? [{executor: each.executor, at: each.endedAt ?? 0}]
      : [],
  )
  const recent = failed.filter(({at}) => now - at < avoidForMs).sort((a, b) => b.at - a.at)
  return [...new Set(recent.map(({executor}) => executor))].slice(0, avoidedMax)
}
