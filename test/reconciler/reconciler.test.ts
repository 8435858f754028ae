// The reconciler over the real store and its real stream: what it does on each kind of event.
import assert from 'node:assert/strict'
import {afterEach, beforeEach, describe, it} from 'node:test'
import type {DynamoDBRecord} from 'aws-lambda'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import {watchGapMsMax} from '#shared/domain/lease.ts'
import {rolloutPatienceMs, servingAfterMs} from '#shared/domain/rollout.ts'
import {pendingInstance, reportOf} from '#test/store/samples.ts'
import {readStream} from '#test/store/stream.ts'
import {startWorld, type World} from './world.ts'

describe('the reconciler', () => {
  let world: World
  beforeEach(async () => {
    world = await startWorld()
  })
  afterEach(() => world.stop())

  const states = async (formation: string) =>
    (await world.store.instances.list(formation)).map(each => `${each.release} ${each.state}`).sort()

  it('follows the stream: scale up, failure, scale down, and rests on its own writes', async () => {
    const {store, clock} = world
    const reconcile = world.reconciler()
    await world.formation('crm')
    await world.executor('host')
    const stream = await readStream(world)
    const follow = async (): Promise<number> => {
      const records = await stream.next()
      assert.deepEqual(await reconcile({Records: records}), {batchItemFailures: []})
      return records.length
    }
    await store.scales.set('crm', 1, {web: 3}, clock.now)
    await follow()
    assert.deepEqual(await states('crm'), ['1 pending', '1 pending', '1 pending'])
    await world.assign()
    await world.sync('host')
    await follow()
    assert.deepEqual(await states('crm'), ['1 running', '1 running', '1 running'])
    await follow()
    assert.equal(await follow(), 0, 'nothing more is written')

    let failed = false
    await world.sync('host', () => {
      const first = !failed
      failed = true
      return first
    })
    await follow()
    assert.equal((await states('crm')).length, 2)
    assert.deepEqual(world.wakes.at(-1), {formation: 'crm', at: clock.now + 1_000}, 'a failed one is replaced after a while')
    clock.now += 1_000
    await reconcile({wake: 'crm'})
    assert.deepEqual(await states('crm'), ['1 pending', '1 running', '1 running'])
    const replacement = (await store.instances.list('crm')).find(({state}) => state === 'pending')
    assert.deepEqual(replacement?.avoid, ['host'], 'its replacement goes elsewhere if it can')

    await store.scales.set('crm', 1, {web: 1}, clock.now)
    await follow()
    assert.deepEqual(await states('crm'), ['1 running', '1 stopping'])
    await world.sync('host')
    await follow()
    assert.deepEqual(await states('crm'), ['1 running'])
    assert.equal((await store.executors.get('host'))?.instances, 1)
    stream.stop()
  })

  it('rolls out: the new beside the old, then only the new', async () => {
    const {store, clock} = world
    const reconcile = world.reconciler()
    await world.formation('crm', {web: {}, api: {}}, 2)
    await world.executor('host')
    await store.scales.set('crm', 1, {web: 2, api: 1}, clock.now)
    await reconcile({wake: 'crm'})
    await world.assign()
    await world.sync('host')
    await store.rollouts.start('crm', 2, {web: 2, api: 1}, clock.now)
    await reconcile({wake: 'crm'})
    await world.assign()
    await world.sync('host')
    await reconcile({wake: 'crm'})
    assert.equal((await states('crm')).filter(each => each === '1 running').length, 3, 'the old serves until the new does')
    assert.deepEqual(world.wakes.at(-1), {formation: 'crm', at: clock.now + servingAfterMs})
    clock.now += servingAfterMs
    await reconcile({wake: 'crm'})
    assert.equal((await store.rollouts.get('crm', 2))?.state, 'finished')
    await world.sync('host')
    assert.deepEqual(await states('crm'), ['2 running', '2 running', '2 running'])
  })

  it('fails a rollout that can not start, with its reason, and keeps the old', async () => {
    const {store, clock} = world
    const reconcile = world.reconciler()
    await world.formation('crm', {web: {}}, 2)
    await world.executor('host')
    await store.scales.set('crm', 1, {web: 1}, clock.now)
    await reconcile({wake: 'crm'})
    await world.assign()
    await world.sync('host')
    const start = clock.now
    await store.rollouts.start('crm', 2, {web: 1}, start)
    for (let step = 0; step < 20 && (await store.rollouts.get('crm', 2))?.state === 'starting'; step++) {
      await reconcile({wake: 'crm'})
      await world.assign()
      await world.sync('host', ({release}) => release === 2)
      await reconcile({wake: 'crm'})
      clock.now = Math.max(clock.now, world.wakes.at(-1)?.at ?? 0)
    }
    const rollout = await store.rollouts.get('crm', 2)
    assert.equal(rollout?.state, 'failed')
    assert.match(rollout?.reason ?? '', /^web: exit code 1 \(\d instances failed\)$/)
    assert.ok((rollout?.endedAt ?? 0) - start <= rolloutPatienceMs)
    await world.sync('host')
    assert.deepEqual(await states('crm'), ['1 running'])
  })

  it('replaces what a draining executor runs before it ends there', async () => {
    const {store, clock} = world
    const reconcile = world.reconciler()
    await world.formation('crm')
    await world.executor('first')
    await store.scales.set('crm', 1, {web: 2}, clock.now)
    await reconcile({wake: 'crm'})
    await world.assign()
    await world.sync('first')
    await world.executor('second')
    const stream = await readStream(world)
    await store.executors.drain('first', clock.now)
    await reconcile({Records: await stream.next()})
    stream.stop()
    assert.deepEqual(await states('crm'), ['1 pending', '1 pending', '1 running', '1 running'])
    await world.assign()
    await world.sync('second')
    await reconcile({wake: 'crm'})
    await world.sync('first')
    const left = await store.instances.list('crm')
    assert.deepEqual(
      left.map(each => `${each.executor} ${each.state}`),
      ['second running', 'second running'],
    )
  })

  it('stops what is left on a draining executor at its deadline, spawned ones too, and not before', async () => {
    const {store, clock} = world
    const reconcile = world.reconciler()
    await world.formation('crm')
    await world.executor('only')
    await store.scales.set('crm', 1, {web: 1}, clock.now)
    await reconcile({wake: 'crm'})
    await store.instances.spawn(pendingInstance('crm', 'web', 'by-hand', {origin: 'spawn'}, clock.now))
    await world.assign()
    await world.sync('only')
    const stream = await readStream(world)
    await store.executors.drain('only', clock.now)
    await reconcile({Records: await stream.next()})
    assert.deepEqual(await states('crm'), ['1 pending', '1 running', '1 running'], 'nowhere to go: it stays')
    stream.stop()
    await store.executors.drain('only', clock.now, clock.now + 20_000)
    await reconcile({wake: 'crm'})
    assert.deepEqual(world.wakes.at(-1), {formation: 'crm', at: clock.now + 20_000})
    const ticks = world.reconciler({everythingEveryMs: 1e9})
    await ticks({tick: true})
    clock.now += 19_999
    await ticks({tick: true})
    assert.deepEqual(await states('crm'), ['1 pending', '1 running', '1 running'])
    clock.now += 1
    await ticks({tick: true})
    assert.deepEqual(await states('crm'), ['1 pending', '1 stopping', '1 stopping'])
    const reasons = (await store.instances.list('crm')).map(each => each.reason)
    assert.equal(reasons.filter(reason => reason === 'executor only is draining, and was to be empty by now').length, 2)
    await world.sync('only')
    assert.equal((await store.executors.get('only'))?.instances, 0)
  })

  it('gives up an executor whose lease is over, once it has watched for a whole lease', async () => {
    const {store, clock} = world
    const reconcile = world.reconciler()
    await world.formation('crm')
    await world.executor('dies')
    await store.scales.set('crm', 1, {web: 2}, clock.now)
    await reconcile({wake: 'crm'})
    await world.assign()
    await world.sync('dies')
    const held = (await store.registry.snapshots({crm: 0}, clock.now))[0]
    assert.equal(held?.endpoints.length, 2)

    await world.executor('full')
    clock.now += executorLeaseMs * 10
    await world.sync('full')
    await reconcile({tick: true})
    assert.equal((await store.executors.get('dies'))?.state, 'ready', 'nobody watched: the control plane was away itself')
    for (let step = 0; step < 3; step++) {
      clock.now += watchGapMsMax
      await world.sync('full')
      await reconcile({tick: true})
    }
    assert.equal((await store.executors.get('dies'))?.state, 'lost')
    assert.equal((await store.executors.get('dies'))?.instances, 0)
    const changed = (await store.registry.snapshots({crm: held?.version ?? 0}, clock.now))[0]
    assert.deepEqual(changed?.endpoints, [])
    const all = await store.instances.list('crm', {endedSince: 0})
    assert.deepEqual(all.map(each => each.state).sort(), ['lost', 'lost', 'pending', 'pending'], 'replaced at once')
    assert.equal(all.find(each => each.state === 'lost')?.reason, 'executor dies was lost')

    await world.executor('dies')
    assert.deepEqual(await store.executors.assignments('dies'), [], 'what comes back runs nothing that was given up')
  })

  it('gives up what is not to be waited for, keeps the rest, and takes a disconnected executor back with it', async () => {
    const {store, clock} = world
    const reconcile = world.reconciler()
    const onLost = {kept: {action: 'keep', afterMs: 0}, late: {action: 'stop', afterMs: 120_000}} as const
    await world.formation('crm', {web: {}, kept: {onLost: onLost.kept}, late: {onLost: onLost.late}})
    await world.executor('far')
    await store.scales.set('crm', 1, {web: 1, kept: 1, late: 1}, clock.now)
    await reconcile({wake: 'crm'})
    await world.assign()
    await world.sync('far')
    await world.executor('near')
    const silent = async (ms: number): Promise<void> => {
      for (const end = clock.now + ms; clock.now < end; ) {
        clock.now += Math.min(watchGapMsMax, end - clock.now)
        await world.sync('near')
        await reconcile({tick: true})
      }
    }
    const of = async (service: string) =>
      (await store.instances.list('crm', {endedSince: 0})).filter(each => each.service === service).map(each => each.state)
    const announced = async () => (await store.registry.list('crm', clock.now)).map(each => each.service).sort()

    await silent(executorLeaseMs + watchGapMsMax)
    assert.equal((await store.executors.get('far'))?.state, 'ready', 'disconnected, not lost')
    assert.deepEqual((await of('web')).sort(), ['lost', 'pending'])
    assert.deepEqual([await of('kept'), await of('late')], [['running'], ['running']])
    assert.deepEqual(await announced(), ['kept', 'late'], 'the data plane may still reach what was not given up')
    await silent(120_000 - executorLeaseMs)
    assert.deepEqual(await of('late'), ['running'], 'its agent stops it first')
    await silent(45_000)
    assert.deepEqual((await of('late')).sort(), ['lost', 'pending'])
    await silent(86_400_000 / 24)
    assert.deepEqual([await of('kept'), await announced()], [['running'], ['kept']])

    await world.sync('far')
    assert.deepEqual(
      (await store.executors.assignments('far')).map(each => each.service),
      ['kept'],
      'told to run nothing of what was given up',
    )
    const lost = (await store.instances.list('crm', {endedSince: 0})).find(each => each.service === 'web' && each.state === 'lost')
    const late = await store.instances.report('far', reportOf('crm', 'web', lost?.id ?? '', 'running', true), clock.now)
    assert.deepEqual([late.outcome, await announced()], ['fenced', ['kept']], 'what was given up is never announced again')

    await silent(executorLeaseMs * 3)
    assert.deepEqual((await store.executors.forget('far', clock.now)).outcome, 'ok', 'unless somebody says that it does not come back')
    assert.deepEqual((await of('kept')).sort(), ['lost'])
  })

  it('gives nothing up while no executor is heard from, and then gives each the time of a lease', async () => {
    const {store, clock} = world
    const reconcile = world.reconciler()
    await world.formation('crm')
    for (const each of ['first', 'second']) await world.executor(each)
    await store.scales.set('crm', 1, {web: 4}, clock.now)
    await reconcile({wake: 'crm'})
    await world.assign()
    const ticks = async (count: number, heard: readonly string[] = []): Promise<void> => {
      for (let tick = 0; tick < count; tick++) {
        clock.now += watchGapMsMax
        for (const each of heard) await world.sync(each)
        await reconcile({tick: true})
      }
    }
    const states = async () => (await store.instances.list('crm', {endedSince: 0})).map(each => each.state).sort()

    await ticks(3, ['first', 'second'])
    const served = await states()
    assert.deepEqual(served, ['running', 'running', 'running', 'running'])
    await ticks(20)
    assert.deepEqual(await states(), served, 'our own way to them may be cut')
    await ticks(2, ['first'])
    assert.deepEqual(await states(), served, 'the other has a lease to sync again')
    await ticks(1, ['first'])
    assert.deepEqual(await states(), ['lost', 'lost', 'pending', 'pending', 'running', 'running'])
  })

  it('leaves what is being given up to an executor that syncs meanwhile', async () => {
    const {store, clock} = world
    await world.formation('crm', {web: {}, kept: {onLost: {action: 'keep', afterMs: 0}}})
    await world.executor('far')
    await store.scales.set('crm', 1, {web: 2, kept: 1}, clock.now)
    await world.reconciler()({wake: 'crm'})
    await world.assign()
    await world.sync('far')
    const lose: typeof store.instances.lose = async (...given) => {
      await store.executors.renew('far', clock.now)
      return store.instances.lose(...given)
    }
    const reconcile = world.reconciler({store: {...store, instances: {...store.instances, lose}}})
    for (let watched = 0; watched < executorLeaseMs + watchGapMsMax; watched += watchGapMsMax) {
      clock.now += watchGapMsMax
      await reconcile({tick: true})
    }
    assert.deepEqual(await states('crm'), ['1 running', '1 running', '1 running'])
  })

  it('gives executors the time of a lease after an outage shorter than one', async () => {
    const {store, clock} = world
    const reconcile = world.reconciler()
    await world.executor('host')
    for (let watched = 0; watched < executorLeaseMs * 2; watched += watchGapMsMax) {
      clock.now += watchGapMsMax
      await store.executors.renew('host', clock.now)
      await reconcile({tick: true})
    }
    // It would have synced a moment later. The control plane was away until just before the lease, and its first tick comes just after it.
    clock.now += executorLeaseMs - 1
    await reconcile({tick: true})
    clock.now += 2
    await reconcile({tick: true})
    assert.equal((await store.executors.get('host'))?.state, 'ready', 'it could not sync: nobody was there')
    clock.now += executorLeaseMs - 3
    assert.equal((await store.executors.renew('host', clock.now)).outcome, 'ok')
  })

  it('goes on where giving up an executor was interrupted', async () => {
    const {store, clock} = world
    const reconcile = world.reconciler()
    await world.formation('crm')
    await world.executor('half')
    await store.scales.set('crm', 1, {web: 3}, clock.now)
    await reconcile({wake: 'crm'})
    await world.assign()
    await world.sync('half')
    clock.now += executorLeaseMs + 1
    await store.executors.markLost('half', clock.now)
    const [first] = await store.instances.list('crm')
    await store.instances.lose('crm', first?.id ?? '', 'executor half was lost', clock.now)
    await Promise.all([reconcile({tick: true}), world.reconciler()({tick: true})])
    assert.deepEqual([(await store.executors.get('half'))?.instances, await store.executors.assignments('half')], [0, []])
    assert.deepEqual(await states('crm'), ['1 pending', '1 pending', '1 pending'])
  })

  it('stops all of a destroyed formation, spawned ones too, then removes it', async () => {
    const {store, clock} = world
    const reconcile = world.reconciler()
    await world.formation('crm')
    await world.executor('host')
    await store.scales.set('crm', 1, {web: 2}, clock.now)
    await reconcile({wake: 'crm'})
    await world.assign()
    await world.sync('host')
    const stream = await readStream(world)
    await store.formations.destroy('crm', clock.now)
    await reconcile({Records: await stream.next()})
    assert.deepEqual(await states('crm'), ['1 stopping', '1 stopping'])
    await world.sync('host')
    await reconcile({Records: await stream.next()})
    assert.equal(await store.formations.get('crm'), undefined)
    assert.deepEqual([(await store.executors.get('host'))?.instances, await store.executors.assignments('host')], [0, []])
    await reconcile({Records: await stream.next()})
    stream.stop()
  })

  it('lets one formation fail without the others, and names the record to try again', async () => {
    const {store, clock} = world
    await world.formation('bad')
    await world.formation('good')
    const stream = await readStream(world)
    await store.scales.set('bad', 1, {web: 1}, clock.now)
    await store.scales.set('good', 1, {web: 1}, clock.now)
    const load = (name: string) => (name === 'bad' ? Promise.reject(new Error('no database')) : store.formations.load(name))
    const reconcile = world.reconciler({store: {...store, formations: {...store.formations, load}}})
    const records = await stream.next()
    stream.stop()
    const isBad = (record: DynamoDBRecord) =>
      record.dynamodb?.NewImage?.type?.S === 'scale' && record.dynamodb.NewImage.formation?.S === 'bad'
    const itemIdentifier = records.find(isBad)?.dynamodb?.SequenceNumber
    assert.ok(itemIdentifier !== undefined)
    assert.deepEqual(await reconcile({Records: records}), {batchItemFailures: [{itemIdentifier}]})
    assert.deepEqual(await states('good'), ['1 pending'])
    await assert.rejects(reconcile({tick: true}), /not reconciled: bad/)
  })

  it('repairs what no event told of with a tick, and leaves services that a release lacks alone', async () => {
    const {store, clock} = world
    await world.formation('crm')
    await store.scales.set('crm', 1, {web: 95, ghost: 2}, clock.now)
    await world.reconciler()({tick: true})
    const made = await states('crm')
    assert.deepEqual([made.length, new Set(made).size], [95, 1], 'more than one transaction holds')
  })
})
