// Traffic choices: one per service, beside the registry's entries. Every change tells the readers of the feed in the same transaction.
import type {Traffic} from '#shared/domain/traffic.ts'
import {formationActive} from './conditions.ts'
import {discoveryMoves} from './discovery.ts'
import {domainOf, typed} from './items.ts'
import {whyNotActive} from './scales.ts'
import {keys} from './schema.ts'
import {get, type Item, type Key, query, type Table, transact} from './table.ts'
import type {TrafficStore} from './types.ts'

const choiceOf = (item: Item): Traffic => domainOf<Traffic>(item, 'formation', 'service')

/** The choices among the items of a formation's registry, by service. */
export const trafficOf = (items: readonly Item[]): Record<string, Traffic> =>
  Object.fromEntries(items.filter(({type}) => type === 'traffic').map(item => [item.service as string, choiceOf(item)]))

export const trafficKeys = async (table: Table, formation: string): Promise<Key[]> =>
  (await query(table, keys.discovery(formation).pk, {prefix: 'TRAFFIC#'})).map(item => keys.traffic(formation, item.service as string))

export const createTrafficStore = (table: Table): TrafficStore => ({
  set: async (formation, service, traffic) => {
    const refused = await transact(table, [
      {check: keys.formation(formation), when: formationActive},
      {put: typed('traffic', keys.traffic(formation, service), {formation, service, ...traffic})},
      discoveryMoves(formation),
    ])
    return refused === undefined ? {outcome: 'ok'} : await whyNotActive(table, formation)
  },

  get: async (formation, service) => {
    const item = await get(table, keys.traffic(formation, service))
    return item === undefined ? undefined : choiceOf(item)
  },

  reset: async (formation, service) => {
    await transact(table, [{delete: keys.traffic(formation, service)}, discoveryMoves(formation)])
    return {outcome: 'ok'}
  },
})
