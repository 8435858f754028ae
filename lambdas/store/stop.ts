// Ending an instance from the control plane's side: asking it to stop, and giving it up with its lost executor.
import {type Instance, isTerminal} from '#shared/domain/instance.ts'
import {all, executorIs, exists, instanceStill, instanceUnassigned, leaseStill} from './conditions.ts'
import {discoveryMoves, touchDiscovery} from './discovery.ts'
import {assignmentsMove, freed} from './placement.ts'
import {changeTo, raceTriesMax, readInstance, type StoredInstance} from './report.ts'
import {keys} from './schema.ts'
import {type Deed, type Table, transact, writeNoting} from './table.ts'
import type {InstanceStore, Not, Ok} from './types.ts'

type Ended = Ok<{instance: Instance}> | Not<'missing' | 'ended'>
/** Where the executor and its lease are among the writes that lose an instance. */
const executorAt = 1
const leaseAt = 4

const stopOf = ({formation, service, id, state}: Instance, after: Instance): Deed => ({
  action: 'instance.stop',
  formation,
  what: `instance ${service}.${id}`,
  from: {state},
  to: {state: after.state, reason: after.reason},
})

const stopPending = async (table: Table, instance: Instance, reason: string, now: number): Promise<Instance | undefined> => {
  const after: Instance = {...instance, state: 'stopped', reason, updatedAt: now, endedAt: now}
  const change = changeTo(after, false)
  const update = {update: keys.instance(instance.formation, instance.id), change: {...change, remove: ['exitCode', 'gsi1pk', 'gsi1sk']}}
  return (await writeNoting(table, {...update, when: instanceUnassigned}, stopOf(instance, after))) ? after : undefined
}

/** Withdraws it in the same step, so that callers leave it before its agent hears of it. */
const stopPlaced = async (
  table: Table,
  instance: Instance,
  executor: string,
  reason: string,
  now: number,
): Promise<Instance | undefined> => {
  const after: Instance = {...instance, state: 'stopping', reason, updatedAt: now}
  const {formation, service, id} = instance
  const refused = await transact(
    table,
    [
      {update: keys.instance(formation, id), change: changeTo(after, false), when: instanceStill(instance.state, executor)},
      {update: keys.assignment(executor, formation, id), change: {set: {stop: true}}, when: exists},
      {delete: keys.announcement(formation, service, id)},
      assignmentsMove(executor),
    ],
    stopOf(instance, after),
  )
  if (refused !== undefined) return undefined
  return after
}

const stop = async (table: Table, {instance}: StoredInstance, reason: string, now: number): Promise<Ended | 'again'> => {
  const {state, executor} = instance
  if (isTerminal(state)) return {outcome: 'ended'}
  let after: Instance | undefined = instance
  if (executor === undefined) after = await stopPending(table, instance, reason, now)
  else if (state !== 'stopping') after = await stopPlaced(table, instance, executor, reason, now)
  if (after === undefined) return 'again'
  if (executor !== undefined) await touchDiscovery(table, [instance.formation])
  return {outcome: 'ok', instance: after}
}

/** With `lease`, the executor need not be lost: it has not synced since its lease was to end then. */
const lose = async (
  table: Table,
  {instance}: StoredInstance,
  reason: string,
  now: number,
  lease?: number,
): Promise<Ended | Not<'alive'> | 'again'> => {
  const {state, executor} = instance
  if (isTerminal(state)) return {outcome: 'ended'}
  if (executor === undefined) return {outcome: 'missing'}
  const after: Instance = {...instance, state: 'lost', reason, updatedAt: now, endedAt: now}
  const refused = await transact(table, [
    {update: keys.instance(instance.formation, instance.id), change: changeTo(after, false), when: instanceStill(state, executor)},
    ...(lease === undefined
      ? freed(instance, executor, executorIs('lost'))
      : [...freed(instance, executor, exists, all(exists, leaseStill(lease))), discoveryMoves(instance.formation)]),
  ])
  if (refused === undefined) return {outcome: 'ok', instance: after}
  // It joined again meanwhile, and this instance may be one that it was given since.
  return refused.includes(executorAt) || refused.includes(leaseAt) ? {outcome: 'alive'} : 'again'
}

type Step<Outcome> = (table: Table, stored: StoredInstance, reason: string, now: number, lease?: number) => Promise<Outcome | 'again'>

/** Reads the instance and takes one step from there, again when the step lost a race. */
const stepping =
  <Outcome extends Ended | Not<'alive'>>(table: Table, step: Step<Outcome>) =>
  async (formation: string, id: string, reason: string, now: number, lease?: number): Promise<Outcome | Not<'missing' | 'conflict'>> => {
    for (let tries = 0; tries < raceTriesMax; tries++) {
      const stored = await readInstance(table, formation, id)
      if (stored === undefined) return {outcome: 'missing'}
      const outcome = await step(table, stored, reason, now, lease)
      if (outcome !== 'again') return outcome
    }
    return {outcome: 'conflict'}
  }

export const requestStop = (table: Table): InstanceStore['requestStop'] => stepping(table, stop)
export const loseInstance = (table: Table): InstanceStore['lose'] => stepping(table, lose)
