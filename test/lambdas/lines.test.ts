// What lines between clients and agents leave in the database, and whom they are sent through.
import assert from 'node:assert/strict'
import {after, before, it} from 'node:test'
import {QueryCommand} from '@aws-sdk/lib-dynamodb'
import {createFindRelay} from '#lambdas/formations/relays.ts'
import {orderKeptMs, ordersPerExecutorMax, type SessionOrder} from '#shared/domain/session.ts'
import {startDatabase, type TestDatabase} from '#test/store/database.ts'
import {descriptor, pendingInstance, reportOf} from '#test/store/samples.ts'

let database: TestDatabase
const now = 1_750_000_000_000
before(async () => {
  database = await startDatabase()
  await database.store.executors.join(descriptor('one'), now)
})
after(() => database.stop())

it('a relay is an instance of the platform’s formation: what others announce there is none, and hears nothing', async () => {
  const {registry, formations, instances, executors} = database.store
  const session = 'f'.repeat(32)
  const find = createFindRelay(registry, '')
  await formations.create('gilliam', now)
  const outside = {formation: 'gilliam', service: 'proxy', id: 'mine', expiresAt: now + 60_000}
  await registry.announce({...outside, body: {host: '198.51.100.6', ports: {9001: 9_001}, executor: 'one'}}, now)
  await assert.rejects(find(session, now), /No relay is there/)
  const proxy = pendingInstance('gilliam', 'proxy', 'a', {}, now)
  await instances.spawn(proxy)
  const one = await executors.get('one')
  assert.ok(one)
  await instances.assign(one, [proxy], now)
  const report = {...reportOf('gilliam', 'proxy', 'a', 'running', true), address: {host: '10.0.0.1', ports: {'9001': 20_001}}}
  await instances.report('one', report, now)
  for (const first of ['0', '1', '2', '3']) assert.equal(await find(`${first.repeat(8)}${session.slice(8)}`, now), 'ws://10.0.0.1:20001/')
})

it('orders that are over do not pile up where an executor looks for what it is to run', async () => {
  const {sessions, executors} = database.store
  const order = (id: string): SessionOrder => ({id, relay: 'ws://relay/', until: now + 1_000_000, kind: 'logs', formation: 'crm'})
  let at = now
  for (let batch = 0; batch < 2; batch++) {
    for (let index = 0; index < ordersPerExecutorMax; index++)
      assert.equal((await sessions.order('one', order(`${batch}-${index}`), at)).outcome, 'ok')
    assert.equal((await sessions.order('one', order('more'), at)).outcome, 'full')
    assert.equal((await executors.orders('one', at)).sessions.length, ordersPerExecutorMax)
    await executors.orders('one', at)
    at += orderKeptMs
  }
  await executors.orders('one', at)
  assert.deepEqual((await executors.orders('one', at)).sessions, [])
  const {Count} = await database.client.send(
    new QueryCommand({TableName: database.table, KeyConditionExpression: 'pk = :pk', ExpressionAttributeValues: {':pk': 'A#one'}}),
  )
  assert.equal(Count, 1, 'the assignment is there, and nothing else')
})

it('revoked tokens are told by time, those made with them too, and each once it is revoked', async () => {
  const {tokens} = database.store
  const make = async (name: string) => tokens.create({name, scope: 'user', verbs: ['exec'], ttlMs: 1_000_000}, now)
  const [parent, kept] = [await make('parent'), await make('kept')]
  const holder = await tokens.authenticate(parent.token, now)
  assert.ok(holder)
  const child = await tokens.createChild({name: 'child', scope: 'user', verbs: ['exec'], ttlMs: 1_000}, holder, now)
  assert.ok(child.outcome === 'ok')
  assert.deepEqual(await tokens.revokedSince(0), [])
  await tokens.revoke(parent.id, now + 5)
  const told = await tokens.revokedSince(now + 5)
  assert.deepEqual(new Set(told.map(({id}) => id)), new Set([parent.id, child.created.id]))
  assert.deepEqual(await tokens.revokedSince(now + 6), [])
  await tokens.revoke(kept.id, now + 9)
  assert.deepEqual(await tokens.revokedSince(now + 6), [{id: kept.id, at: now + 9}])
})
