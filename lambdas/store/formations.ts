// Formations: the names that own everything else, and the one read the reconciler decides on.
import type {Formation} from '#shared/domain/formation.ts'
import {isTerminal} from '#shared/domain/instance.ts'
import type {Volume} from '#shared/domain/volume.ts'
import {exists, formationDestroying, notExists} from './conditions.ts'
import {touchDiscovery} from './discovery.ts'
import {domainOf, formationItem, formationOf, instanceOf, rolloutOf, scaleOf} from './items.ts'
import {indexPartitions, keys} from './schema.ts'
import {deleteMany, get, type Item, type Key, query, type Table, transact, write, writeNoting} from './table.ts'
import type {FormationStore, FormationView, RouteStore} from './types.ts'

const viewOf = (items: readonly Item[]): FormationView | undefined => {
  const of = (type: string) => items.filter(item => item.type === type)
  const [formation] = of('formation')
  if (formation === undefined) return undefined
  return {
    formation: formationOf(formation),
    scales: of('scale').map(scaleOf),
    rollouts: of('rollout').map(rolloutOf),
    instances: of('instance').map(instanceOf),
    volumes: of('volume').map(item => domainOf<Volume>(item)),
  }
}

const keyOf = (item: Item): Key => ({pk: item.pk as string, sk: item.sk as string})

/** Everything a formation owns but its own item. The version of its registry stays, so that readers who hold one notice what comes later, and so do volumes: their data is on executors. */
const itemsOwned = async (table: Table, name: string): Promise<Key[]> => {
  const partitions = [keys.formation(name).pk, keys.release(name, 0).pk, keys.discovery(name).pk, keys.secret(name, '').pk]
  const items = (await Promise.all(partitions.map(partition => query(table, partition)))).flat()
  return items.filter(item => item.type !== 'formation' && item.type !== 'discovery' && item.type !== 'volume').map(keyOf)
}

const remove = async (table: Table, routes: RouteStore, name: string) => {
  const view = viewOf(await query(table, keys.formation(name).pk))
  if (view === undefined) return {outcome: 'missing'} as const
  if (view.formation.state !== 'destroying' || view.instances.some(each => !isTerminal(each.state))) return {outcome: 'conflict'} as const
  const owned = (await routes.list()).filter(route => route.formation === name)
  for (const route of owned) await routes.delete(route.name)
  await deleteMany(table, await itemsOwned(table, name))
  await touchDiscovery(table, [name])
  const deleted = await write(table, {delete: keys.formation(name), when: formationDestroying})
  return {outcome: deleted === undefined ? 'missing' : 'ok'} as const
}

export const createFormationStore = (table: Table, routes: RouteStore): FormationStore => {
  const find = async (name: string): Promise<Formation | undefined> => {
    const item = await get(table, keys.formation(name))
    return item === undefined ? undefined : formationOf(item)
  }

  return {
    get: find,

    create: async (name, now) => {
      const formation: Formation = {name, state: 'active', createdAt: now, latestRelease: 0, version: 0}
      // A transaction, though it is one write: when its answer is lost, asking again finds it done instead of somebody's formation.
      const refused = await transact(table, [{put: formationItem(formation), when: notExists}], {
        action: 'formation.create',
        formation: name,
        what: `formation ${name}`,
      })
      if (refused === undefined) return {outcome: 'ok', formation}
      return {outcome: (await find(name))?.state === 'destroying' ? 'destroying' : 'exists'}
    },

    list: async () => (await query(table, indexPartitions.formations, {index: 'gsi1'})).map(formationOf),

    destroy: async (name, now) => {
      const change = {set: {state: 'destroying', destroyedAt: now}, add: {version: 1}}
      const before = await find(name)
      const deed = {action: 'formation.destroy', formation: name, what: `formation ${name}`, from: {state: before?.state}} as const
      const done = await writeNoting(table, {update: keys.formation(name), change, when: exists}, {...deed, to: {state: 'destroying'}})
      return before === undefined || !done ? {outcome: 'missing'} : {outcome: 'ok', formation: {...before, state: 'destroying'}}
    },

    remove: name => remove(table, routes, name),

    load: async name => viewOf(await query(table, keys.formation(name).pk)),
  }
}
