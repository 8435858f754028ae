// Formations, releases, scales and rollouts in the real table.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {DeleteCommand} from '@aws-sdk/lib-dynamodb'
import {releaseBytesMax} from '#lambdas/store/index.ts'
import {keys} from '#lambdas/store/schema.ts'
import {startDatabase, type TestDatabase} from './database.ts'
import {descriptor, pendingInstance, reportOf, serviceDefinition} from './samples.ts'

const now = 1_800_000_000_000
const draft = {env: {A: '1'}, services: {users: serviceDefinition()}}

describe('formations and what they own', () => {
  let database: TestDatabase
  before(async () => {
    database = await startDatabase()
  })
  after(() => database.stop())

  it('creates a name once, lists it, and destroys it before it is removed', async () => {
    const {formations} = database.store
    const made = await Promise.all([1, 2, 3].map(() => formations.create('once', now)))
    assert.deepEqual(made.map(each => each.outcome).sort(), ['exists', 'exists', 'ok'])
    await formations.create('another', now)
    assert.deepEqual(
      (await formations.list()).map(each => each.name),
      ['another', 'once'],
    )
    assert.equal((await formations.remove('once')).outcome, 'conflict')
    assert.equal((await formations.destroy('once', now)).outcome, 'ok')
    assert.equal((await formations.destroy('once', now)).outcome, 'ok')
    assert.equal((await formations.create('once', now)).outcome, 'destroying')
    assert.equal((await formations.remove('once')).outcome, 'ok')
    assert.equal((await formations.remove('once')).outcome, 'missing')
    assert.equal(await formations.get('once'), undefined)
    assert.equal((await formations.destroy('once', now)).outcome, 'missing')
    assert.equal((await formations.create('once', now)).outcome, 'ok')
  })

  it('removes all that a formation owned, and nothing of others; readers of its registry notice', async () => {
    const {store} = database
    for (const name of ['gone', 'stays']) {
      await store.formations.create(name, now)
      await store.releases.create(name, draft, now)
      await store.scales.set(name, 1, {users: 1}, now)
      await store.rollouts.start(name, 1, {users: 1}, now)
      await store.registry.announce({formation: name, service: 'users', id: 'x', body: {host: 'h', port: 1}, expiresAt: now + 1_000}, now)
      await store.routes.create(
        {name: `${name}-route`, domain: '*', path: `/${name}`, target: 'users.crm.service', formation: name},
        `*/${name}`,
      )
      await store.instances.spawn(pendingInstance(name, 'users', 'one', {}, now))
    }
    const held = (await store.registry.snapshots({gone: 0}, now))[0]?.version
    assert.ok(held !== undefined && held > 0)
    await store.formations.destroy('gone', now)
    assert.equal((await store.formations.remove('gone')).outcome, 'conflict', 'an instance is left')
    await store.instances.requestStop('gone', 'one', 'destroyed', now)
    assert.equal((await store.formations.remove('gone')).outcome, 'ok')
    assert.equal(await store.formations.load('gone'), undefined)
    assert.deepEqual(await store.releases.list('gone'), [])
    assert.deepEqual(
      (await store.routes.list()).map(each => each.name),
      ['stays-route'],
    )
    assert.deepEqual(await store.registry.list('gone', now), [])
    assert.deepEqual((await store.registry.snapshots({gone: held}, now))[0]?.endpoints, [])
    const view = await store.formations.load('stays')
    assert.deepEqual([view?.scales.length, view?.rollouts.length, view?.instances.length], [1, 1, 1])
    assert.equal((await store.releases.list('stays')).length, 1)
  })

  it('numbers releases without gaps, however many are created at once', async () => {
    const {store} = database
    await store.formations.create('numbered', now)
    const made = await Promise.all(Array.from({length: 25}, () => store.releases.create('numbered', draft, now)))
    const numbers = made.map(each => (each.outcome === 'ok' ? each.release.release : 0)).sort((a, b) => a - b)
    assert.deepEqual(
      numbers,
      Array.from({length: 25}, (_, at) => at + 1),
    )
    assert.deepEqual(
      (await store.releases.list('numbered')).map(each => each.release),
      [...numbers].reverse(),
    )
    assert.equal((await store.releases.latest('numbered'))?.release, 25)
    assert.equal((await store.formations.get('numbered'))?.latestRelease, 25)
    const first = await store.releases.get('numbered', 1)
    assert.deepEqual(first, {...draft, formation: 'numbered', release: 1, createdAt: now})
    assert.equal(await store.releases.get('numbered', 26), undefined)
  })

  it('refuses releases of missing and destroying formations, and ones too large for an item', async () => {
    const {store} = database
    assert.equal((await store.releases.create('missing', draft, now)).outcome, 'missing')
    await store.formations.create('closing', now)
    const huge = {...draft, env: {HUGE: 'x'.repeat(releaseBytesMax)}}
    assert.equal((await store.releases.create('closing', huge, now)).outcome, 'too_large')
    const large = {...draft, env: {LARGE: 'x'.repeat(releaseBytesMax - 1_000)}}
    assert.equal((await store.releases.create('closing', large, now)).outcome, 'ok')
    await store.formations.destroy('closing', now)
    assert.equal((await store.releases.create('closing', draft, now)).outcome, 'destroying')
    assert.equal((await store.scales.set('closing', 1, {users: 1}, now)).outcome, 'destroying')
    assert.equal((await store.scales.set('missing', 1, {users: 1}, now)).outcome, 'missing')
    assert.equal((await store.rollouts.start('closing', 1, {users: 1}, now)).outcome, 'destroying')
  })

  it('remembers scales, also zero, of more services than fit one transaction', async () => {
    const {store} = database
    await store.formations.create('wide', now)
    const services = Object.fromEntries(Array.from({length: 200}, (_, at) => [`s${at}`, at % 3]))
    assert.equal((await store.scales.set('wide', 1, services, now)).outcome, 'ok')
    assert.deepEqual(Object.fromEntries((await store.scales.list('wide')).map(each => [each.service, each.desired])), services)
    assert.equal((await store.rollouts.start('wide', 2, services, now)).outcome, 'ok')
    assert.equal((await store.scales.list('wide')).length, 400)
    assert.equal((await store.rollouts.finish('wide', 2, now)).outcome, 'ok')
    assert.deepEqual(new Set((await store.scales.list('wide')).map(each => each.release)), new Set([2]))
  })

  it('runs one rollout at a time: the next supersedes it, and only the one under way can end', async () => {
    const {store} = database
    const {rollouts} = store
    await store.formations.create('rolling', now)
    await store.scales.set('rolling', 1, {users: 2}, now)
    assert.equal((await rollouts.start('rolling', 2, {users: 2}, now)).outcome, 'ok')
    assert.equal((await rollouts.start('rolling', 2, {users: 2}, now)).outcome, 'exists')
    assert.equal((await rollouts.start('rolling', 3, {users: 1}, now)).outcome, 'ok')
    const superseded = await rollouts.get('rolling', 2)
    assert.deepEqual([superseded?.state, superseded?.reason], ['failed', 'superseded by the rollout of release 3'])
    assert.equal((await rollouts.finish('rolling', 2, now)).outcome, 'conflict')
    assert.equal((await rollouts.finish('rolling', 3, now)).outcome, 'ok')
    assert.equal((await rollouts.fail('rolling', 3, 'late', now)).outcome, 'conflict')
    assert.equal((await rollouts.finish('rolling', 9, now)).outcome, 'missing')
    assert.equal((await rollouts.start('rolling', 4, {users: 1}, now)).outcome, 'ok')
    assert.equal((await rollouts.fail('rolling', 4, 'users: exit code 1', now)).outcome, 'ok')
    const failed = await rollouts.get('rolling', 4)
    assert.deepEqual([failed?.state, failed?.reason, failed?.endedAt], ['failed', 'users: exit code 1', now])
    assert.ok((await store.scales.list('rolling')).every(each => each.release !== 4))
    assert.equal((await rollouts.start('rolling', 4, {users: 1}, now)).outcome, 'ok', 'what failed may be tried again')
    assert.equal((await rollouts.get('rolling', 4))?.reason, undefined)
    const releases = async () => (await store.scales.list('rolling')).map(each => `${each.release} ${each.service} ${each.desired}`)
    assert.deepEqual(await releases(), ['3 users 1', '4 users 1'], 'what superseded the others replaced them')
    await rollouts.start('rolling', 3, {users: 9, orders: 1}, now)
    assert.deepEqual(await releases(), ['3 orders 1', '3 users 9'], 'a superseded rollout leaves nothing behind')
    await rollouts.fail('rolling', 3, 'late', now)
    assert.deepEqual(await releases(), ['3 users 1'], 'a release that ran before goes on as it did')
  })

  it('ends with every scale a rollout whose start was interrupted', async () => {
    const {store, client, table} = database
    const services = Object.fromEntries(Array.from({length: 120}, (_, at) => [`s${at}`, 1]))
    await store.formations.create('cut', now)
    await store.rollouts.start('cut', 1, services, now)
    await client.send(new DeleteCommand({TableName: table, Key: keys.scale('cut', 1, 's119')}))
    assert.equal((await store.rollouts.finish('cut', 1, now)).outcome, 'ok')
    assert.equal((await store.scales.list('cut')).length, 120)
  })

  it('starts one of two rollouts begun at the same time after the other, and ends one once', async () => {
    const {store} = database
    await store.formations.create('both', now)
    const started = await Promise.all([2, 3].map(release => store.rollouts.start('both', release, {users: 1}, now)))
    assert.ok(started.every(each => each.outcome === 'ok'))
    const view = await store.formations.load('both')
    assert.deepEqual(view?.rollouts.map(each => each.state).sort(), ['failed', 'starting'])
    const release = view?.rollouts.find(each => each.state === 'starting')?.release ?? 0
    const ends = await Promise.all([store.rollouts.finish('both', release, now), store.rollouts.fail('both', release, 'late', now)])
    assert.deepEqual(ends.map(each => each.outcome).sort(), ['conflict', 'ok'])
  })

  it('loads a formation of many pages at once', async () => {
    const {store} = database
    await store.formations.create('paged', now)
    const rank = 'x'.repeat(4_000)
    for (let page = 0; page < 4; page++) {
      const instances = Array.from({length: 90}, (_, at) => pendingInstance('paged', 'users', `p${page}-${at}`, {rank}, now + at))
      assert.equal((await store.instances.create('paged', page, instances)).outcome, 'ok')
    }
    assert.equal((await store.formations.load('paged'))?.instances.length, 360, 'over 1 MB, the most one query answers')
    assert.equal((await store.instances.pending()).filter(each => each.formation === 'paged').length, 360)
    await assert.rejects(
      store.instances.create(
        'paged',
        4,
        Array.from({length: 91}, () => pendingInstance('paged', 'users', 'x', {}, now)),
      ),
      RangeError,
    )
  })

  it('frees the executor of a removed formation before it removes it', async () => {
    const {store} = database
    await store.formations.create('freed', now)
    const instance = pendingInstance('freed', 'users', 'one', {}, now)
    await store.instances.spawn(instance)
    const joined = await store.executors.join(descriptor('holder'), now)
    assert.ok(joined.outcome === 'ok')
    await store.instances.assign(joined.executor, [instance], now)
    await store.formations.destroy('freed', now)
    await store.instances.requestStop('freed', 'one', 'destroyed', now)
    assert.equal((await store.formations.remove('freed')).outcome, 'conflict', 'it is still stopping')
    await store.instances.report('holder', reportOf('freed', 'users', 'one', 'stopped', false), now)
    assert.equal((await store.formations.remove('freed')).outcome, 'ok')
    assert.equal((await store.executors.get('holder'))?.instances, 0)
  })
})
