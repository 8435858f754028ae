// Volumes: listed and given up. They are made and taken in the transactions that place and end instances (assign.ts, placement.ts).
import {removalId, removalKeptMs} from '#shared/domain/chore.ts'
import type {DoomedVolume, Volume} from '#shared/domain/volume.ts'
import {choreWrites, progressOf} from './chores.ts'
import {all, exists, volumeUnheld} from './conditions.ts'
import {domainOf, ttlOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {get, getMany, type Item, query, type Table, transact, writeNoting} from './table.ts'
import type {VolumeStore} from './types.ts'

/** A note outlives what it is about: only those whose chore is still there are to be told. */
const doomedIn = (notes: readonly Item[], chores: readonly Item[]): DoomedVolume[] => {
  const progress = new Map(chores.map(item => [item.id, progressOf(item)]))
  return notes.flatMap(note => {
    const volume = domainOf<Volume>(note, 'expiresAt')
    const found = progress.get(removalId(volume.formation, volume.service, volume.id))
    if (found === undefined) return []
    const {executor: _, ...removal} = found
    return [{...volume, removal}]
  })
}

export const createVolumeStore = (table: Table): VolumeStore => ({
  list: async formation => (await query(table, keys.formation(formation).pk, {prefix: 'VOLUME#'})).map(item => domainOf<Volume>(item)),

  doomed: async (formation, now) => {
    const all = await query(table, keys.formation(formation).pk, {prefix: 'REMOVAL#'})
    const notes = all.filter(({expiresAt}) => (expiresAt as number) > now)
    const chores = notes
      .map(note => domainOf<Volume>(note))
      .map(({executor, service, id}) => keys.chore(executor, removalId(formation, service, id)))
    return doomedIn(notes, await getMany(table, chores))
  },

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
    const expiresAt = now + removalKeptMs
    const {holder: _, ...given} = volume
    const note = {...typed('volume-removal', keys.volumeRemoval(formation, service, id), {...given, expiresAt}), ttl: ttlOf(expiresAt)}
    const refused = await transact(
      table,
      [{delete: key, when: all(exists, volumeUnheld)}, ...choreWrites(executor, chore, expiresAt), {put: note}],
      {action: 'volume.remove', formation, what: `volume ${service}`, from: {id, executor}},
    )
    if (refused === undefined) return {outcome: 'ok', volume}
    return {outcome: refused.includes(0) ? 'held' : 'gone'}
  },
})
