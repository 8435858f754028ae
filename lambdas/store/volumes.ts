// Volumes: listed and given up. They are made and taken in the transactions that place and end instances (assign.ts, placement.ts).
import {removalId, removalKeptMs} from '#shared/domain/chore.ts'
import type {Volume} from '#shared/domain/volume.ts'
import {choreWrites} from './chores.ts'
import {all, exists, volumeUnheld} from './conditions.ts'
import {domainOf} from './items.ts'
import {keys} from './schema.ts'
import {get, query, type Table, transact, writeNoting} from './table.ts'
import type {VolumeStore} from './types.ts'

export const createVolumeStore = (table: Table): VolumeStore => ({
  list: async formation => (await query(table, keys.formation(formation).pk, {prefix: 'VOLUME#'})).map(item => domainOf<Volume>(item)),

  release: async (formation, service) => {
    const key = keys.volume(formation, service)
    const item = await get(table, key)
    if (item === undefined) return {outcome: 'missing'}
    const {id, executor} = domainOf<Volume>(item)
    const deed = {action: 'volume.release', formation, what: `volume ${service}`, from: {id, executor}} as const
    return {outcome: (await writeNoting(table, {delete: key, when: all(exists, volumeUnheld)}, deed)) ? 'ok' : 'held'}
  },

  remove: async (formation, service, now) => {
    const key = keys.volume(formation, service)
    const item = await get(table, key)
    if (item === undefined) return {outcome: 'missing'}
    const volume = domainOf<Volume>(item)
    const {id, executor} = volume
    const chore = {kind: 'remove-volume', id: removalId(formation, service, id), formation, service, volume: id} as const
    const refused = await transact(
      table,
      [{delete: key, when: all(exists, volumeUnheld)}, ...choreWrites(executor, chore, now + removalKeptMs)],
      {action: 'volume.remove', formation, what: `volume ${service}`, from: {id, executor}},
    )
    if (refused === undefined) return {outcome: 'ok', volume}
    return {outcome: refused.includes(0) ? 'held' : 'gone'}
  },
})
