// Reports that were long on their way: what a later sync told stays, and the agent that counts from below learns from where.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import type {InstanceReport} from '#shared/domain/assignment.ts'
import {startDatabase, type TestDatabase} from './database.ts'
import {descriptor, pendingInstance, reportOf} from './samples.ts'

const now = 1_800_000_000_000

describe('a report of an earlier sync', () => {
  let database: TestDatabase
  before(async () => {
    database = await startDatabase()
    await database.store.formations.create('crm', now)
  })
  after(() => database.stop())

  /** An instance that runs on an executor of its own, as told by sync 10. */
  const running = async (id: string) => {
    const {store} = database
    const joined = await store.executors.join(descriptor(id), now)
    assert.ok(joined.outcome === 'ok')
    const instance = pendingInstance('crm', 'web', id, {}, now)
    await store.instances.spawn(instance)
    await store.instances.assign(joined.executor, [instance], now)
    const report = (state: InstanceReport['state'], sequence: number) =>
      store.instances.report(id, reportOf('crm', 'web', id, state, state === 'running'), now, sequence)
    assert.equal((await report('running', 10)).outcome, 'ok')
    return {report, state: async () => (await store.instances.get('crm', id))?.state}
  }

  it('is not taken once a later one was, and says which', async () => {
    const {report, state} = await running('late')
    assert.deepEqual(await report('starting', 9), {outcome: 'stale', sequence: 10})
    assert.deepEqual(await report('starting', 10), {outcome: 'stale', sequence: 10})
    assert.equal(await state(), 'running')
    assert.equal((await report('starting', 11)).outcome, 'ok')
    assert.equal(await state(), 'starting')
  })

  it('is not taken after one that said nothing new', async () => {
    const {report, state} = await running('again')
    assert.equal((await report('running', 12)).outcome, 'unchanged')
    assert.deepEqual(await report('starting', 11), {outcome: 'stale', sequence: 12})
    assert.equal(await state(), 'running')
  })

  it('is not taken when both are worked on at once', async () => {
    const {report, state} = await running('both')
    for (let sequence = 20; sequence < 40; sequence += 2) {
      await Promise.all([report('starting', sequence), report('running', sequence + 1)])
      assert.equal(await state(), 'running')
    }
  })
})
