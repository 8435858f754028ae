// The scheduler's commit: instance, assignment and executor usage in one transaction, so that an instance is assigned at most once and never moves.
import type {Executor} from '#shared/domain/executor.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {executorHasRoom, instanceUnassigned, notExists, volumeFree} from './conditions.ts'
import {typed} from './items.ts'
import {assignmentsMove, fixedHostPorts, totalOf, usageTaken} from './placement.ts'
import {keys} from './schema.ts'
import {type Table, transact, transactionsOf, type Write} from './table.ts'
import type {AssignedInstance, AssignResult, InstanceStore} from './types.ts'

/** Two writes each and two for the executor stay under DynamoDB's 100 per transaction, and a lost race costs little. */
const instancesPerTransactionMax = 20

const assignedInstance = (instance: Instance, executor: string): AssignedInstance => {
  const {formation, service, id, release, resources, ports, run, onLost, given, volume} = instance
  const more = {
    ...(run !== undefined && {run}),
    ...(onLost !== undefined && {onLost}),
    ...(given !== undefined && {given}),
    ...(volume !== undefined && {volume: volume.id ?? id}),
  }
  return {executor, formation, service, id, release, resources, ports, ...more, stop: false}
}

/** Its volume stays on this executor from now on, and is this instance’s until that ends: never do two have it. */
const volumeWrites = ({formation, service, id, volume}: Instance, executor: string, now: number): Write[] => {
  if (volume === undefined) return []
  const key = keys.volume(formation, service)
  if (volume.id !== undefined) return [{update: key, change: {set: {holder: id}}, when: volumeFree(volume.id, executor)}]
  return [{put: typed('volume', key, {formation, service, id, executor, holder: id, createdAt: now}), when: notExists}]
}

const assignWrites = (instance: Instance, executor: string, now: number): Write[] => [
  {
    update: keys.instance(instance.formation, instance.id),
    change: {set: {state: 'assigned', executor, assignedAt: now, updatedAt: now}, remove: ['gsi1pk', 'gsi1sk', 'reason']},
    when: instanceUnassigned,
  },
  {put: typed('assignment', keys.assignment(executor, instance.formation, instance.id), assignedInstance(instance, executor))},
  ...volumeWrites(instance, executor, now),
]

const commit = async (table: Table, executor: Executor, batch: readonly Instance[], now: number): Promise<boolean> => {
  const refused = await transact(table, [
    {
      update: keys.executor(executor.id),
      change: usageTaken(batch),
      when: executorHasRoom(executor, totalOf(batch), batch.flatMap(fixedHostPorts)),
    },
    assignmentsMove(executor.id),
    ...batch.flatMap(instance => assignWrites(instance, executor.id, now)),
  ])
  return refused === undefined
}

const assigned = (instance: Instance, executor: string, now: number): Instance => {
  const {reason: _, ...rest} = instance
  return {...rest, state: 'assigned', executor, assignedAt: now, updatedAt: now}
}

/** Instances that fix host ports go one by one: a set can not hold the same port twice, so a batch could hide a clash. */
const batchesOf = (instances: readonly Instance[]): Instance[][] => {
  const fixing = instances.filter(each => fixedHostPorts(each).length > 0)
  const free = instances.filter(each => fixedHostPorts(each).length === 0)
  return [...fixing.map(each => [each]), ...transactionsOf(free, instancesPerTransactionMax)]
}

/** Commits batch by batch; a batch that lost a race is tried once more, instance by instance. */
export const assign =
  (table: Table): InstanceStore['assign'] =>
  async (executor, instances, now): Promise<AssignResult> => {
    const done: Instance[] = []
    const refused: Instance[] = []
    for (const batch of batchesOf(instances)) {
      if (await commit(table, executor, batch, now)) {
        done.push(...batch)
        continue
      }
      for (const one of batch) {
        const ok = batch.length > 1 && (await commit(table, executor, [one], now))
        ;(ok ? done : refused).push(one)
      }
    }
    return {assigned: done.map(each => assigned(each, executor.id, now)), refused}
  }
