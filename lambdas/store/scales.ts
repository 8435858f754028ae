// Desired instances per (release, service). Every change moves the formation's version, so that nobody creates instances from an older view.
import type {DesiredScale} from '#shared/domain/formation.ts'
import {formationActive} from './conditions.ts'
import {scaleOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {type Deed, get, query, type Table, transact, transactionsOf, type Write} from './table.ts'
import type {Not, ScaleStore} from './types.ts'

export const scaleWrite = (scale: DesiredScale, now: number): Write => ({
  put: typed('scale', keys.scale(scale.formation, scale.release, scale.service), {...scale, updatedAt: now}),
})

/** Guards a transaction by the formation being active, and moves its version. */
export const activeFormationMoves = (formation: string): Write => ({
  update: keys.formation(formation),
  change: {add: {version: 1}},
  when: formationActive,
})

/** Why a formation is not active. */
export const whyNotActive = async (table: Table, formation: string): Promise<Not<'missing' | 'destroying'>> => ({
  outcome: (await get(table, keys.formation(formation))) === undefined ? 'missing' : 'destroying',
})

const scalesIn = async (table: Table, formation: string): Promise<DesiredScale[]> =>
  (await query(table, keys.formation(formation).pk, {prefix: 'SCALE#'})).map(scaleOf)

const settingOf = async (
  table: Table,
  formation: string,
  release: number,
  to: Readonly<Record<string, number>>,
): Promise<Deed | undefined> => {
  if (table.noting === undefined) return undefined
  const was = (await scalesIn(table, formation)).filter(each => each.release === release && Object.hasOwn(to, each.service))
  const from = Object.fromEntries(was.map(({service, desired}) => [service, desired]))
  return {action: 'scale.set', formation, what: `release ${release}`, from, to}
}

export const createScaleStore = (table: Table): ScaleStore => ({
  set: async (formation, release, desired, now) => {
    const writes = Object.entries(desired).map(([service, count]) => scaleWrite({formation, release, service, desired: count}, now))
    const deed = await settingOf(table, formation, release, desired)
    for (const [at, some] of transactionsOf(writes).entries()) {
      const refused = await transact(table, [activeFormationMoves(formation), ...some], at === 0 ? deed : undefined)
      if (refused !== undefined) return await whyNotActive(table, formation)
    }
    return {outcome: 'ok'}
  },

  list: formation => scalesIn(table, formation),
})
