// Instances: added by reconciler and spawn, listed, refused, forgotten. Assigning, reporting and ending are in files of their own.
import {type Instance, isTerminal} from '#shared/domain/instance.ts'
import {assign} from './assign.ts'
import {
  all,
  formationActive,
  formationAtVersion,
  instanceHeld,
  instanceServing,
  instanceUnassigned,
  notExists,
  notOutdated,
} from './conditions.ts'
import {instanceOf, pendingItem, waitingKeys} from './items.ts'
import {takeReport} from './report.ts'
import {whyNotActive} from './scales.ts'
import {keys, pendingPartitions} from './schema.ts'
import {loseInstance, requestStop} from './stop.ts'
import {type Deed, get, query, type Table, transact, write, writeNoting, writesPerTransactionMax} from './table.ts'
import type {InstanceStore} from './types.ts'

/** One transaction with the formation's guard. */
export const createInstancesMax = writesPerTransactionMax

const byAge = (a: {createdAt: number; id: string}, b: {createdAt: number; id: string}): number =>
  a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)

const create =
  (table: Table): InstanceStore['create'] =>
  async (formation, expectedVersion, instances) => {
    if (instances.length > createInstancesMax) throw new RangeError(`${instances.length} instances at once; at most ${createInstancesMax}`)
    const refused = await transact(table, [
      {update: keys.formation(formation), change: {add: {version: 1}}, when: all(formationActive, formationAtVersion(expectedVersion))},
      ...instances.map(each => ({put: pendingItem(each), when: notExists})),
    ])
    return refused === undefined ? {outcome: 'ok', version: expectedVersion + 1} : {outcome: 'conflict'}
  }

const spawnOf = ({formation, service, id, release, requirements, run}: Instance): Deed => ({
  action: run === undefined ? 'instance.spawn' : 'instance.run',
  formation,
  what: `instance ${service}.${id}`,
  to: {release, requirements, ...(run !== undefined && {command: run.command, session: run.line?.id})},
})

const spawn =
  (table: Table): InstanceStore['spawn'] =>
  async instance => {
    const refused = await transact(
      table,
      [
        {check: keys.formation(instance.formation), when: formationActive},
        {put: pendingItem(instance), when: notExists},
      ],
      spawnOf(instance),
    )
    if (refused === undefined) return {outcome: 'ok', instance}
    return refused.includes(0) ? await whyNotActive(table, instance.formation) : {outcome: 'exists'}
  }

export const createInstanceStore = (table: Table): InstanceStore => ({
  create: create(table),
  spawn: spawn(table),
  assign: assign(table),
  report: takeReport(table),
  requestStop: requestStop(table),
  lose: loseInstance(table),

  outdate: async (formation, id, outdated, now) => {
    const update = {update: keys.instance(formation, id), change: {set: {outdated, updatedAt: now}}}
    return {outcome: (await write(table, {...update, when: instanceServing})) === undefined ? 'conflict' : 'ok'}
  },

  shift: async (formation, id, outdated, now) => {
    const update = {update: keys.instance(formation, id), change: {set: {outdated, updatedAt: now}}}
    const deed: Deed = {action: 'instance.rebalance', formation, what: `instance ${id}`, to: {reason: outdated}}
    return {outcome: (await writeNoting(table, {...update, when: all(instanceServing, notOutdated)}, deed)) ? 'ok' : 'conflict'}
  },

  free: async (formation, id, given, now) => {
    const item = await get(table, keys.instance(formation, id))
    if (item === undefined) return {outcome: 'conflict'}
    const change = {set: {given, updatedAt: now, ...waitingKeys(instanceOf(item))}, remove: ['held', 'reason']}
    const done = await write(table, {update: keys.instance(formation, id), change, when: all(instanceUnassigned, instanceHeld)})
    return {outcome: done === undefined ? 'conflict' : 'ok'}
  },

  list: async (formation, {endedSince = Number.POSITIVE_INFINITY} = {}) => {
    const items = await query(table, keys.formation(formation).pk, {prefix: 'INSTANCE#'})
    const listed = items.map(instanceOf).filter(each => !isTerminal(each.state) || (each.endedAt ?? 0) >= endedSince)
    return listed.sort(byAge)
  },

  get: async (formation, id) => {
    const item = await get(table, keys.instance(formation, id))
    return item === undefined ? undefined : instanceOf(item)
  },

  pending: async () => {
    const shards = await Promise.all(pendingPartitions.map(partition => query(table, partition, {index: 'gsi1'})))
    return shards.flat().map(instanceOf).sort(byAge)
  },

  refuse: async (formation, id, reason, now) => {
    const update = {update: keys.instance(formation, id), change: {set: {reason, updatedAt: now}}}
    return {outcome: (await write(table, {...update, when: instanceUnassigned})) === undefined ? 'conflict' : 'ok'}
  },
})
