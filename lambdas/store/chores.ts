// Chores of executors: kept beside their assignments, so that the query for these brings them, until they are done or of no use any more.
import {type Chore, type ChoreReport, choreSlot, type Fetch, fetchId, fetchKeptMs} from '#shared/domain/chore.ts'
import {choreIs, executorNotLost} from './conditions.ts'
import {domainOf, ttlOf, typed} from './items.ts'
import {assignmentsMove} from './placement.ts'
import {keys} from './schema.ts'
import {getMany, type Item, type Table, transact, type Write, write} from './table.ts'
import type {ChoreStore} from './types.ts'

interface Kept {
  readonly executor: string
  readonly expiresAt: number
  /** What the agent said last. */
  readonly state?: ChoreReport['state']
  readonly text?: string
}

const keptOf = (item: Item): Chore & Kept => domainOf<Chore & Kept>(item)

/** The writes that have an executor's agent told of a chore with its next sync. */
export const choreWrites = (executor: string, chore: Chore, expiresAt: number): Write[] => [
  {put: {...typed('chore', keys.chore(executor, choreSlot(chore.id)), {...chore, executor, expiresAt}), ttl: ttlOf(expiresAt)}},
  {...assignmentsMove(executor), when: executorNotLost},
]

/** Those that are still to be done. */
export const choresOf = (items: readonly Item[], now: number): Chore[] =>
  items
    .filter(item => item.type === 'chore' && (item.expiresAt as number) > now && item.state !== 'done')
    .map(keptOf)
    .map(({executor: _, expiresAt: __, state: ___, text: ____, ...chore}) => chore as Chore)

/** How it goes, as its agent said last. */
export const progressOf = (item: Item): Fetch => {
  const {executor, state = 'ordered', text} = keptOf(item)
  return {executor, state, ...(text !== undefined && {text})}
}

export const createChoreStore = (table: Table): ChoreStore => ({
  orderFetch: async (executor, chore, now) => ({
    outcome: (await transact(table, choreWrites(executor, chore, now + fetchKeptMs))) === undefined ? 'ok' : 'lost',
  }),

  report: async (executor, {id, state, text}) => {
    const key = keys.chore(executor, choreSlot(id))
    const isOver = state === 'done' && !id.startsWith('fetch.')
    if (isOver) await write(table, {delete: key, when: choreIs(id)})
    else await write(table, {update: key, change: {set: {state, text}, remove: text === undefined ? ['text'] : []}, when: choreIs(id)})
  },

  fetches: async (formation, release, executors) => {
    const id = fetchId(formation, release)
    const items = await getMany(
      table,
      executors.map(executor => keys.chore(executor, choreSlot(id))),
    )
    return items.filter(item => item.id === id).map(progressOf)
  },
})
