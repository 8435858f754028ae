// Bearer tokens: kept as hashes, shown once, never listed with their secrets.
import {createHash, randomBytes} from 'node:crypto'
import type {Principal} from '#shared/scopes.ts'
import {all, credentialIs, exists, notExists} from './conditions.ts'
import {domainOf, sortable, ttlOf, typed} from './items.ts'
import {indexPartitions, keys} from './schema.ts'
import {get, type Item, pause, query, type Table, transact, write} from './table.ts'
import type {NewToken, NewTokenRecord, TokenRecord, TokenStore} from './types.ts'

/** 256 random bits: nobody guesses one, so a plain hash is enough to keep it by. */
const secretBytes = 32
/** Longest text that is looked at as a token, in characters. */
const secretCharactersMax = 128
const credentialTriesMax = 5

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** The part of the hash that names a token; it tells nothing of the secret. */
const idOf = (hash: string): string => hash.slice(0, 16)

const draw = ({ttlMs, ...fields}: NewToken, now: number): {hash: string; created: NewTokenRecord; item: Item} => {
  const token = `gil_${fields.scope}_${randomBytes(secretBytes).toString('base64url')}`
  const hash = hashOf(token)
  const record: TokenRecord = {...fields, id: idOf(hash), createdAt: now, expiresAt: now + ttlMs}
  const index = {gsi1pk: indexPartitions.tokens, gsi1sk: `${sortable(now)}#${record.id}`}
  return {hash, created: {...record, token}, item: {...typed('token', keys.token(hash), record), ...index, ttl: ttlOf(record.expiresAt)}}
}

const createForExecutor =
  (table: Table): TokenStore['createForExecutor'] =>
  async (executor, ttlMs, now) => {
    const {hash, created, item} = draw({name: `executor ${executor}`, scope: 'executor', executor, ttlMs}, now)
    for (let tries = 1; tries <= credentialTriesMax; tries++) {
      const joined = await get(table, keys.executor(executor))
      if (joined === undefined) return {outcome: 'missing'}
      const former = joined.tokenHash as string | undefined
      const refused = await transact(table, [
        {update: keys.executor(executor), change: {set: {tokenHash: hash}}, when: all(exists, credentialIs(former))},
        {put: item, when: notExists},
        ...(former === undefined ? [] : [{delete: keys.token(former)}]),
      ])
      if (refused === undefined) return {outcome: 'ok', created}
      await pause(tries)
    }
    return {outcome: 'conflict'}
  }

export const createTokenStore = (table: Table): TokenStore => ({
  create: async (token, now) => {
    const {created, item} = draw(token, now)
    await write(table, {put: item})
    return created
  },

  createForExecutor: createForExecutor(table),

  authenticate: async (secret, now) => {
    if (!secret.startsWith('gil_') || secret.length > secretCharactersMax) return undefined
    const item = await get(table, keys.token(hashOf(secret)))
    if (item === undefined) return undefined
    const {id, scope, executor, formation, expiresAt} = domainOf<TokenRecord>(item)
    if (expiresAt <= now) return undefined
    const principal: Principal = {
      tokenId: id,
      scope,
      ...(executor !== undefined && {executor}),
      ...(formation !== undefined && {formation}),
    }
    return principal
  },

  list: async now => {
    const items = await query(table, indexPartitions.tokens, {index: 'gsi1', newestFirst: true})
    return items.map(item => domainOf<TokenRecord>(item)).filter(each => each.expiresAt > now)
  },

  revoke: async id => {
    const items = await query(table, indexPartitions.tokens, {index: 'gsi1'})
    const found = items.find(item => item.id === id)
    if (found === undefined) return {outcome: 'missing'}
    const key = {pk: found.pk as string, sk: found.sk as string}
    const deleted = await write(table, {delete: key, when: exists})
    return {outcome: deleted === undefined ? 'missing' : 'ok'}
  },
})
