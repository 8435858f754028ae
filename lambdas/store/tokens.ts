// Bearer tokens: kept as hashes, shown once, never listed with their secrets.
import {sessionMsMax} from '#shared/domain/session.ts'
import type {Principal} from '#shared/scopes.ts'
import {exists, notExists, notRevoked} from './conditions.ts'
import {createForExecutor, renewForExecutor} from './credentials.ts'
import {draw, hashOf} from './draw.ts'
import {domainOf, sortable, ttlOf, typed} from './items.ts'
import {indexPartitions, keys} from './schema.ts'
import {type Deed, deleteMany, get, type Item, type Key, query, type Table, transact, write, writeNoting} from './table.ts'
import type {NewTokenRecord, RevokedToken, TokenRecord, TokenStore} from './types.ts'

/** Longest text that is looked at as a token, in characters. */
const secretCharactersMax = 128
/** How exact `lastUsedAt` is: a token that is used all the time costs one write an hour. */
export const lastUseEveryMs = 3_600_000
/** Tokens made with one token that have not ended. */
export const tokenChildrenMax = 100
/** Makers between a token and the first of them. */
export const tokenDepthMax = 4
/** Revoked tokens told at once. */
export const revokedListedMax = 1_000

/** Its depth is how many makers there are before it. */
const recordOf = (item: Item): TokenRecord => {
  const {formation, ...record} = domainOf<TokenRecord & {formation?: string}>(item, 'depth', 'revokedAt')
  // Tokens of before there could be several kept the one they are bound to under another name; they stay bound.
  return formation === undefined ? record : {...record, formations: [formation]}
}

/** Belongs to a formation when it is for just that one. */
const placeOf = ({formations}: Partial<TokenRecord>): {formation?: string} =>
  formations?.length === 1 && formations[0] !== undefined ? {formation: formations[0]} : {}

const creationOf = ({token: _, id, ...to}: NewTokenRecord): Deed => ({action: 'token.create', ...placeOf(to), what: `token ${id}`, to})

const revocationOf = async (table: Table, key: Key): Promise<Deed> => {
  const item = table.noting === undefined ? undefined : await get(table, key)
  const {id = '', ...from} = item === undefined ? {} : recordOf(item)
  return {action: 'token.revoke', ...placeOf(from), what: `token ${id}`, from}
}

const createChild =
  (table: Table): TokenStore['createChild'] =>
  async (token, {tokenId, hash: parentHash, expiresAt}, now) => {
    const parent = await get(table, keys.token(parentHash))
    if (parent === undefined) return {outcome: 'missing'}
    const depth = ((parent.depth as number | undefined) ?? 0) + 1
    const siblings = await query(table, keys.token(parentHash).pk, {prefix: 'CHILD#'})
    if (depth > tokenDepthMax || siblings.filter(each => (each.expiresAt as number) > now).length >= tokenChildrenMax)
      return {outcome: 'full'}
    const {hash, created, item} = draw({...token, ttlMs: Math.min(token.ttlMs, expiresAt - now), parent: tokenId}, now)
    const child = {...typed('token-child', keys.tokenChild(parentHash, hash), {hash, expiresAt: created.expiresAt}), ttl: item.ttl}
    const refused = await transact(
      table,
      [{check: keys.token(parentHash), when: notRevoked}, {put: {...item, depth}, when: notExists}, {put: child}],
      creationOf(created),
    )
    return refused === undefined ? {outcome: 'ok', created} : {outcome: 'missing'}
  }

/** Sessions that were asked for with it go on no longer. */
const noteRevoked = async (table: Table, key: Key, now: number): Promise<void> => {
  const item = await get(table, key)
  if (item === undefined) return
  const {id} = recordOf(item)
  await write(table, {
    put: {...typed('revoked-token', keys.revokedToken(sortable(now), id), {id, at: now}), ttl: ttlOf(now + sessionMsMax)},
  })
}

const revokedSince = async (table: Table, since: number): Promise<readonly RevokedToken[]> => {
  const {pk} = keys.revokedToken('', '')
  const between = [sortable(since), sortable(Number.MAX_SAFE_INTEGER)] as const
  const items = await query(table, pk, {between, limit: revokedListedMax})
  return items.map(item => domainOf<RevokedToken>(item))
}

/** Marks it first, so that nothing more is made with it, and removes it last, so that whoever is interrupted can do it again. */
const revokeTree = async (table: Table, key: Key, now: number): Promise<boolean> => {
  if (!(await writeNoting(table, {update: key, change: {set: {revokedAt: now}}, when: exists}, await revocationOf(table, key))))
    return false
  await noteRevoked(table, key, now)
  await revokeChildren(table, key.pk, now)
  await deleteMany(table, [key])
  return true
}

/** Revokes the tokens that are listed in a partition, and those made with them. */
export const revokeChildren = async (table: Table, partition: string, now: number): Promise<void> => {
  const children = await query(table, partition, {prefix: 'CHILD#'})
  for (const {hash} of children) await revokeTree(table, keys.token(hash as string), now)
  await deleteMany(
    table,
    children.map(item => ({pk: item.pk as string, sk: item.sk as string})),
  )
}

const createUnder =
  (table: Table): TokenStore['createUnder'] =>
  async (token, used, now) => {
    const {hash, created, item} = draw(token, now)
    const child = {...typed('token-child', keys.trustTokens(token.trust, hash), {hash, expiresAt: created.expiresAt}), ttl: item.ttl}
    const refused = await transact(
      table,
      [
        {check: keys.trust(token.trust), when: notRevoked},
        {put: {...typed('used-token', keys.usedToken(used.hash), {}), ttl: ttlOf(used.until)}, when: notExists},
        {put: item, when: notExists},
        {put: child},
      ],
      creationOf(created),
    )
    if (refused === undefined) return {outcome: 'ok', created}
    return {outcome: refused.includes(0) ? 'missing' : 'replayed'}
  }

const noteUse = async (table: Table, key: Key, {lastUsedAt}: TokenRecord, now: number): Promise<void> => {
  if (lastUsedAt !== undefined && now - lastUsedAt < lastUseEveryMs) return
  await write(table, {update: key, change: {set: {lastUsedAt: now}}, when: notRevoked})
}

const authenticate =
  (table: Table): TokenStore['authenticate'] =>
  async (secret, now) => {
    if (!secret.startsWith('gil_') || secret.length > secretCharactersMax) return undefined
    const hash = hashOf(secret)
    const item = await get(table, keys.token(hash))
    if (item === undefined || item.revokedAt !== undefined) return undefined
    const record = recordOf(item)
    const {id, name, scope, executor, formations, verbs, uses, expiresAt} = record
    if (expiresAt <= now) return undefined
    await noteUse(table, keys.token(hash), record, now)
    const principal: Principal = {
      tokenId: id,
      name,
      hash,
      expiresAt,
      scope,
      ...(verbs !== undefined && {verbs}),
      ...(executor !== undefined && {executor}),
      ...(formations !== undefined && {formations}),
      ...(uses !== undefined && {uses}),
    }
    return principal
  }

export const createTokenStore = (table: Table): TokenStore => ({
  create: async (token, now) => {
    const {created, item} = draw(token, now)
    await writeNoting(table, {put: item}, creationOf(created))
    return created
  },

  createForExecutor: createForExecutor(table),
  renewForExecutor: renewForExecutor(table),
  createChild: createChild(table),
  createUnder: createUnder(table),
  authenticate: authenticate(table),

  countRequests: async (id, window, requests, endsAt) => {
    const change = {set: {type: 'requests', ttl: ttlOf(endsAt)}, add: {requests}}
    return (await write(table, {update: keys.requests(id, window), change}))?.requests as number
  },

  list: async now => {
    const items = await query(table, indexPartitions.tokens, {index: 'gsi1', newestFirst: true})
    return items.filter(item => item.revokedAt === undefined && (item.expiresAt as number) > now).map(recordOf)
  },

  revokedSince: since => revokedSince(table, since),

  revoke: async (id, now) => {
    const items = await query(table, indexPartitions.tokens, {index: 'gsi1'})
    const found = items.find(item => item.id === id)
    if (found === undefined) return {outcome: 'missing'}
    // An executor's credentials go together: with any that is left it would have itself given another.
    const {executor} = found
    const others = executor === undefined ? [] : items.filter(item => item.executor === executor && item.id !== id)
    const revoked = await Promise.all(
      [found, ...others].map(item => revokeTree(table, {pk: item.pk as string, sk: item.sk as string}, now)),
    )
    return {outcome: revoked.includes(true) ? 'ok' : 'missing'}
  },
})
