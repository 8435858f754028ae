// What executors are asked to do besides running instances: fetching the next release ahead, and removing the data of volumes.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {descriptor, pendingInstance, reportOf, serviceDefinition} from '#test/store/samples.ts'
import {type Platform, startPlatform} from './platform.ts'

describe('chores', () => {
  let platform: Platform
  let call: Platform['call']
  const crm = {formation: 'crm'}
  before(async () => {
    platform = await startPlatform()
    call = platform.call
    await call('createFormation', {body: {name: 'crm'}})
  })
  after(() => platform.stop())

  const image = (name: string) => {
    const {script: _, ...service} = serviceDefinition()
    return {...service, image: name}
  }
  const release = async (services: object): Promise<number> => (await call('createRelease', {params: crm, body: {services}})).body.release
  const join = async (id: string) => {
    const {token} = (await call('joinExecutor', {body: {...descriptor(id), runtimes: ['docker']}})).body
    return async (more: object = {}) => {
      const {status, body, text} = await call('syncExecutor', {
        token,
        params: {executor: id},
        body: {assignmentVersion: 0, reports: [], ...more},
      })
      assert.equal(status, 200, text)
      return body
    }
  }
  const assign = async (executorId: string, service: string, id: string, more: object = {}): Promise<void> => {
    const {store, clock} = platform
    await store.instances.spawn(pendingInstance('crm', service, id, {origin: 'spawn', ...more}, clock.now))
    const [executor, instance] = [await store.executors.get(executorId), await store.instances.get('crm', id)]
    assert.ok(executor && instance)
    assert.equal((await store.instances.assign(executor, [instance], clock.now)).assigned.length, 1)
  }
  const fetches = async (number: number) => (await call('listFetches', {params: {...crm, release: String(number)}})).body.items

  it('a new release is fetched by the executors that have its services, each what it needs, and how that goes is told', async () => {
    const [web, both, other] = [await join('web'), await join('both'), await join('other')]
    const first = await release({web: image('shop/web:1'), api: image('shop/api:1'), old: image('shop/old:1')})
    for (const [executor, service] of [
      ['web', 'web'],
      ['both', 'web'],
      ['both', 'api'],
      ['other', 'old'],
    ] as const)
      await assign(executor, service, `${executor}-${service}`, {release: first})
    const {assignmentVersion} = await web()
    assert.deepEqual(await fetches(first), [], 'nothing ran before the first')
    const second = await release({web: image('shop/web:2'), api: image('shop/api:2')})
    const told = await web({assignmentVersion})
    const id = `fetch.crm.${second}`
    assert.deepEqual(told.chores, [{kind: 'fetch', id, formation: 'crm', release: second, images: [{image: 'shop/web:2'}]}])
    assert.equal((await both()).chores[0].images.length, 2)
    assert.deepEqual((await other()).chores, [])
    assert.equal((await web({assignmentVersion: told.assignmentVersion})).chores, undefined, 'an idle sync says nothing of it')
    await web({chores: [{id, state: 'doing', text: 'shop/web:2: pulling 1 MB of 9 MB'}]})
    await both({chores: [{id, state: 'failed', text: 'no such image'}]})
    const states = (items: {executor: string; state: string; text?: string}[]) =>
      items.map(({executor, state, text}) => `${executor} ${state} ${text}`).sort()
    assert.deepEqual(states(await fetches(second)), ['both failed no such image', 'web doing shop/web:2: pulling 1 MB of 9 MB'])
    await web({chores: [{id, state: 'done'}]})
    assert.deepEqual((await web()).chores, [])
    assert.deepEqual(states(await fetches(second)), ['both failed no such image', 'web done undefined'])
    // Before it is to run there, it may be said what a tag means.
    const digest = `sha256:${'a'.repeat(64)}`
    assert.equal((await both({pins: [{formation: 'crm', release: second, image: 'shop/api:2', digest}]})).pins[0].digest, digest)
    const third = await release({web: image('shop/web:3')})
    assert.deepEqual(
      (await both()).chores.map((chore: {release: number}) => chore.release),
      [third],
      'the newest takes the place of the one before',
    )
    await both({chores: [{id, state: 'done'}]})
    assert.deepEqual(states(await fetches(third)), ['both ordered undefined', 'web ordered undefined'])
  })

  it('the data of a volume is removed by its executor, on request and once no instance has it', async () => {
    const h1 = await join('h1')
    await release({_db: {...image('redis:8'), kind: 'auxiliary', volume: {path: '/data'}}})
    await assign('h1', '_db', 'first', {volume: {}})
    const remove = () => call('releaseVolume', {params: {...crm, service: '_db'}, query: {data: 'remove'}})
    const held = await remove()
    assert.deepEqual([held.status, held.body.code], [409, 'conflict'])
    await platform.store.instances.report('h1', reportOf('crm', '_db', 'first', 'stopped', false), platform.clock.now)
    assert.equal((await remove()).status, 204)
    const id = 'remove.crm._db.first'
    const chore = {kind: 'remove-volume', id, formation: 'crm', service: '_db', volume: 'first'}
    const removals = async () =>
      (await call('listVolumes', {params: crm})).body.items.map(({id, removal}: {id: string; removal: object}) => [id, removal])
    assert.deepEqual(await removals(), [['first', {state: 'ordered'}]])
    assert.deepEqual((await h1()).chores, [chore])
    await h1({chores: [{id, state: 'failed', text: 'busy'}]})
    assert.deepEqual((await h1()).chores, [chore], 'it stays until it is done')
    assert.deepEqual(await removals(), [['first', {state: 'failed', text: 'busy'}]])
    await h1({chores: [{id, state: 'done'}]})
    assert.deepEqual((await h1()).chores, [])
    assert.deepEqual(await removals(), [])
    assert.equal((await remove()).status, 404)
    const {items} = (await call('getAudit', {query: crm})).body
    const [entry] = items.filter(({action}: {action: string}) => action === 'volume.remove')
    assert.deepEqual([entry.what, entry.from], ['volume _db', {id: 'first', executor: 'h1'}])
  })

  it('what nobody could remove is not given up', async () => {
    await join('h2')
    await assign('h2', '_db', 'second', {volume: {}})
    const {store, clock} = platform
    await store.instances.report('h2', reportOf('crm', '_db', 'second', 'stopped', false), clock.now)
    clock.now += 3_600_000
    await store.executors.markLost('h2', clock.now)
    const refused = await call('releaseVolume', {params: {...crm, service: '_db'}, query: {data: 'remove'}})
    assert.equal(refused.status, 409)
    assert.match(refused.body.detail, /nobody there could remove/)
    assert.equal((await call('listVolumes', {params: crm})).body.items.length, 1)
  })
})
