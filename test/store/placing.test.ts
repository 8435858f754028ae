// Instances through their whole life in the real table: created once, assigned once, reported, ended, and everything they held given back.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {startDatabase, type TestDatabase} from './database.ts'
import {descriptor, pendingInstance, reportOf} from './samples.ts'

const now = 1_800_000_000_000

describe('placing instances', () => {
  let database: TestDatabase
  before(async () => {
    database = await startDatabase()
  })
  after(() => database.stop())

  const formationWith = async (name: string, instances: readonly Instance[]) => {
    const {store} = database
    assert.equal((await store.formations.create(name, now)).outcome, 'ok')
    assert.equal((await store.instances.create(name, 0, instances)).outcome, 'ok')
  }

  it('assigns each instance once, whoever else tries at the same time', async () => {
    const {store} = database
    const instances = Array.from({length: 24}, (_, at) => pendingInstance('contended', 'web', `i${at}`, {}, now))
    await formationWith('contended', instances)
    const executors = await Promise.all(
      ['left', 'right', 'middle'].map(async id => {
        const joined = await store.executors.join(descriptor(id), now)
        assert.equal(joined.outcome, 'ok')
        return joined.outcome === 'ok' ? joined.executor : assert.fail()
      }),
    )
    const results = await Promise.all(executors.flatMap(each => [0, 1].map(() => store.instances.assign(each, instances, now))))
    const placed = results.flatMap(result => result.assigned.map(each => each.id))
    assert.equal(placed.length, 24)
    assert.equal(new Set(placed).size, 24)
    const stored = await store.instances.list('contended')
    const told = (await Promise.all(executors.map(each => store.executors.assignments(each.id)))).flat()
    assert.equal(told.length, 24)
    for (const each of told) assert.equal(stored.find(one => one.id === each.id)?.executor, each.executor)
    const usage = await store.executors.list()
    assert.equal(
      usage.reduce((sum, each) => sum + each.instances, 0),
      24,
    )
    assert.deepEqual(await store.instances.pending(), [])
  })

  it('never takes more than an executor has, nor a host port twice', async () => {
    const {store} = database
    const large = {resources: {cpuMilli: 600, memoryMib: 10}}
    const fixed = {ports: [{port: 80, hostPort: 7180}]}
    const instances = [
      pendingInstance('tight', 'web', 'a', large, now),
      pendingInstance('tight', 'web', 'b', large, now),
      pendingInstance('tight', 'edge', 'c', fixed, now),
      pendingInstance('tight', 'edge', 'd', fixed, now),
    ]
    await formationWith('tight', instances)
    const joined = await store.executors.join({...descriptor('small'), cpuMilli: 1_000}, now)
    assert.ok(joined.outcome === 'ok')
    const results = await Promise.all([0, 1].map(() => store.instances.assign(joined.executor, instances, now)))
    const services = results.flatMap(each => each.assigned.map(one => one.service)).sort()
    assert.deepEqual(services, ['edge', 'web'])
    const executor = await store.executors.get('small')
    assert.deepEqual(executor?.hostPorts, [7180])
    assert.equal(executor?.cpuMilliUsed, 700)
    const grown = await store.instances.assign({...joined.executor, cpuMilli: 9_000}, instances, now)
    assert.deepEqual(grown.assigned, [], 'a capacity that is not the stored one is refused')
  })

  it('gives everything back when instances stop, fail or are lost', async () => {
    const {store} = database
    const fixed = {ports: [{port: 80, hostPort: 8080}]}
    const instances = ['stops', 'fails', 'lost', 'never'].map((id, at) => pendingInstance('ends', 'web', id, at === 0 ? fixed : {}, now))
    await formationWith('ends', instances)
    const joined = await store.executors.join(descriptor('host'), now)
    assert.ok(joined.outcome === 'ok')
    assert.equal((await store.instances.assign(joined.executor, instances.slice(0, 3), now)).assigned.length, 3)
    for (const id of ['stops', 'fails', 'lost']) {
      assert.equal((await store.instances.report('host', reportOf('ends', 'web', id, 'running', true), now)).outcome, 'ok')
    }
    assert.equal((await store.registry.list('ends', now)).length, 3)
    const before = await store.executors.get('host')
    assert.equal(before?.instances, 3)

    const stopping = await store.instances.requestStop('ends', 'stops', 'scaled down', now)
    assert.ok(stopping.outcome === 'ok' && stopping.instance.state === 'stopping')
    assert.deepEqual((await store.registry.list('ends', now)).map(each => each.id).sort(), ['fails', 'lost'])
    const told = await store.executors.assignments('host')
    assert.deepEqual(
      told.filter(each => each.stop).map(each => each.id),
      ['stops'],
    )
    assert.equal((await store.instances.report('host', reportOf('ends', 'web', 'stops', 'running', true), now)).outcome, 'ignored')
    assert.equal((await store.instances.report('host', reportOf('ends', 'web', 'stops', 'stopped', false), now)).outcome, 'ok')
    assert.equal((await store.instances.report('host', reportOf('ends', 'web', 'stops', 'stopped', false), now)).outcome, 'unchanged')
    const failed = {...reportOf('ends', 'web', 'fails', 'failed', false), exitCode: 1, reason: 'exit code 1'}
    assert.equal((await store.instances.report('host', failed, now)).outcome, 'ok')
    assert.equal((await store.instances.lose('ends', 'lost', 'executor host was lost', now)).outcome, 'alive')
    assert.equal((await store.executors.markLost('host', now + executorLeaseMs + 1)).outcome, 'ok')
    assert.equal((await store.instances.lose('ends', 'lost', 'executor host was lost', now)).outcome, 'ok')
    assert.equal((await store.instances.lose('ends', 'lost', 'executor host was lost', now)).outcome, 'ended')
    const never = await store.instances.requestStop('ends', 'never', 'not wanted', now)
    assert.ok(never.outcome === 'ok' && never.instance.state === 'stopped')

    const executor = await store.executors.get('host')
    assert.deepEqual([executor?.instances, executor?.cpuMilliUsed, executor?.memoryMibUsed, executor?.hostPorts], [0, 0, 0, []])
    assert.deepEqual(await store.executors.assignments('host'), [])
    assert.deepEqual(await store.registry.list('ends', now), [])
    assert.ok((await store.instances.pending()).every(each => each.formation !== 'ends'))
    assert.deepEqual(await store.instances.list('ends'), [])
    const ended = await store.instances.list('ends', {endedSince: now})
    assert.deepEqual(ended.map(each => `${each.id} ${each.state}`).sort(), ['fails failed', 'lost lost', 'never stopped', 'stops stopped'])
    assert.equal(ended.find(each => each.id === 'fails')?.exitCode, 1)
    assert.equal((await store.instances.report('host', reportOf('ends', 'web', 'lost', 'running', true), now)).outcome, 'fenced')
  })

  it('frees once when ends race each other', async () => {
    const {store} = database
    const instance = pendingInstance('racing', 'web', 'one', {}, now)
    await formationWith('racing', [instance])
    const joined = await store.executors.join(descriptor('racer'), now)
    assert.ok(joined.outcome === 'ok')
    await store.instances.assign(joined.executor, [instance], now)
    await store.executors.markLost('racer', now + executorLeaseMs + 1)
    await Promise.all([
      store.instances.lose('racing', 'one', 'lost', now),
      store.instances.requestStop('racing', 'one', 'stop', now),
      store.instances.report('racer', reportOf('racing', 'web', 'one', 'failed', false), now),
      store.instances.report('racer', reportOf('racing', 'web', 'one', 'running', true), now),
      store.instances.lose('racing', 'one', 'lost', now),
    ])
    await store.instances.lose('racing', 'one', 'lost', now)
    const executor = await store.executors.get('racer')
    assert.deepEqual([executor?.instances, executor?.cpuMilliUsed, executor?.memoryMibUsed], [0, 0, 0])
    assert.deepEqual(await store.executors.assignments('racer'), [])
    assert.deepEqual(await store.registry.list('racing', now), [])
  })

  it('refuses to create from an old view, and to spawn in a formation that is being destroyed', async () => {
    const {store} = database
    await formationWith('guarded', [])
    const again = await store.instances.create('guarded', 0, [pendingInstance('guarded', 'web', 'x', {}, now)])
    assert.equal(again.outcome, 'conflict')
    await store.scales.set('guarded', 1, {web: 1}, now)
    assert.equal((await store.instances.create('guarded', 1, [])).outcome, 'conflict', 'a scale moves the version')
    assert.equal((await store.instances.spawn(pendingInstance('guarded', 'web', 's', {}, now))).outcome, 'ok')
    assert.equal((await store.instances.spawn(pendingInstance('guarded', 'web', 's', {}, now))).outcome, 'exists')
    await store.formations.destroy('guarded', now)
    assert.equal((await store.instances.spawn(pendingInstance('guarded', 'web', 't', {}, now))).outcome, 'destroying')
    assert.equal((await store.instances.spawn(pendingInstance('nowhere', 'web', 't', {}, now))).outcome, 'missing')
  })

  it('writes why a pending instance is not placed, and only while it is pending', async () => {
    const {store} = database
    const instance = pendingInstance('refused', 'web', 'r', {}, now)
    await formationWith('refused', [instance])
    assert.equal((await store.instances.refuse('refused', 'r', 'no executor fits', now)).outcome, 'ok')
    assert.equal((await store.instances.pending()).find(each => each.id === 'r')?.reason, 'no executor fits')
    const joined = await store.executors.join(descriptor('later'), now)
    assert.ok(joined.outcome === 'ok')
    await store.instances.assign(joined.executor, [instance], now)
    assert.equal((await store.instances.refuse('refused', 'r', 'no executor fits', now)).outcome, 'conflict')
    assert.equal((await store.instances.get('refused', 'r'))?.reason, undefined)
  })
})
