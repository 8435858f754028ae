// Between items and domain objects: what an item carries besides the domain's fields, and when it ends.
import type {DesiredScale, Formation} from '#shared/domain/formation.ts'
import type {Instance} from '#shared/domain/instance.ts'
import type {Rollout} from '#shared/domain/rollout.ts'
import {type ItemType, indexPartitions, keys} from './schema.ts'
import type {Item} from './table.ts'
import type {RegistryEntry} from './types.ts'

const storeAttributes: ReadonlySet<string> = new Set(['pk', 'sk', 'gsi1pk', 'gsi1sk', 'type', 'ttl'])

/** The domain's fields of an item. The store alone writes items, so their shape is known by their type. */
export const domainOf = <T>(item: Item, ...alsoDrop: readonly string[]): T => {
  // Listings of thousands of executors go through here: what is deleted from would be slow to read.
  const rest: Record<string, unknown> = {}
  for (const name of Object.keys(item)) if (!storeAttributes.has(name) && !alsoDrop.includes(name)) rest[name] = item[name]
  return rest as T
}

/** An item: its fields, its key, and what it is. */
export const typed = (type: ItemType, key: {pk: string; sk: string}, fields: object): Item => ({...fields, ...key, type})

/** DynamoDB's TTL attribute, in seconds, for something that ends at `at`. It deletes late or never, so readers filter too. */
export const ttlOf = (at: number): number => Math.ceil(at / 1_000)

/** A time as part of a sort key: text order is time order. */
export const sortable = (at: number): string => String(at).padStart(15, '0')

export const formationItem = (formation: Formation): Item => ({
  ...typed('formation', keys.formation(formation.name), formation),
  gsi1pk: indexPartitions.formations,
  gsi1sk: formation.name,
})

/** Lists an instance in the sparse index of those that are to be placed. */
export const waitingKeys = ({formation, id, createdAt}: Pick<Instance, 'formation' | 'id' | 'createdAt'>) => ({
  gsi1pk: indexPartitions.pending(id),
  gsi1sk: `${sortable(createdAt)}#${formation}#${id}`,
})

/** A pending instance, listed until it is assigned or stopped; one that is held is not, until it is freed. */
export const pendingItem = (instance: Instance): Item => ({
  ...typed('instance', keys.instance(instance.formation, instance.id), instance),
  ...(instance.held === undefined && waitingKeys(instance)),
})

/** `body` travels as text: JSON has numbers and depths that DynamoDB refuses. */
export const announcementItem = ({body, ...entry}: RegistryEntry): Item => ({
  ...typed('announcement', keys.announcement(entry.formation, entry.service, entry.id), {...entry, body: JSON.stringify(body)}),
  ...(entry.expiresAt !== undefined && {ttl: ttlOf(entry.expiresAt)}),
})

export const announcementOf = (item: Item): RegistryEntry => {
  const {body, ...entry} = domainOf<Omit<RegistryEntry, 'body'> & {readonly body: string}>(item)
  return {...entry, body: JSON.parse(body) as RegistryEntry['body']}
}

export const formationOf = (item: Item): Formation => domainOf<Formation>(item, 'destroyedAt')
export const scaleOf = (item: Item): DesiredScale => domainOf<DesiredScale>(item, 'updatedAt')
export const rolloutOf = (item: Item): Rollout => domainOf<Rollout>(item, 'before')
export const instanceOf = (item: Item): Instance => domainOf<Instance>(item, 'announced', 'reportSequence')
