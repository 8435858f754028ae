// The database does what it was asked and its answer is lost: the SDK asks again, and nobody may take the repetition for somebody else's write.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {startDatabase, type TestDatabase} from './database.ts'
import {descriptor, pendingInstance} from './samples.ts'

const now = 1_800_000_000_000

describe('a lost answer', () => {
  let database: TestDatabase
  /** Answers still to lose. */
  let losing = 0
  before(async () => {
    database = await startDatabase()
    database.client.middlewareStack.add(
      (next, context) => async args => {
        const answer = await next(args)
        if (losing === 0 || String(context.commandName).startsWith('Get') || String(context.commandName).startsWith('Query')) return answer
        losing -= 1
        throw Object.assign(new Error('socket hang up'), {code: 'ECONNRESET', name: 'TimeoutError'})
      },
      {step: 'deserialize', priority: 'high', name: 'loseAnswers'},
    )
  })
  after(() => database.stop())

  it('does not make a formation “exist already” for the one who created it', async () => {
    losing = 1
    assert.equal((await database.store.formations.create('crm', now)).outcome, 'ok')
    assert.equal(losing, 0)
    assert.equal((await database.store.formations.create('crm', now)).outcome, 'exists')
  })

  it('does not lock a request out by its own idempotency key', async () => {
    const {idempotency} = database.store
    losing = 1
    assert.equal((await idempotency.begin('t', 'key', 'print', now)).outcome, 'started')
    assert.equal(losing, 0)
    assert.equal((await idempotency.begin('t', 'key', 'print', now)).outcome, 'in_progress')
  })

  it('does not assign, release or scale twice', async () => {
    const {store} = database
    await store.formations.create('twice', now)
    losing = 1
    assert.equal((await store.releases.create('twice', {env: {}, services: {}}, now)).outcome, 'ok')
    assert.equal((await store.releases.list('twice')).length, 1)
    const joined = await store.executors.join(descriptor('host'), now)
    assert.ok(joined.outcome === 'ok')
    const instance = pendingInstance('twice', 'web', 'one', {}, now)
    losing = 1
    assert.equal((await store.instances.spawn(instance)).outcome, 'ok')
    losing = 1
    assert.equal((await store.instances.assign(joined.executor, [instance], now)).assigned.length, 1)
    assert.equal((await store.executors.get('host'))?.instances, 1)
    losing = 1
    assert.ok((await store.instances.requestStop('twice', 'one', 'over', now)).outcome === 'ok')
    assert.equal((await store.instances.get('twice', 'one'))?.state, 'stopping')
  })
})
