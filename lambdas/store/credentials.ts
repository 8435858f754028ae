// Credentials of executors: short-lived, one at a time but for a moment of overlap, and each renewed by the one before it. An executor's item names them.
import {all, credentialIs, exists, notExists, notRevoked} from './conditions.ts'
import {draw} from './draw.ts'
import {ttlOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {get, pause, type Table, transact, type Write} from './table.ts'
import type {NewToken, TokenStore} from './types.ts'

/** How long the former credential still holds after it was renewed: longer than any one call of an agent, and its repetition. */
export const credentialOverlapMs = 300_000
const credentialTriesMax = 5

const tokenOf = (executor: string, ttlMs: number): NewToken => ({name: `executor ${executor}`, scope: 'executor', executor, ttlMs})

/** Hashes of the credentials that an executor has: the newest, and the one it was renewed with. */
interface Held {
  readonly newest: string | undefined
  readonly former: string | undefined
}

const heldBy = async (table: Table, executor: string): Promise<Held | undefined> => {
  const item = await get(table, keys.executor(executor))
  if (item === undefined) return undefined
  const [newest, former] = [item.tokenHash, item.formerTokenHash] as (string | undefined)[]
  return {newest, former}
}

const removing = (...hashes: (string | undefined)[]): Write[] =>
  hashes.flatMap(hash => (hash === undefined ? [] : [{delete: keys.token(hash)}]))

export const createForExecutor =
  (table: Table): TokenStore['createForExecutor'] =>
  async (executor, ttlMs, now) => {
    const {hash, created, item} = draw(tokenOf(executor, ttlMs), now)
    for (let tries = 1; tries <= credentialTriesMax; tries++) {
      const held = await heldBy(table, executor)
      if (held === undefined) return {outcome: 'missing'}
      const change = {set: {tokenHash: hash}, remove: ['formerTokenHash']}
      const refused = await transact(table, [
        {update: keys.executor(executor), change, when: all(exists, credentialIs(held.newest))},
        {put: item, when: notExists},
        ...removing(held.newest, held.former),
      ])
      if (refused === undefined) return {outcome: 'ok', created}
      await pause(table, tries)
    }
    return {outcome: 'conflict'}
  }

/**
 * The new one is listed with what the presented one made, so that revoking that one takes it along whatever happens at the same time; and nothing is
 * renewed with one that is being revoked.
 */
export const renewForExecutor =
  (table: Table): TokenStore['renewForExecutor'] =>
  async (executor, presented, ttlMs, now) => {
    const {hash, created, item} = draw(tokenOf(executor, ttlMs), now)
    for (let tries = 1; tries <= credentialTriesMax; tries++) {
      const [held, own] = await Promise.all([heldBy(table, executor), get(table, keys.token(presented))])
      if (held === undefined || own === undefined || own.revokedAt !== undefined) return {outcome: 'missing'}
      const {newest, former} = held
      if (presented !== newest && presented !== former) return {outcome: 'missing'}
      const endsAt = Math.min(own.expiresAt as number, now + credentialOverlapMs)
      const child = {...typed('token-child', keys.tokenChild(presented, hash), {hash, expiresAt: created.expiresAt}), ttl: item.ttl}
      const change = {set: {tokenHash: hash, formerTokenHash: presented}}
      const refused = await transact(table, [
        {update: keys.executor(executor), change, when: all(exists, credentialIs(newest))},
        {update: keys.token(presented), change: {set: {expiresAt: endsAt, ttl: ttlOf(endsAt)}}, when: notRevoked},
        {put: item, when: notExists},
        {put: child},
        ...removing(presented === newest ? former : newest),
      ])
      if (refused === undefined) return {outcome: 'ok', created}
      await pause(table, tries)
    }
    return {outcome: 'conflict'}
  }
