// Executors and their leases in the real table.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {startDatabase, type TestDatabase} from './database.ts'
import {descriptor, pendingInstance, reportOf} from './samples.ts'

const now = 1_800_000_000_000
const later = now + executorLeaseMs + 1

describe('executors', () => {
  let database: TestDatabase
  before(async () => {
    database = await startDatabase()
  })
  after(() => database.stop())

  const joined = async (id: string, at = now) => {
    const outcome = await database.store.executors.join(descriptor(id), at)
    return outcome.outcome === 'ok' ? outcome.executor : assert.fail(outcome.outcome)
  }

  /** An executor with announced instances of a formation of its own. */
  const busy = async (id: string, count: number): Promise<Instance[]> => {
    const {store} = database
    const executor = await joined(id)
    await store.formations.create(`of-${id}`, now)
    const instances = Array.from({length: count}, (_, at) => pendingInstance(`of-${id}`, 'web', `i${at}`, {}, now))
    await store.instances.create(`of-${id}`, 0, instances)
    assert.equal((await store.instances.assign(executor, instances, now)).assigned.length, count)
    for (const each of instances) await store.instances.report(id, reportOf(each.formation, 'web', each.id, 'running', true), now)
    return instances
  }

  it('join, join again with another description, and are listed by id', async () => {
    const {executors} = database.store
    const first = await joined('b-host')
    assert.deepEqual(first, {
      ...descriptor('b-host'),
      state: 'ready',
      joinedAt: now,
      cpuMilliUsed: 0,
      memoryMibUsed: 0,
      instances: 0,
      hostPorts: [],
      leaseExpiresAt: now + executorLeaseMs,
      assignmentVersion: 1,
    })
    await joined('a-host')
    const again = await executors.join({...descriptor('b-host'), cpuMilli: 2_000, tags: []}, now + 5)
    assert.ok(again.outcome === 'ok')
    assert.deepEqual([again.executor.cpuMilli, again.executor.tags, again.executor.assignmentVersion], [2_000, [], 2])
    assert.deepEqual(
      (await executors.list()).map(each => each.id),
      ['a-host', 'b-host'],
    )
    assert.deepEqual((await executors.list())[1], await executors.get('b-host'))
    assert.equal(await executors.get('c-host'), undefined)
  })

  it('can join many times at once', async () => {
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => database.store.executors.join(descriptor('crowd'), now)))
    assert.ok(outcomes.every(each => each.outcome === 'ok'))
  })

  it('renew their lease with one write that tells the assignment version', async () => {
    const {executors} = database.store
    await busy('renewing', 2)
    const before = await executors.get('renewing')
    assert.deepEqual(await executors.renew('renewing', now + 10), {
      outcome: 'ok',
      assignmentVersion: before?.assignmentVersion,
      state: 'ready',
    })
    assert.equal((await executors.get('renewing'))?.leaseExpiresAt, now + 10 + executorLeaseMs)
    assert.equal((await executors.renew('nobody', now)).outcome, 'missing')
    assert.equal(await executors.get('nobody'), undefined)
  })

  it('are cordoned: they keep what they have and get nothing new', async () => {
    const {store} = database
    const [instance] = await busy('cordoned', 1)
    const executor = await store.executors.get('cordoned')
    assert.ok(executor !== undefined && instance !== undefined)
    assert.equal((await store.executors.cordon('cordoned', now)).outcome, 'ok')
    const more = pendingInstance('of-cordoned', 'web', 'more', {}, now)
    await store.instances.spawn(more)
    assert.deepEqual((await store.instances.assign(executor, [more], now)).refused, [more])
    assert.deepEqual(await store.executors.draining(), [])
    await joined('cordoned', now + 1)
    assert.equal((await store.executors.get('cordoned'))?.state, 'cordoned', 'joining again does not undo it')
    assert.equal((await store.instances.get('of-cordoned', instance.id))?.state, 'running')
    assert.equal((await store.executors.uncordon('cordoned', now)).outcome, 'ok')
    assert.equal((await store.instances.assign(executor, [more], now)).assigned.length, 1)
  })

  it('drain and undrain, which syncs and assignments see', async () => {
    const {store} = database
    const executor = await joined('drained')
    const states = await Promise.all([store.executors.drain('drained', now), store.executors.drain('drained', now)])
    assert.ok(states.some(each => each.outcome === 'ok'))
    assert.equal((await store.executors.drain('drained', now)).outcome, 'ok')
    const renewed = await store.executors.renew('drained', now)
    assert.ok(renewed.outcome === 'ok' && renewed.state === 'draining')
    assert.deepEqual(await store.executors.draining(), [{id: 'drained'}])
    await store.formations.create('for-drained', now)
    const instance = pendingInstance('for-drained', 'web', 'one', {}, now)
    await store.instances.spawn(instance)
    assert.deepEqual((await store.instances.assign(executor, [instance], now)).refused, [instance])
    await joined('drained', now + 1)
    assert.equal((await store.executors.get('drained'))?.state, 'draining', 'joining again does not undo it')
    await store.executors.markLost('drained', later + 1)
    assert.deepEqual(await store.executors.draining(), [])
    await joined('drained', later + 2)
    assert.equal((await store.executors.get('drained'))?.state, 'draining', 'nor does being lost in between')
    assert.deepEqual(await store.executors.draining(), [{id: 'drained'}])
    assert.equal((await store.executors.undrain('drained', now)).outcome, 'ok')
    assert.deepEqual(await store.executors.draining(), [])
    assert.equal((await store.instances.assign(executor, [instance], now)).assigned.length, 1)
    assert.equal((await store.executors.drain('nobody', now)).outcome, 'missing')
  })

  it('are lost only when their lease is over, and leave the registry in one step', async () => {
    const {store} = database
    await busy('losing', 5)
    assert.equal((await store.executors.markLost('losing', now + executorLeaseMs)).outcome, 'conflict')
    assert.equal((await store.registry.list('of-losing', later)).length, 5, 'a lease that is over changes nothing by itself')
    const marked = await Promise.all([1, 2].map(() => store.executors.markLost('losing', later)))
    assert.deepEqual(marked.map(each => each.outcome).sort(), ['conflict', 'ok'])
    assert.deepEqual(await store.registry.list('of-losing', later), [])
    assert.equal(await store.registry.get('of-losing', 'web', 'i0', later), undefined)
    assert.deepEqual((await store.registry.snapshots({'of-losing': 0}, later))[0]?.endpoints, [])
    assert.deepEqual(
      (await store.instances.list('of-losing')).map(each => each.state),
      Array(5).fill('running'),
      'not yet given up',
    )
    assert.equal((await store.executors.renew('losing', later)).outcome, 'lost')
    assert.equal((await store.executors.drain('losing', later)).outcome, 'lost')
    assert.equal((await store.executors.markLost('nobody', later)).outcome, 'missing')
  })

  it('give up what they held before they are ready again', async () => {
    const {store} = database
    await busy('returning', 3)
    await store.executors.markLost('returning', later)
    const back = await store.executors.join(descriptor('returning'), later)
    assert.ok(back.outcome === 'ok')
    assert.deepEqual([back.executor.state, back.executor.instances, back.executor.cpuMilliUsed], ['ready', 0, 0])
    assert.deepEqual(await store.executors.assignments('returning'), [])
    assert.deepEqual(
      (await store.instances.list('of-returning', {endedSince: later})).map(each => each.state),
      ['lost', 'lost', 'lost'],
    )
    assert.deepEqual(await store.registry.list('of-returning', later), [])
    assert.equal((await store.executors.renew('returning', later)).outcome, 'ok')
    const word = await store.instances.report('returning', reportOf('of-returning', 'web', 'i0', 'running', true), later)
    assert.equal(word.outcome, 'fenced')
  })
})

describe('an executor that came back', () => {
  it('keeps what it was given since, whoever still gives up what it had', async () => {
    const database = await startDatabase()
    try {
      const {store} = database
      await store.formations.create('crm', now)
      const drafts = ['old', 'new'].map(id => pendingInstance('crm', 'web', id, {}, now))
      await store.instances.create('crm', 0, drafts)
      const joined = await store.executors.join(descriptor('host'), now)
      assert.ok(joined.outcome === 'ok')
      await store.instances.assign(joined.executor, drafts.slice(0, 1), now)
      await store.executors.markLost('host', later)
      // A reconciler saw it lost; before it gives up anything the executor is back and gets work.
      const back = await store.executors.join(descriptor('host'), later)
      assert.ok(back.outcome === 'ok')
      assert.equal((await store.instances.assign(back.executor, drafts.slice(1), later)).assigned.length, 1)
      for (const {formation, id} of await store.executors.assignments('host')) {
        assert.equal((await store.instances.lose(formation, id, 'executor host was lost', later)).outcome, 'alive')
      }
      assert.equal((await store.instances.get('crm', 'new'))?.state, 'assigned')
      assert.equal((await store.instances.get('crm', 'old'))?.state, 'lost')
      assert.equal((await store.executors.get('host'))?.instances, 1)
    } finally {
      await database.stop()
    }
  })
})

describe('forgetting executors', () => {
  let database: TestDatabase
  before(async () => {
    database = await startDatabase()
  })
  after(() => database.stop())

  it('takes a lost one with its credential, once what it held is given up', async () => {
    const {store} = database
    const joined = await store.executors.join(descriptor('leaving'), now)
    assert.ok(joined.outcome === 'ok')
    const credential = await store.tokens.createForExecutor('leaving', 9_000_000, now)
    assert.ok(credential.outcome === 'ok')
    await store.formations.create('crm', now)
    const instances = ['a', 'b'].map(id => pendingInstance('crm', 'web', id, {}, now))
    await store.instances.create('crm', 0, instances)
    await store.instances.assign(joined.executor, instances, now)
    for (const {id} of instances) await store.instances.report('leaving', reportOf('crm', 'web', id, 'running', true), now)

    const refused = await store.executors.forget('leaving', later)
    assert.deepEqual([refused.outcome, 'executor' in refused && refused.executor.state], ['alive', 'ready'], 'nobody gave it up yet')
    await store.executors.markLost('leaving', later)
    const [before] = await store.registry.snapshots({crm: -1}, later)
    const outcomes = await Promise.all([1, 2, 3].map(() => store.executors.forget('leaving', later)))
    assert.ok(outcomes.some(each => each.outcome === 'ok'))
    assert.ok(outcomes.every(each => each.outcome === 'ok' || each.outcome === 'missing'))
    assert.equal(await store.executors.get('leaving'), undefined)
    assert.deepEqual(await store.executors.list(), [])
    assert.deepEqual(await store.executors.assignments('leaving'), [])
    assert.deepEqual(
      (await store.instances.list('crm', {endedSince: later})).map(each => each.state),
      ['lost', 'lost'],
    )
    assert.equal((await store.registry.snapshots({crm: before?.version ?? 0}, later)).length, 1, 'readers are told')
    assert.equal(await store.tokens.authenticate(credential.created.token, later), undefined)
    assert.deepEqual(await store.tokens.list(later), [])
    assert.equal((await store.executors.renew('leaving', later)).outcome, 'missing')
    assert.equal((await store.executors.forget('leaving', later)).outcome, 'missing')
    assert.equal((await store.tokens.createForExecutor('leaving', 9_000_000, later)).outcome, 'missing')

    const back = await store.executors.join(descriptor('leaving'), later)
    assert.ok(back.outcome === 'ok')
    assert.deepEqual([back.executor.joinedAt, back.executor.instances, back.executor.assignmentVersion], [later, 0, 1])
  })

  it('loses to one that joins again at the same time, or comes before it', async () => {
    const {store} = database
    for (let round = 0; round < 5; round++) {
      const id = `racing-${round}`
      await store.executors.join(descriptor(id), now)
      await store.executors.markLost(id, later)
      const [forgotten, joined] = await Promise.all([store.executors.forget(id, later), store.executors.join(descriptor(id), later)])
      assert.ok(forgotten.outcome === 'ok' || forgotten.outcome === 'alive')
      assert.equal(joined.outcome, 'ok')
      assert.equal((await store.executors.renew(id, later)).outcome, 'ok')
      assert.equal((await store.executors.get(id))?.state, 'ready')
    }
  })

  it('leaves an executor one credential, however many are made at once', async () => {
    const {store} = database
    await store.executors.join(descriptor('crowded'), now)
    const made = await Promise.all([1, 2, 3].map(() => store.tokens.createForExecutor('crowded', 9_000_000, now)))
    const tokens = made.flatMap(each => (each.outcome === 'ok' ? [each.created.token] : []))
    assert.equal(tokens.length, 3)
    const known = await Promise.all(tokens.map(token => store.tokens.authenticate(token, now)))
    assert.equal(known.filter(each => each !== undefined).length, 1)
    assert.equal((await store.tokens.list(now)).filter(each => each.executor === 'crowded').length, 1)
    assert.ok(!('tokenHash' in ((await store.executors.get('crowded')) ?? {})))
  })
})

describe('watching leases', () => {
  it('tells since when there was no gap', async () => {
    const database = await startDatabase()
    try {
      const {watch} = database.store
      assert.equal(await watch.tick(now, 1_000), now)
      assert.equal(await watch.tick(now + 900, 1_000), now)
      assert.equal(await watch.tick(now + 1_900, 1_000), now)
      assert.equal(await watch.tick(now + 1_000, 1_000), now, 'a clock that lags does no harm')
      assert.equal(await watch.tick(now + 2_901, 1_000), now + 2_901)
      const many = await Promise.all([1, 2, 3, 4].map(at => watch.tick(now + 3_000 + at, 1_000)))
      assert.ok(many.every(since => since >= now + 2_901))
    } finally {
      await database.stop()
    }
  })
})
