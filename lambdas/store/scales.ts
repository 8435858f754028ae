// Desired instances per (release, service). Every change moves the formation's version, so that nobody creates instances from an older view.
import type {DesiredScale} from '#shared/domain/formation.ts'
import {formationActive} from './conditions.ts'
import {scaleOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {get, query, type Table, transact, transactionsOf, type Write} from './table.ts'
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

export const createScaleStore = (table: Table): ScaleStore => ({
  set: async (formation, release, desired, now) => {
    const writes = Object.entries(desired).map(([service, count]) => scaleWrite({formation, release, service, desired: count}, now))
    for (const some of transactionsOf(writes)) {
      const refused = await transact(table, [activeFormationMoves(formation), ...some])
      if (refused !== undefined) return await whyNotActive(table, formation)
    }
    return {outcome: 'ok'}
  },

  list: async formation => (await query(table, keys.formation(formation).pk, {prefix: 'SCALE#'})).map(scaleOf),
})
