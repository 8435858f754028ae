// Why an executor can not take an instance, each reason with the change that would remove it. Owns the words and their order; pure.

import {diskFreeMibMin, type Executor, isDiskFull} from './executor.ts'
import type {ExecutorFacts} from './placement-facts.ts'
import {type CompiledRequirement, hostPortsOf, type PlacementRequest} from './placement-rules.ts'
import {offersRuntime} from './release.ts'

/** One reason, and what to change about it: `effort` orders changes, smallest first. */
export interface Reason {
  readonly reason: string
  readonly change: string
  readonly effort: number
}

/** How hard a change is. A part of an executor’s resources lies between 1 and 2: the share of its total that is missing. */
export const effort = {
  uncordon: 0.4,
  undrain: 0.5,
  disk: 0.6,
  resources: 1,
  hostPort: 2,
  suggested: 3,
  requirement: 4,
  runtime: 5,
  lost: 6,
} as const

/** At most three decimals, none that say nothing. */
export const amount = (value: number): string => String(Math.round(value * 1_000) / 1_000)

/** `1.5 more cores`, `1 more core`. */
const cores = (milli: number): string => `${amount(milli / 1_000)} more ${milli === 1_000 ? 'core' : 'cores'}`

const resource = (missing: number, total: number, reason: string, change: string): Reason => ({
  reason,
  change,
  effort: effort.resources + Math.min(1, missing / Math.max(1, total)),
})

/** Whether the executor takes new instances at all: ready, its lease is running, and its disk is not full. */
export const isOpen = (executor: Executor, now: number): boolean =>
  executor.state === 'ready' && executor.leaseExpiresAt > now && !isDiskFull(executor)

const closedReason = (executor: Executor, now: number): Reason | undefined => {
  const {state, leaseExpiresAt, diskFreeMib} = executor
  if (state === 'cordoned') return {reason: 'cordoned', change: 'uncordon it', effort: effort.uncordon}
  if (state === 'draining') return {reason: 'draining', change: 'end its draining', effort: effort.undrain}
  if (state === 'lost' || leaseExpiresAt <= now)
    return {reason: state === 'lost' ? 'lost' : 'its lease is over', change: 'bring its agent back', effort: effort.lost}
  if (isDiskFull(executor))
    return {
      reason: `its disk is full: ${diskFreeMib} MiB free`,
      change: `make room on its disk, for ${diskFreeMibMin} MiB`,
      effort: effort.disk,
    }
  return undefined
}

const resourceReasons = (executor: Executor, {resources}: PlacementRequest): Reason[] => {
  const cpuFree = executor.cpuMilli - executor.cpuMilliUsed
  const memoryFree = executor.memoryMib - executor.memoryMibUsed
  const reasons: Reason[] = []
  if (resources.cpuMilli > cpuFree) {
    const missing = resources.cpuMilli - cpuFree
    const reason = `needs ${amount(resources.cpuMilli / 1_000)} cores, ${amount(cpuFree / 1_000)} of ${amount(executor.cpuMilli / 1_000)} free`
    reasons.push(resource(missing, executor.cpuMilli, reason, `needs ${cores(missing)}`))
  }
  if (resources.memoryMib > memoryFree) {
    const missing = resources.memoryMib - memoryFree
    const reason = `needs ${resources.memoryMib} MiB of memory, ${memoryFree} of ${executor.memoryMib} free`
    reasons.push(resource(missing, executor.memoryMib, reason, `needs ${missing} MiB more memory`))
  }
  return reasons
}

const portReasons = (executor: Executor, request: PlacementRequest): Reason[] =>
  hostPortsOf(request)
    .filter(port => executor.hostPorts.includes(port))
    .map(port => ({reason: `host port ${port} is in use`, change: `free host port ${port}`, effort: effort.hostPort}))

const requirementReason = (requirement: CompiledRequirement, facts: ExecutorFacts): Reason | undefined => {
  const verdict = requirement.evaluate(facts)
  if (verdict === true) return undefined
  const reason =
    verdict === false ? `requirement does not hold: ${requirement.text}` : `requirement failed: ${requirement.text}: ${verdict}`
  const change = requirement.change(facts)
  if (change === undefined) return {reason, change: `make this hold: ${requirement.text}`, effort: effort.requirement}
  return {reason, change, effort: effort.suggested}
}

/** Every reason why `executor` can not take `request` now; none when it can. */
export const reasonsAgainst = (
  executor: Executor,
  facts: ExecutorFacts,
  request: PlacementRequest,
  requirements: readonly CompiledRequirement[],
  now: number,
): Reason[] => {
  const reasons: Reason[] = []
  const closed = closedReason(executor, now)
  if (closed !== undefined) reasons.push(closed)
  if (!offersRuntime(executor.runtimes, request.runtime))
    reasons.push({
      reason: `has no ${request.runtime === 'either' ? '' : `${request.runtime} `}runtime`,
      change: `offer the ${request.runtime} runtime`,
      effort: effort.runtime,
    })
  reasons.push(...resourceReasons(executor, request), ...portReasons(executor, request))
  for (const requirement of requirements) {
    const reason = requirementReason(requirement, facts)
    if (reason !== undefined) reasons.push(reason)
  }
  return reasons
}

/** Orders refused executors by how little would have to change: fewest reasons, then least effort. */
export const effortOf = (reasons: readonly Reason[]): number => reasons.reduce((sum, {effort: one}) => sum + 10 + one, 0)

/** The changes that would remove all reasons, each once: `needs 1.5 more cores and add the tag "ssd"`. */
export const changeOf = (reasons: readonly Reason[]): string => [...new Set(reasons.map(({change}) => change))].join(' and ')
