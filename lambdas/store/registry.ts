// The registry: who is alive and where. No reader sees an entry whose time is over or whose executor is lost, whatever is still stored.
import {announcementsPerFormationMax, type Endpoint, type FormationSnapshot} from '#shared/domain/registry.ts'
import {all, exists, notOwned} from './conditions.ts'
import {touchDiscovery} from './discovery.ts'
import {announcementItem, announcementOf} from './items.ts'
import {keys} from './schema.ts'
import {get, getMany, type Item, query, type Table, write} from './table.ts'
import {trafficOf} from './traffic.ts'
import type {RegistryEntry, RegistryStore} from './types.ts'

/** The port callers use when an announcement has one `port` and no `ports`. */
const onlyServicePort = '80'

const isPort = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535

const portsOf = (body: RegistryEntry['body']): Record<string, number> => {
  const {ports, port} = body
  if (typeof ports === 'object' && ports !== null && !Array.isArray(ports)) {
    const valid = Object.entries(ports).filter((entry): entry is [string, number] => /^[0-9]{1,5}$/.test(entry[0]) && isPort(entry[1]))
    if (valid.length > 0) return Object.fromEntries(valid)
  }
  return isPort(port) ? {[onlyServicePort]: port} : {}
}

/** What callers need of an entry; undefined when it has no host and port to call. */
export const endpointOf = (entry: RegistryEntry, zone?: string): Endpoint | undefined => {
  const {service, id, body, executor, expiresAt} = entry
  const ports = portsOf(body)
  if (typeof body.host !== 'string' || body.host === '' || Object.keys(ports).length === 0) return undefined
  const release = executor !== undefined && typeof body.release === 'number' ? body.release : undefined
  return {
    service,
    id,
    host: body.host,
    ports,
    ...(release !== undefined && {release}),
    ...(executor !== undefined && {executor}),
    ...(zone !== undefined && {zone}),
    ...(expiresAt !== undefined && {expiresAt}),
  }
}

/** Zones of the given executors that are not lost. */
const zonesAlive = async (table: Table, executors: readonly string[]): Promise<Map<string, string>> => {
  const items = await getMany(
    table,
    [...new Set(executors)].map(id => keys.executor(id)),
  )
  return new Map(items.filter(item => item.state !== 'lost').map(item => [item.id as string, item.zone as string]))
}

interface LiveEntry {
  readonly entry: RegistryEntry
  readonly zone?: string
}

const alive = async (table: Table, items: readonly Item[], now: number): Promise<LiveEntry[]> => {
  const entries = items.map(announcementOf).filter(entry => entry.expiresAt === undefined || entry.expiresAt > now)
  const zones = await zonesAlive(
    table,
    entries.flatMap(entry => (entry.executor === undefined ? [] : [entry.executor])),
  )
  return entries.flatMap(entry => {
    if (entry.executor === undefined) return [{entry}]
    const zone = zones.get(entry.executor)
    return zone === undefined ? [] : [{entry, zone}]
  })
}

const liveEntries = async (table: Table, formation: string, now: number): Promise<LiveEntry[]> =>
  alive(table, await query(table, keys.discovery(formation).pk, {prefix: 'ANNOUNCEMENT#'}), now)

/** Entries and traffic choices in one query. */
const snapshotOf = async (table: Table, formation: string, version: number, now: number): Promise<FormationSnapshot> => {
  const items = await query(table, keys.discovery(formation).pk)
  const entries = await alive(
    table,
    items.filter(({type}) => type === 'announcement'),
    now,
  )
  const endpoints = entries.flatMap(({entry, zone}) => endpointOf(entry, zone) ?? [])
  return {formation, version, endpoints, traffic: trafficOf(items)}
}

const snapshots =
  (table: Table): RegistryStore['snapshots'] =>
  async (held, now) => {
    const formations = Object.keys(held)
    // Versions first, entries after: what is read is at least as new as the version it is given out with.
    const items = await getMany(
      table,
      formations.map(formation => keys.discovery(formation)),
    )
    const versions = new Map(items.map(item => [item.formation as string, item.version as number]))
    const changed = formations.filter(formation => (versions.get(formation) ?? 0) !== held[formation])
    return Promise.all(changed.map(formation => snapshotOf(table, formation, versions.get(formation) ?? 0, now)))
  }

const countOutside = async (table: Table, formation: string, now: number): Promise<number> => {
  const items = await query(table, keys.discovery(formation).pk, {prefix: 'ANNOUNCEMENT#'})
  return items.filter(({executor, expiresAt}) => executor === undefined && (expiresAt as number) > now).length
}

const announce =
  (table: Table): RegistryStore['announce'] =>
  async ({formation, service, id, body, expiresAt}, now) => {
    const item = announcementItem({formation, service, id, body, expiresAt})
    // Most are there already, and are renewed.
    if ((await write(table, {put: item, when: all(exists, notOwned)})) === undefined) {
      if ((await countOutside(table, formation, now)) >= announcementsPerFormationMax) return {outcome: 'full'}
      if ((await write(table, {put: item, when: notOwned})) === undefined) return {outcome: 'owned'}
    }
    await touchDiscovery(table, [formation])
    return {outcome: 'ok'}
  }

const withdraw =
  (table: Table): RegistryStore['withdraw'] =>
  async (formation, service, id) => {
    const key = keys.announcement(formation, service, id)
    const gone = await write(table, {delete: key, when: all(exists, notOwned)})
    if (gone === undefined) return {outcome: (await get(table, key)) === undefined ? 'missing' : 'owned'}
    await touchDiscovery(table, [formation])
    return {outcome: 'ok'}
  }

export const createRegistryStore = (table: Table): RegistryStore => ({
  announce: announce(table),
  withdraw: withdraw(table),
  touch: formations => touchDiscovery(table, formations),
  snapshots: snapshots(table),

  get: async (formation, service, id, now) => {
    const item = await get(table, keys.announcement(formation, service, id))
    return item === undefined ? undefined : (await alive(table, [item], now))[0]?.entry
  },

  list: async (formation, now) => (await liveEntries(table, formation, now)).map(each => each.entry),
})
