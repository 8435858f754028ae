// New tokens: their secrets, what names them, and their items. Writes nothing.
import {createHash, randomBytes} from 'node:crypto'
import {sortable, ttlOf, typed} from './items.ts'
import {indexPartitions, keys} from './schema.ts'
import type {Item} from './table.ts'
import type {NewToken, NewTokenRecord, TokenRecord} from './types.ts'

/** 256 random bits: nobody guesses one, so a plain hash is enough to keep it by. */
const secretBytes = 32

export const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** The part of the hash that names a token; it tells nothing of the secret. */
const idOf = (hash: string): string => hash.slice(0, 16)

export interface Drawn {
  readonly hash: string
  readonly created: NewTokenRecord
  readonly item: Item
}

/** A token that is not written yet. */
export const draw = ({ttlMs, ...fields}: NewToken & Pick<TokenRecord, 'parent' | 'trust'>, now: number): Drawn => {
  const token = `gil_${fields.scope}_${randomBytes(secretBytes).toString('base64url')}`
  const hash = hashOf(token)
  const left = fields.uses === undefined ? {} : {usesLeft: fields.uses}
  const record: TokenRecord = {...fields, ...left, id: idOf(hash), createdAt: now, expiresAt: now + ttlMs}
  const index = {gsi1pk: indexPartitions.tokens, gsi1sk: `${sortable(now)}#${record.id}`}
  return {hash, created: {...record, token}, item: {...typed('token', keys.token(hash), record), ...index, ttl: ttlOf(record.expiresAt)}}
}
