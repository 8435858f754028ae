// Releases: immutable, numbered 1, 2, 3 … within a formation, however many are created at once. Not cached: a formation made anew counts from 1 again.
import {isMovable} from '#shared/domain/image.ts'
import type {Release} from '#shared/domain/release.ts'
import {all, formationActive, latestReleaseIs, notExists, pinsAre} from './conditions.ts'
import {domainOf, formationOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {type Deed, get, pause, query, type Table, transact, writeNoting} from './table.ts'
import type {ReleaseStore} from './types.ts'

/** As JSON. A DynamoDB item holds at most 409,600 bytes; the kept answer of the request that created it must fit one too. */
export const releaseBytesMax = 360_000
const numberingTriesMax = 40
const pinTriesMax = 10
/** Of a digest, and what is around it as JSON. */
const pinBytes = 80

/** The most that a release can have, once all that its images mean is known. */
const bytesOf = (release: Release): number => {
  const movable = new Set(Object.values(release.services).flatMap(({image}) => (image !== undefined && isMovable(image) ? [image] : [])))
  const pins = [...movable].filter(image => !Object.hasOwn(release.pins ?? {}, image))
  const room = pins.reduce((sum, image) => sum + Buffer.byteLength(image) + pinBytes, 0)
  return Buffer.byteLength(JSON.stringify(release)) + room
}

/** Values of the environment are nobody else's business. */
const creationOf = ({formation, release, message, author, slug, services}: Release): Deed => ({
  action: 'release.create',
  formation,
  what: `release ${release}`,
  ...(release > 1 && {from: {release: release - 1}}),
  to: {release, message, author, slug: slug?.sha256, services: Object.keys(services).sort()},
})

const create =
  (table: Table): ReleaseStore['create'] =>
  async (name, draft, now, after) => {
    for (let tries = 1; tries <= numberingTriesMax; tries++) {
      const item = await get(table, keys.formation(name))
      if (item === undefined) return {outcome: 'missing'}
      const formation = formationOf(item)
      if (formation.state !== 'active') return {outcome: 'destroying'}
      if (after !== undefined && formation.latestRelease !== after) return {outcome: 'superseded'}
      const number = formation.latestRelease + 1
      const release: Release = {...draft, formation: name, release: number, createdAt: now}
      if (bytesOf(release) > releaseBytesMax) return {outcome: 'too_large'}
      const refused = await transact(
        table,
        [
          {update: keys.formation(name), change: {set: {latestRelease: number}}, when: all(formationActive, latestReleaseIs(number - 1))},
          {put: typed('release', keys.release(name, number), release), when: notExists},
        ],
        creationOf(release),
      )
      if (refused === undefined) return {outcome: 'ok', release}
      await pause(table, tries)
    }
    return {outcome: 'conflict'}
  }

/** The first word on what an image means holds, whoever else finds out something else meanwhile. */
const pin =
  (table: Table): ReleaseStore['pin'] =>
  async ({formation, release: number, image, digest}) => {
    const key = keys.release(formation, number)
    for (let tries = 1; tries <= pinTriesMax; tries++) {
      const item = await get(table, key)
      const release = item === undefined ? undefined : domainOf<Release>(item)
      if (release === undefined || !isMovable(image) || !Object.values(release.services).some(service => service.image === image))
        return {outcome: 'missing'}
      const {pins = {}} = release
      const said = Object.hasOwn(pins, image) ? pins[image] : undefined
      if (said !== undefined) return {outcome: 'ok', digest: said}
      const change = {set: {pins: {...pins, [image]: digest}}}
      const deed = {action: 'release.pin', formation, what: `release ${number}`, to: {image, digest}} as const
      if (await writeNoting(table, {update: key, change, when: pinsAre(Object.keys(pins).length)}, deed)) return {outcome: 'ok', digest}
      await pause(table, tries)
    }
    return {outcome: 'conflict'}
  }

export const createReleaseStore = (table: Table): ReleaseStore => ({
  create: create(table),
  pin: pin(table),

  get: async (formation, number) => {
    const item = await get(table, keys.release(formation, number))
    return item === undefined ? undefined : domainOf<Release>(item)
  },

  latest: async formation => {
    const [newest] = await query(table, keys.release(formation, 0).pk, {newestFirst: true, limit: 1})
    return newest === undefined ? undefined : domainOf<Release>(newest)
  },

  list: async formation => (await query(table, keys.release(formation, 0).pk, {newestFirst: true})).map(item => domainOf<Release>(item)),
})
