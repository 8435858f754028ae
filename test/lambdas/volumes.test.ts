// Volumes over the real reconciler, scheduler and store: they stay with their executor, one instance at a time has one, and they are given up on request.
import assert from 'node:assert/strict'
import {afterEach, beforeEach, describe, it} from 'node:test'
import {pino} from 'pino'
import {loadOrders} from '#lambdas/executors/assignments.ts'
import {createSchedulerFunction} from '#lambdas/scheduler/index.ts'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import {type Instance, isTerminal} from '#shared/domain/instance.ts'
import {servingAfterMs} from '#shared/domain/rollout.ts'
import {createExpressions} from '#shared/expressions.ts'
import {startWorld, type World} from '#test/reconciler/world.ts'
import {descriptor} from '#test/store/samples.ts'

const db = {kind: 'auxiliary', volume: {path: '/data'}} as const

describe('a volume', () => {
  let world: World
  beforeEach(async () => {
    world = await startWorld()
  })
  afterEach(() => world.stop())

  const place = async (): Promise<void> => {
    const {store, clock} = world
    await createSchedulerFunction({store, expressions: createExpressions(), now: () => clock.now, log: pino({level: 'silent'})})({})
  }
  const live = async (): Promise<Instance[]> => (await world.store.instances.list('crm')).filter(({state}) => !isTerminal(state))
  const turn = async (...executors: string[]): Promise<void> => {
    await world.reconciler()({wake: 'crm'})
    await place()
    for (const id of executors) await world.sync(id)
    assert.ok((await live()).filter(({executor}) => executor !== undefined).length <= 1, 'never two with one volume')
  }
  const volume = async () => (await world.store.volumes.list('crm'))[0]

  it('is made where its first instance is placed, and brings the next one there, under the same name', async () => {
    await world.formation('crm', {_db: db})
    await world.executor('h1')
    await world.store.scales.set('crm', 1, {_db: 1}, world.clock.now)
    await turn('h1')
    const [first] = await live()
    assert.deepEqual([(await volume())?.executor, (await volume())?.id, (await volume())?.holder], ['h1', first?.id, first?.id])
    await world.executor('a-better-one')
    await world.store.instances.requestStop('crm', first?.id ?? '', 'test', world.clock.now)
    await turn('h1')
    await turn('h1', 'a-better-one')
    const [second] = await live()
    assert.notEqual(second?.id, first?.id)
    assert.deepEqual([second?.state, second?.executor, (await volume())?.holder], ['running', 'h1', second?.id])
    assert.equal(
      (await loadOrders({store: world.store, sign: async () => undefined}, 'h1', 0)).assignments.find(({id}) => id === second?.id)?.volume
        ?.id,
      first?.id,
    )
  })

  it('is made on no executor that keeps none; its service waits, and says why', async () => {
    await world.formation('crm', {_db: db})
    await world.store.executors.join({...descriptor('pool'), labels: {'no-volumes': 'true'}}, world.clock.now)
    await world.store.scales.set('crm', 1, {_db: 1}, world.clock.now)
    await turn()
    const [waiting] = await live()
    assert.deepEqual([waiting?.state, waiting?.executor], ['pending', undefined])
    assert.match(waiting?.reason ?? '', /no-volumes/)
    await world.executor('h1')
    await turn('h1')
    assert.equal((await live())[0]?.executor, 'h1')
  })

  it('is taken over by a rollout: the old instance is gone before the new one is made', async () => {
    await world.formation('crm', {_db: db}, 2)
    await world.executor('h1')
    await world.store.scales.set('crm', 1, {_db: 1}, world.clock.now)
    await turn('h1')
    await world.store.rollouts.start('crm', 2, {_db: 1}, world.clock.now)
    await turn()
    assert.deepEqual(
      (await live()).map(({release, state, reason}) => [release, state, reason]),
      [[1, 'stopping', 'release 2 takes its volume']],
    )
    await turn('h1')
    await turn('h1')
    world.clock.now += servingAfterMs
    await turn('h1')
    assert.deepEqual(
      (await live()).map(({release, state}) => [release, state]),
      [[2, 'running']],
    )
    assert.equal((await world.store.rollouts.get('crm', 2))?.state, 'finished')
  })

  it('goes back to the former release when a rollout fails', async () => {
    await world.formation('crm', {_db: db}, 2)
    await world.executor('h1')
    await world.store.scales.set('crm', 1, {_db: 1}, world.clock.now)
    await turn('h1')
    await world.store.rollouts.start('crm', 2, {_db: 1}, world.clock.now)
    await turn('h1')
    await world.store.rollouts.fail('crm', 2, 'test', world.clock.now)
    for (let times = 0; times < 3; times++) await turn('h1')
    assert.deepEqual(
      (await live()).map(({release, state, executor}) => [release, state, executor]),
      [[1, 'running', 'h1']],
    )
  })

  it('is waited for while its executor is lost, with a reason; given up, the next instance begins elsewhere', async () => {
    const {store, clock} = world
    await world.formation('crm', {_db: db})
    await world.executor('h1')
    await store.scales.set('crm', 1, {_db: 1}, clock.now)
    await turn('h1')
    assert.deepEqual(await store.volumes.release('crm', '_db'), {outcome: 'held'})
    const former = await volume()
    clock.now += executorLeaseMs + 1
    await world.executor('h2')
    assert.equal((await store.executors.markLost('h1', clock.now)).outcome, 'ok')
    await store.instances.lose('crm', former?.holder ?? '', 'executor h1 was lost', clock.now)
    await turn('h2')
    const [waiting] = await live()
    assert.deepEqual([waiting?.state, waiting?.executor], ['pending', undefined])
    assert.match(waiting?.reason ?? '', /^its volume is on h1, which is lost since \d{4}-.*; `gilliam volumes release _db` gives it up$/)
    assert.deepEqual(await store.volumes.release('crm', '_db'), {outcome: 'ok'})
    await turn('h2')
    await turn('h2')
    const [fresh] = await live()
    assert.deepEqual([fresh?.state, fresh?.executor, (await volume())?.executor], ['running', 'h2', 'h2'])
    assert.notEqual((await volume())?.id, former?.id, 'what is on h1 is another volume')
  })

  it('is never had by two: the second assignment loses', async () => {
    const {store, clock} = world
    await world.formation('crm', {_db: db})
    await world.executor('h1')
    await world.executor('h2')
    await store.scales.set('crm', 1, {_db: 1}, clock.now)
    await world.reconciler()({wake: 'crm'})
    const [one] = await store.instances.pending()
    assert.ok(one)
    const two = {...one, id: 'another001'}
    await store.instances.spawn(two)
    const [h1, h2] = await store.executors.list()
    assert.ok(h1 && h2)
    const both = await Promise.all([store.instances.assign(h1, [one], clock.now), store.instances.assign(h2, [two], clock.now)])
    assert.equal(both.flatMap(({assigned}) => assigned).length, 1)
  })
})
