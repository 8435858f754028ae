// Lines between clients and agents: orders that wait for an executor's next sync, and the key that tickets to the relay are signed with.
import {orderKeptMs, ordersPerExecutorMax, type SessionOrder} from '#shared/domain/session.ts'
import {publicOf, type RelayKey, type SigningKey} from '#shared/sessions/tickets.ts'
import {executorNotLost, notExists} from './conditions.ts'
import {domainOf, ttlOf, typed} from './items.ts'
import {assignmentsMove} from './placement.ts'
import {keys} from './schema.ts'
import {type Deed, get, type Item, query, type Table, transact, write} from './table.ts'
import type {SessionStore} from './types.ts'

interface StoredOrder extends SessionOrder {
  readonly expiresAt: number
}

/** Those that still hold. */
export const ordersOf = (items: readonly Item[], now: number): SessionOrder[] =>
  items
    .filter(item => item.type === 'session' && (item.expiresAt as number) > now)
    .map(item => domainOf<StoredOrder>(item))
    .map(({expiresAt: _, ...order}) => order)

/** Orders and chores that are over and are removed at one look; DynamoDB itself may take days. */
const clearedAtOnceMax = 25

/** Removes orders and chores that are over: whoever asks for many must not make every look at what an executor is to run longer. */
export const clearOrders = async (table: Table, items: readonly Item[], now: number): Promise<void> => {
  const isOrder = ({type}: Item): boolean => type === 'session' || type === 'backup-order' || type === 'chore'
  const over = items.filter(item => isOrder(item) && (item.expiresAt as number) <= now).slice(0, clearedAtOnceMax)
  await Promise.all(over.map(({pk, sk}) => write(table, {delete: {pk: pk as string, sk: sk as string}})))
}

const targetOf = ({service, instance}: SessionOrder): string =>
  instance === undefined ? (service === undefined ? 'all services' : `service ${service}`) : `instance ${service}.${instance}`

const deedOf = (order: SessionOrder, executor: string): Deed => {
  const {id, kind, formation, command, terminal} = order
  const to = {session: id, executor, ...(command !== undefined && {command}), ...(terminal !== undefined && {terminal: true})}
  return {action: `session.${kind}`, formation, what: targetOf(order), to}
}

const halfOf = (item: Item | undefined): SigningKey | undefined => (item === undefined ? undefined : domainOf<SigningKey>(item))

export const createSessionStore = (table: Table): SessionStore => ({
  order: async (executor, order, now) => {
    const waiting = await query(table, keys.session(executor, '').pk, {prefix: 'SESSION#'})
    if (ordersOf(waiting, now).length >= ordersPerExecutorMax) return {outcome: 'full'}
    const expiresAt = now + orderKeptMs
    const item = {...typed('session', keys.session(executor, order.id), {...order, expiresAt}), ttl: ttlOf(expiresAt)}
    const refused = await transact(
      table,
      [
        {put: item, when: notExists},
        {...assignmentsMove(executor), when: executorNotLost},
      ],
      deedOf(order, executor),
    )
    return {outcome: refused === undefined ? 'ok' : 'lost'}
  },

  signingKey: async () => halfOf(await get(table, keys.relayKey('signing'))),

  publicKeys: async () => {
    const item = await get(table, keys.relayKey('public'))
    return item === undefined ? [] : [domainOf<RelayKey>(item)]
  },

  keepKey: async key => {
    await transact(table, [
      {put: typed('relay-key', keys.relayKey('signing'), key), when: notExists},
      {put: typed('relay-key', keys.relayKey('public'), publicOf(key)), when: notExists},
    ])
    return halfOf(await get(table, keys.relayKey('signing'))) ?? key
  },
})
