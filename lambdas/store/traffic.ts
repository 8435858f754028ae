// Traffic choices: one per service, beside the registry's entries. Every change tells the readers of the feed in the same transaction.
import type {Traffic} from '#shared/domain/traffic.ts'
import {formationActive} from './conditions.ts'
import {discoveryMoves} from './discovery.ts'
import {domainOf, typed} from './items.ts'
import {whyNotActive} from './scales.ts'
import {keys} from './schema.ts'
import {type Deed, get, type Item, type Key, query, type Table, transact} from './table.ts'
import type {TrafficStore} from './types.ts'

const choiceOf = (item: Item): Traffic => domainOf<Traffic>(item, 'formation', 'service')

/** The choices among the items of a formation's registry, by service. */
export const trafficOf = (items: readonly Item[]): Record<string, Traffic> =>
  Object.fromEntries(items.filter(({type}) => type === 'traffic').map(item => [item.service as string, choiceOf(item)]))

export const trafficKeys = async (table: Table, formation: string): Promise<Key[]> =>
  (await query(table, keys.discovery(formation).pk, {prefix: 'TRAFFIC#'})).map(item => keys.traffic(formation, item.service as string))

const find = async (table: Table, formation: string, service: string): Promise<Traffic | undefined> => {
  const item = await get(table, keys.traffic(formation, service))
  return item === undefined ? undefined : choiceOf(item)
}

/** Undefined when there is nothing to note: resetting what is not set. */
const changeOf = async (table: Table, formation: string, service: string, to?: Traffic): Promise<Deed | undefined> => {
  const from = table.noting === undefined ? undefined : await find(table, formation, service)
  if (from === undefined && to === undefined) return undefined
  const change = {...(from !== undefined && {from}), ...(to !== undefined && {to})}
  return {action: to === undefined ? 'traffic.reset' : 'traffic.set', formation, what: `service ${service}`, ...change}
}

export const createTrafficStore = (table: Table): TrafficStore => ({
  set: async (formation, service, traffic) => {
    const refused = await transact(
      table,
      [
        {check: keys.formation(formation), when: formationActive},
        {put: typed('traffic', keys.traffic(formation, service), {formation, service, ...traffic})},
        discoveryMoves(formation),
      ],
      await changeOf(table, formation, service, traffic),
    )
    return refused === undefined ? {outcome: 'ok'} : await whyNotActive(table, formation)
  },

  get: (formation, service) => find(table, formation, service),

  reset: async (formation, service) => {
    const writes = [{delete: keys.traffic(formation, service)}, discoveryMoves(formation)]
    await transact(table, writes, await changeOf(table, formation, service))
    return {outcome: 'ok'}
  },
})
