// What an instance holds while it is placed — capacity, host ports, an assignment, an announcement — and the writes that take and free it.
import type {Instance} from '#shared/domain/instance.ts'
import type {Resources} from '#shared/domain/release.ts'
import {type Condition, exists, volumeHeldBy} from './conditions.ts'
import {keys} from './schema.ts'
import type {Write} from './table.ts'

/** Host ports that the instance's definition fixes; others are the agent's choice. */
export const fixedHostPorts = (instance: Pick<Instance, 'ports'>): number[] =>
  instance.ports.flatMap(each => (each.hostPort === undefined ? [] : [each.hostPort]))

export const totalOf = (instances: readonly Pick<Instance, 'resources'>[]): Resources => ({
  cpuMilli: instances.reduce((sum, each) => sum + each.resources.cpuMilli, 0),
  memoryMib: instances.reduce((sum, each) => sum + each.resources.memoryMib, 0),
})

const portSet = (ports: readonly number[]): Set<number> | undefined => (ports.length === 0 ? undefined : new Set(ports))

/** What placing these instances adds to their executor's usage. */
export const usageTaken = (instances: readonly Instance[]) => {
  const {cpuMilli, memoryMib} = totalOf(instances)
  const hostPorts = portSet(instances.flatMap(fixedHostPorts))
  return {add: {cpuMilliUsed: cpuMilli, memoryMibUsed: memoryMib, instances: instances.length, hostPorts}}
}

/** Tells the executor's agent that its assignments changed. */
export const assignmentsMove = (executor: string, when: Condition = exists): Write => ({
  update: keys.lease(executor),
  change: {add: {assignmentVersion: 1}},
  when,
})

/**
 * Frees all that a placed instance holds on `executor`, whose own item (the first) is as `when` says, and its lease (the fourth) as `leaseWhen` does; goes
 * into the transaction that ends it.
 */
export const freed = (instance: Instance, executor: string, when: Condition = exists, leaseWhen: Condition = exists): Write[] => [
  {
    update: keys.executor(executor),
    change: {
      add: {cpuMilliUsed: -instance.resources.cpuMilli, memoryMibUsed: -instance.resources.memoryMib, instances: -1},
      take: {hostPorts: portSet(fixedHostPorts(instance))},
    },
    when,
  },
  {delete: keys.assignment(executor, instance.formation, instance.id)},
  {delete: keys.announcement(instance.formation, instance.service, instance.id)},
  assignmentsMove(executor, leaseWhen),
  ...(instance.volume === undefined
    ? []
    : [{update: keys.volume(instance.formation, instance.service), change: {remove: ['holder']}, when: volumeHeldBy(instance.id)}]),
]
