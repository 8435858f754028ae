// Idempotency keys: a repeated request gets the first one's answer for a day, and never runs twice at once.
import {randomUUID} from 'node:crypto'
import {exists, keyFree} from './conditions.ts'
import {ttlOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {deleteMany, get, type Item, type Table, write} from './table.ts'
import type {IdempotencyStore} from './types.ts'

/** How long the first answer is given again. */
export const idempotencyKeptMs = 86_400_000
/** How long a request that never finished blocks its key: longer than any handler may run. */
export const idempotencyLockMs = 60_000
const beginTriesMax = 3

const outcomeOf = (item: Item, fingerprint: string): Awaited<ReturnType<IdempotencyStore['begin']>> => {
  if (item.fingerprint !== fingerprint) return {outcome: 'mismatch'}
  if (item.body === undefined) return {outcome: 'in_progress'}
  return {outcome: 'finished', response: {status: item.status as number, body: item.body as string}}
}

const begin =
  (table: Table): IdempotencyStore['begin'] =>
  async (tokenId, key, fingerprint, now) => {
    const expiresAt = now + idempotencyKeptMs
    // Tells this begin from others when its answer was lost and the database is asked again.
    const begun = randomUUID()
    const fields = {fingerprint, begun, expiresAt, lockedUntil: now + idempotencyLockMs}
    const item = {...typed('idempotency', keys.idempotency(tokenId, key), fields), ttl: ttlOf(expiresAt)}
    for (let tries = 0; tries < beginTriesMax; tries++) {
      if ((await write(table, {put: item, when: keyFree(now)})) !== undefined) return {outcome: 'started'}
      const held = await get(table, keys.idempotency(tokenId, key))
      if (held?.begun === begun) return {outcome: 'started'}
      if (held !== undefined) return outcomeOf(held, fingerprint)
    }
    return {outcome: 'in_progress'}
  }

export const createIdempotencyStore = (table: Table): IdempotencyStore => ({
  begin: begin(table),

  finish: async (tokenId, key, response, now) => {
    const change = {set: {status: response.status, body: response.body, finishedAt: now}}
    await write(table, {update: keys.idempotency(tokenId, key), change, when: exists})
  },

  abandon: (tokenId, key) => deleteMany(table, [keys.idempotency(tokenId, key)]),
})
