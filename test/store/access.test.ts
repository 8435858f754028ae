// Tokens, idempotency keys, routes and artifacts in the real table.
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {after, before, describe, it} from 'node:test'
import {GetCommand, UpdateCommand} from '@aws-sdk/lib-dynamodb'
import {idempotencyKeptMs, idempotencyLockMs, lastUseEveryMs, tokenChildrenMax, tokenDepthMax} from '#lambdas/store/index.ts'
import {keys} from '#lambdas/store/schema.ts'
import {startDatabase, type TestDatabase} from './database.ts'

const now = 1_800_000_000_000

describe('access and the rest', () => {
  let database: TestDatabase
  before(async () => {
    database = await startDatabase()
  })
  after(() => database.stop())

  it('knows a token by its secret until it ends or is revoked, and never keeps the secret', async () => {
    const {tokens} = database.store
    const made = await tokens.create({name: 'ci', scope: 'registry', formations: ['crm'], ttlMs: 1_000}, now)
    assert.match(made.token, /^gil_registry_[A-Za-z0-9_-]{43}$/)
    assert.match(made.id, /^[0-9a-f]{16}$/)
    const {hash, ...principal} = (await tokens.authenticate(made.token, now)) ?? {}
    assert.equal(hash, createHash('sha256').update(made.token).digest('hex'))
    const common = {name: 'ci', expiresAt: now + 1_000}
    assert.deepEqual(principal, {tokenId: made.id, ...common, scope: 'registry', formations: ['crm']})
    assert.equal(await tokens.authenticate(made.token, now + 1_000), undefined)
    assert.equal(await tokens.authenticate(`${made.token}x`, now), undefined)
    assert.equal(await tokens.authenticate(made.token.replace('registry', 'admin'), now), undefined)
    assert.equal(await tokens.authenticate('', now), undefined)
    assert.equal(await tokens.authenticate(`gil_${'x'.repeat(10_000)}`, now), undefined)
    const agent = await tokens.create({name: 'agent', scope: 'executor', executor: 'host-1', ttlMs: 9_000}, now + 1)
    assert.equal((await tokens.authenticate(agent.token, now))?.executor, 'host-1')
    const listed = await tokens.list(now)
    assert.deepEqual(
      listed.map(each => each.name),
      ['agent', 'ci'],
    )
    assert.ok(!JSON.stringify(listed).includes(made.token.slice(13)))
    assert.deepEqual(
      (await tokens.list(now + 1_000)).map(each => each.name),
      ['agent'],
    )
    assert.equal((await tokens.revoke(agent.id, now)).outcome, 'ok')
    assert.equal(await tokens.authenticate(agent.token, now), undefined)
    assert.equal((await tokens.revoke(agent.id, now)).outcome, 'missing')
  })

  it('keeps a token bound that was stored when it could be for one formation only', async () => {
    const {client, table, store} = database
    const made = await store.tokens.create({name: 'old', scope: 'registry', formations: ['crm'], ttlMs: 1_000}, now)
    const {hash = ''} = (await store.tokens.authenticate(made.token, now)) ?? {}
    await client.send(
      new UpdateCommand({
        TableName: table,
        Key: keys.token(hash),
        UpdateExpression: 'SET formation = :one REMOVE formations',
        ExpressionAttributeValues: {':one': 'crm'},
      }),
    )
    assert.deepEqual((await store.tokens.authenticate(made.token, now))?.formations, ['crm'])
    assert.equal((await store.tokens.revoke(made.id, now)).outcome, 'ok')
  })

  it('notes the last use of a token at most once an hour', async () => {
    const {tokens} = database.store
    const made = await tokens.create({name: 'busy', scope: 'discovery', ttlMs: 86_400_000}, now)
    const used = async () => (await tokens.list(now)).find(({id}) => id === made.id)?.lastUsedAt
    assert.equal(await used(), undefined)
    for (const at of [now, now + 1, now + lastUseEveryMs - 1]) await tokens.authenticate(made.token, at)
    assert.equal(await used(), now)
    await tokens.authenticate(made.token, now + lastUseEveryMs)
    assert.equal(await used(), now + lastUseEveryMs)
  })

  it('lets tokens made with a token end and go with it, at any distance', async () => {
    const {tokens} = database.store
    const principalOf = async (secret: string) => {
      const principal = await tokens.authenticate(secret, now)
      assert.ok(principal !== undefined)
      return principal
    }
    const first = await tokens.create({name: 'first', scope: 'user', verbs: ['read'], ttlMs: 5_000}, now)
    const family = [first.token]
    for (let depth = 1; depth <= tokenDepthMax; depth++) {
      const parent = await principalOf(family.at(-1) ?? '')
      const made = await tokens.createChild({name: `${depth}`, scope: 'user', verbs: ['read'], ttlMs: 9_000}, parent, now)
      assert.ok(made.outcome === 'ok')
      assert.deepEqual([made.created.expiresAt, made.created.parent], [now + 5_000, parent.tokenId])
      family.push(made.created.token)
    }
    const last = await principalOf(family.at(-1) ?? '')
    assert.equal((await tokens.createChild({name: 'x', scope: 'user', verbs: ['read'], ttlMs: 1}, last, now)).outcome, 'full')
    const parent = await principalOf(first.token)
    assert.equal((await tokens.revoke(first.id, now)).outcome, 'ok')
    for (const secret of family) assert.equal(await tokens.authenticate(secret, now), undefined)
    assert.equal((await tokens.createChild({name: 'late', scope: 'user', ttlMs: 1}, parent, now)).outcome, 'missing')
    assert.ok((await tokens.list(now)).every(({name}) => name === 'busy' || name === 'ci'))
  })

  it('lets a token make only so many that have not ended', async () => {
    const {tokens} = database.store
    const {token: secret} = await tokens.create({name: 'many', scope: 'user', verbs: ['read'], ttlMs: 86_400_000}, now)
    const parent = await tokens.authenticate(secret, now)
    assert.ok(parent !== undefined)
    const make = (at: number) => tokens.createChild({name: 'child', scope: 'user', verbs: ['read'], ttlMs: 1_000}, parent, at)
    const outcomes = await Promise.all(Array.from({length: tokenChildrenMax}, () => make(now)))
    assert.ok(outcomes.every(({outcome}) => outcome === 'ok'))
    assert.equal((await make(now)).outcome, 'full')
    assert.equal((await make(now + 1_000)).outcome, 'ok', 'those that ended do not count')
  })

  it('lets one of many requests with the same key begin, and gives the others its answer', async () => {
    const {idempotency} = database.store
    const begin = (key: string, at = now, fingerprint = 'f') => idempotency.begin('t1', key, fingerprint, at)
    const begun = await Promise.all(Array.from({length: 8}, () => begin('k')))
    assert.deepEqual(begun.map(each => each.outcome).sort(), [...Array(7).fill('in_progress'), 'started'])
    assert.equal((await begin('k', now, 'other')).outcome, 'mismatch')
    assert.equal((await idempotency.begin('t2', 'k', 'other', now)).outcome, 'started', 'keys belong to their token')
    const response = {status: 201, body: '{"release":1}'}
    await idempotency.finish('t1', 'k', response, now)
    assert.deepEqual(await begin('k'), {outcome: 'finished', response})
    assert.equal((await begin('k', now + 1, 'other')).outcome, 'mismatch')
    assert.equal((await begin('k', now + idempotencyKeptMs)).outcome, 'started', 'a day later the key is free')
    await begin('dies')
    assert.equal((await begin('dies', now + idempotencyLockMs - 1)).outcome, 'in_progress')
    assert.equal((await begin('dies', now + idempotencyLockMs)).outcome, 'started', 'whoever held it is gone')
    await begin('fails')
    await idempotency.abandon('t1', 'fails')
    assert.equal((await begin('fails')).outcome, 'started')
    const empty = {status: 204, body: ''}
    await idempotency.finish('t1', 'fails', empty, now)
    assert.deepEqual(await begin('fails'), {outcome: 'finished', response: empty})
  })

  it('keeps one route per name and per pattern, and moves the table’s version', async () => {
    const {routes} = database.store
    const route = (name: string, path = `/${name}`) => ({name, domain: '*', path, target: 'users.crm.service'})
    assert.deepEqual(await routes.table(-1), {version: 0, routes: []})
    assert.equal(await routes.table(0), undefined)
    const made = await Promise.all([1, 2, 3].map(at => routes.create(route(`r${at}`, '/same'), '*/same')))
    assert.deepEqual(made.map(each => each.outcome).sort(), ['ok', 'overlap', 'overlap'])
    const [winner] = await routes.list()
    const refused = made.find(each => each.outcome === 'overlap')
    assert.deepEqual(refused, {outcome: 'overlap', by: winner?.name})
    assert.equal((await routes.create(route(winner?.name ?? '', '/else'), '*/else')).outcome, 'exists')
    assert.equal((await routes.create(route('b'), '*/b')).outcome, 'ok')
    const table = await routes.table(0)
    assert.deepEqual([table?.version, table?.routes.map(each => each.name)], [2, ['b', winner?.name]])
    assert.deepEqual(await routes.get('b'), route('b'))
    assert.equal(await routes.table(2), undefined)
    const gone = await Promise.all([1, 2].map(() => routes.delete('b')))
    assert.ok(gone.some(each => each.outcome === 'ok'))
    assert.equal((await routes.delete('b')).outcome, 'missing')
    assert.equal(await routes.get('b'), undefined)
    assert.equal((await routes.table(2))?.version, 3)
    assert.equal((await routes.create(route('c', '/b'), '*/b')).outcome, 'ok', 'the pattern is free again')
  })

  it('remembers artifacts', async () => {
    const {artifacts} = database.store
    const artifact = {sha256: 'a'.repeat(64), bytes: 5, stored: false, createdAt: now}
    assert.equal(await artifacts.get(artifact.sha256), undefined)
    await artifacts.put(artifact)
    await artifacts.put({...artifact, stored: true})
    assert.deepEqual(await artifacts.get(artifact.sha256), {...artifact, stored: true})
  })

  it('gives DynamoDB the second in which things end, so that it cleans up', async () => {
    const {client, table, store} = database
    await store.idempotency.begin('t9', 'ttl', 'f', now)
    const {Item} = await client.send(new GetCommand({TableName: table, Key: {pk: 'IDEMPOTENCY#t9#ttl', sk: 'IDEMPOTENCY'}}))
    assert.equal(Item?.ttl, (now + idempotencyKeptMs) / 1_000)
  })
})
