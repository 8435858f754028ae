// Placement as its rules read, without any cleverness: what the real one must agree with.

import {diskFreeMibMin, type Executor} from '#shared/domain/executor.ts'
import type {PendingInstance} from '#shared/domain/placement.ts'
import {ExecutorFacts} from '#shared/domain/placement-facts.ts'
import {type Expressions, type PlacedInstance, rankOfFailure} from '#shared/domain/placement-rules.ts'
import {offersRuntime} from '#shared/domain/release.ts'
import {now} from './arbitraries.ts'

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const factsOf = (executor: Executor, instance: PendingInstance, placed: readonly PlacedInstance[]): ExecutorFacts => {
  const here = placed.filter(each => each.executor === executor.id && each.formation === instance.formation)
  const facts = new ExecutorFacts(executor)
  facts.same_formation = here.length
  facts.same_service = here.filter(each => each.service === instance.service).length
  return facts
}

/** Whether the executor can take the instance, from the definition. */
export const canTake = (
  executor: Executor,
  instance: PendingInstance,
  placed: readonly PlacedInstance[],
  expressions: Expressions,
): boolean => {
  const facts = factsOf(executor, instance, placed)
  return (
    executor.state === 'ready' &&
    executor.leaseExpiresAt > now &&
    (executor.diskFreeMib ?? diskFreeMibMin) >= diskFreeMibMin &&
    offersRuntime(executor.runtimes, instance.runtime) &&
    executor.cpuMilliUsed + instance.resources.cpuMilli <= executor.cpuMilli &&
    executor.memoryMibUsed + instance.resources.memoryMib <= executor.memoryMib &&
    instance.ports.every(({hostPort}) => hostPort === undefined || !executor.hostPorts.includes(hostPort)) &&
    instance.requirements.every(text => expressions.requirement(text).evaluate(facts) === true)
  )
}

const rankOf = (executor: Executor, instance: PendingInstance, placed: readonly PlacedInstance[], expressions: Expressions): number => {
  const value = expressions.rank(instance.rank ?? '-executor.instances').evaluate(factsOf(executor, instance, placed))
  return typeof value === 'number' ? value : rankOfFailure
}

const withInstance = (executor: Executor, {resources, ports}: PendingInstance): Executor => ({
  ...executor,
  cpuMilliUsed: executor.cpuMilliUsed + resources.cpuMilli,
  memoryMibUsed: executor.memoryMibUsed + resources.memoryMib,
  instances: executor.instances + 1,
  hostPorts: [...executor.hostPorts, ...ports.flatMap(({hostPort}) => hostPort ?? [])],
})

/** Tried after all others. */
const avoided = ({id}: Executor, {avoid = []}: PendingInstance): number => (avoid.includes(id) ? 1 : 0)

export interface Step {
  readonly instance: PendingInstance
  readonly executor: string | undefined
}

/** One decision after the other over all executors. */
export const placeByDefinition = (
  executors: readonly Executor[],
  pending: readonly PendingInstance[],
  placed: readonly PlacedInstance[],
  expressions: Expressions,
): Step[] => {
  const state = new Map(executors.map(executor => [executor.id, executor]))
  const neighbours = [...placed]
  const queue = [...pending].sort(
    (a, b) => a.createdAt - b.createdAt || byName(a.formation, b.formation) || byName(a.service, b.service) || byName(a.id, b.id),
  )
  return queue.map(instance => {
    const [best] = [...state.values()]
      .filter(executor => canTake(executor, instance, neighbours, expressions))
      .map(executor => ({executor, rank: rankOf(executor, instance, neighbours, expressions)}))
      .sort(
        (a, b) => avoided(a.executor, instance) - avoided(b.executor, instance) || b.rank - a.rank || byName(a.executor.id, b.executor.id),
      )
    if (best === undefined) return {instance, executor: undefined}
    const {id} = best.executor
    state.set(id, withInstance(best.executor, instance))
    neighbours.push({formation: instance.formation, service: instance.service, executor: id})
    return {instance, executor: id}
  })
}
