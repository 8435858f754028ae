// Trusts: which id tokens are taken for which rights. Removing one takes the tokens along that were given under it.
import {all, exists, notExists, notRevoked} from './conditions.ts'
import {domainOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {type Deed, deleteMany, get, type Item, query, type Table, transact, writeNoting} from './table.ts'
import {revokeChildren} from './tokens.ts'
import type {Trust, TrustStore} from './types.ts'

/** In a stage; all are looked at in an exchange. */
export const trustsMax = 200

const trustOf = (item: Item): Trust => domainOf<Trust>(item, 'revokedAt')

const list = async (table: Table): Promise<readonly Trust[]> =>
  (await query(table, keys.trust('').pk, {prefix: keys.trust('').sk})).filter(item => item.revokedAt === undefined).map(trustOf)

const deedOf = (verb: 'create' | 'delete', {name, createdAt: _, ...said}: Trust): Deed => ({
  action: `trust.${verb}`,
  what: `trust ${name}`,
  [verb === 'create' ? 'to' : 'from']: said,
})

export const createTrustStore = (table: Table): TrustStore => ({
  list: () => list(table),

  create: async trust => {
    if ((await list(table)).length >= trustsMax) return {outcome: 'full'}
    const refused = await transact(table, [{put: typed('trust', keys.trust(trust.name), trust), when: notExists}], deedOf('create', trust))
    return {outcome: refused === undefined ? 'ok' : 'exists'}
  },

  delete: async (name, now) => {
    const key = keys.trust(name)
    const item = await get(table, key)
    if (item === undefined) return {outcome: 'missing'}
    // Marked first, so that nothing more is given under it, and removed last, so that whoever is interrupted can do it again.
    const mark = {update: key, change: {set: {revokedAt: now}}, when: all(exists, notRevoked)}
    if (item.revokedAt === undefined) await writeNoting(table, mark, deedOf('delete', trustOf(item)))
    await revokeChildren(table, keys.trustTokens(name).pk, now)
    await deleteMany(table, [key])
    return {outcome: 'ok'}
  },
})
