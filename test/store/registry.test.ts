// The registry and its feed in the real table: nobody sees an entry that has ended, and every change moves the version.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {startDatabase, type TestDatabase} from './database.ts'
import {descriptor, pendingInstance, reportOf} from './samples.ts'

const now = 1_800_000_000_000

describe('the registry', () => {
  let database: TestDatabase
  before(async () => {
    database = await startDatabase()
  })
  after(() => database.stop())

  const outside = (formation: string, id: string, expiresAt: number, body: Record<string, unknown> = {host: '10.0.0.9', port: 9000}) =>
    database.store.registry.announce({formation, service: 'ext', id, body, expiresAt}, now)

  const running = async (formation: string, id: string) => {
    const {store} = database
    await store.formations.create(formation, now)
    const instance = pendingInstance(formation, 'web', id, {release: 3}, now)
    await store.instances.spawn(instance)
    const joined = await store.executors.join(descriptor(`on-${formation}`), now)
    assert.ok(joined.outcome === 'ok')
    await store.instances.assign(joined.executor, [instance], now)
    const report = reportOf(formation, 'web', id, 'running', true)
    assert.equal((await store.instances.report(`on-${formation}`, report, now)).outcome, 'ok')
    return report
  }

  it('never shows an entry that has ended, though it is still stored', async () => {
    const {registry} = database.store
    await outside('ends', 'short', now + 1_000)
    await outside('ends', 'long', now + 5_000)
    const ids = async (at: number) => (await registry.list('ends', at)).map(each => each.id)
    assert.deepEqual(await ids(now + 999), ['long', 'short'])
    assert.deepEqual(await ids(now + 1_000), ['long'])
    assert.equal(await registry.get('ends', 'ext', 'short', now + 1_000), undefined)
    assert.deepEqual(
      (await registry.snapshots({ends: 0}, now + 1_000))[0]?.endpoints.map(each => each.id),
      ['long'],
    )
    await outside('ends', 'short', now + 9_000)
    assert.deepEqual(await ids(now + 1_000), ['long', 'short'], 'announced again')
    assert.equal((await registry.withdraw('ends', 'ext', 'long')).outcome, 'ok')
    assert.equal((await registry.withdraw('ends', 'ext', 'long')).outcome, 'missing')
    assert.deepEqual(await ids(now + 1_000), ['short'])
  })

  it('keeps any JSON object, and shows in the feed what can be called', async () => {
    const {registry} = database.store
    const bodies = {
      bare: {note: 'no address', list: [1, {deep: null}]},
      one: {host: '10.0.0.1', port: 8080},
      many: {host: '10.0.0.2', ports: {'80': 8081, '9000': 8082}},
      wrong: {host: '10.0.0.3', port: 'http', ports: {'80': 99_999}},
    }
    for (const [id, body] of Object.entries(bodies)) await outside('any', id, now + 1_000, body)
    const entries = await registry.list('any', now)
    assert.deepEqual(Object.fromEntries(entries.map(each => [each.id, each.body])), bodies)
    const endpoints = (await registry.snapshots({any: 0}, now))[0]?.endpoints
    assert.deepEqual(endpoints, [
      {service: 'ext', id: 'many', host: '10.0.0.2', ports: {'80': 8081, '9000': 8082}, expiresAt: now + 1_000},
      {service: 'ext', id: 'one', host: '10.0.0.1', ports: {'80': 8080}, expiresAt: now + 1_000},
    ])
  })

  it('shows instances of the platform with where they are, and guards their names', async () => {
    const {registry} = database.store
    await running('own', 'aaa')
    const entry = await registry.get('own', 'web', 'aaa', now)
    assert.deepEqual(entry?.body, {
      host: '127.0.0.1',
      port: 20_000,
      ports: {'80': 20_000},
      service: 'web',
      instance: 'aaa',
      release: 3,
      executor: 'on-own',
    })
    assert.deepEqual((await registry.snapshots({own: 0}, now))[0]?.endpoints, [
      {service: 'web', id: 'aaa', host: '127.0.0.1', ports: {'80': 20_000}, release: 3, executor: 'on-own', zone: 'office'},
    ])
    const claim = {formation: 'own', service: 'web', id: 'aaa', body: {host: 'evil', port: 1}, expiresAt: now + 1_000}
    assert.equal((await registry.announce(claim, now)).outcome, 'owned')
    assert.equal((await registry.withdraw('own', 'web', 'aaa')).outcome, 'owned')
  })

  it('takes what announcers say of release and executor for what it is: theirs', async () => {
    await outside('posing', 'x', now + 1_000, {host: 'h', port: 1, release: 7, executor: 'on-own'})
    const [snapshot] = await database.store.registry.snapshots({posing: 0}, now)
    assert.deepEqual(snapshot?.endpoints, [{service: 'ext', id: 'x', host: 'h', ports: {'80': 1}, expiresAt: now + 1_000}])
  })

  it('moves the version with every change, and answers only those that moved', async () => {
    const {store} = database
    const version = async () => (await store.registry.snapshots({moving: -1}, now))[0]?.version ?? assert.fail()
    assert.equal(await version(), 0)
    assert.deepEqual(await store.registry.snapshots({moving: 0, nothing: 0}, now), [])
    const report = await running('moving', 'one')
    const seen = [0]
    const moved = async (why: string) => {
      const next = await version()
      assert.ok(next > (seen.at(-1) ?? 0), why)
      seen.push(next)
    }
    await moved('announced')
    assert.deepEqual(await store.registry.snapshots({moving: await version(), nothing: 0}, now), [])
    await store.instances.report('on-moving', {...report, announced: false}, now)
    await moved('withdrawn')
    assert.deepEqual(await store.registry.list('moving', now), [])
    await store.instances.report('on-moving', report, now)
    await moved('announced again')
    await store.instances.report('on-moving', {...report, address: {host: '127.0.0.1', ports: {'80': 20_001}}}, now)
    await moved('moved to another port')
    assert.deepEqual((await store.registry.list('moving', now))[0]?.body.port, 20_001)
    await store.instances.requestStop('moving', 'one', 'stop', now)
    await moved('asked to stop')
    await outside('moving', 'ext', now + 1_000)
    await moved('announced from outside')
    await outside('moving', 'ext', now + 2_000)
    await moved('renewed from outside: readers need the new end')
    await store.registry.withdraw('moving', 'ext', 'ext')
    await moved('withdrawn from outside')
    await store.registry.touch(['moving', 'moving'])
    await moved('touched')
  })

  it('answers for a thousand formations in one call', async () => {
    const held = Object.fromEntries(Array.from({length: 1_000}, (_, at) => [`f${at}`, 0]))
    await outside('f7', 'x', now + 1_000)
    await outside('f999', 'x', now + 1_000)
    const changed = await database.store.registry.snapshots(held, now)
    assert.deepEqual(
      changed.map(each => each.formation),
      ['f7', 'f999'],
    )
  })
})
