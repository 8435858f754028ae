// Who changed what: entries written in the transaction of the change they are about, kept for a bounded time, read by formation and time. Holds no secrets:
// whoever describes a change leaves them out.
import {randomBytes} from 'node:crypto'
import {domainOf, sortable, ttlOf, typed} from './items.ts'
import {auditPartitionOf, indexPartitions, keys} from './schema.ts'
import {type Deed, type Item, query, type Table, type Write} from './table.ts'
import type {Actor, AuditEntry, AuditStore} from './types.ts'

/** How long entries are kept. */
export const auditKeptMs = 400 * 86_400_000
/** Of `from` and of `to` each, as JSON; a larger one is left out and said to be. */
export const auditDetailBytesMax = 8_192
const idBytes = 8

/** As text: JSON has depths and empty keys that DynamoDB refuses. */
const detailOf = (value: unknown): string | undefined => {
  if (value === undefined) return undefined
  const text = JSON.stringify(value)
  const bytes = Buffer.byteLength(text)
  return bytes <= auditDetailBytesMax ? text : JSON.stringify({leftOut: true, bytes})
}

/** The write that notes a deed; goes into its transaction. */
export const entryWrite = ({requestId, now, ...who}: Actor, {action, formation, what, from, to}: Deed): Write => {
  const id = randomBytes(idBytes).toString('hex')
  const at = `${sortable(now)}#${id}`
  const fields = {id, at: now, who, action, formation, what, from: detailOf(from), to: detailOf(to), requestId}
  const index = {gsi1pk: indexPartitions.audit, gsi1sk: at}
  return {put: {...typed('audit', keys.audit(formation, at), fields), ...index, ttl: ttlOf(now + auditKeptMs)}}
}

const entryOf = (item: Item): AuditEntry => {
  const {from, to, ...entry} = domainOf<Omit<AuditEntry, 'from' | 'to'> & {readonly from?: string; readonly to?: string}>(item)
  return {
    ...entry,
    ...(from !== undefined && {from: JSON.parse(from) as unknown}),
    ...(to !== undefined && {to: JSON.parse(to) as unknown}),
  }
}

const sortKeyOf = ({at, id}: Pick<AuditEntry, 'at' | 'id'>): string => `${sortable(at)}#${id}`

export const createAuditStore = (table: Table): AuditStore => ({
  cursorOf: sortKeyOf,

  list: async ({formation, since = 0, until, cursor, limit}, now) => {
    const first = sortable(Math.max(since, now - auditKeptMs))
    const last = cursor ?? `${sortable(until ?? now)}#~`
    if (first > last) return {items: []}
    // One more tells whether there is a next page; the cursor itself was on the one before.
    const options = {between: [first, last] as const, newestFirst: true, limit: limit + 2}
    const items =
      formation === undefined
        ? await query(table, indexPartitions.audit, {...options, index: 'gsi1'})
        : await query(table, auditPartitionOf(formation), options)
    const entries = items.map(entryOf).filter(entry => sortKeyOf(entry) !== cursor)
    const page = entries.slice(0, limit)
    const end = page.at(-1)
    return entries.length > page.length && end !== undefined ? {items: page, cursor: sortKeyOf(end)} : {items: page}
  },
})
