// Images under a disk budget: which go, and that none goes that is needed.
import assert from 'node:assert/strict'
import {join} from 'node:path'
import {after, before, describe, it, type TestContext} from 'node:test'
import fc from 'fast-check'
import {doomed, keepWithin} from '#agent/leftovers.ts'
import {unusedImages} from '#agent/runtime/docker/collect.ts'
import {Images} from '#agent/runtime/docker/images.ts'
import {temporaryFolder} from '#test/agent/fixtures.ts'
import {engineMissing, useEngine} from './engine.ts'
import {Registry} from './registry.ts'

const unused = fc.array(fc.record({id: fc.uuid(), bytes: fc.nat(1_000), usedAt: fc.nat(100)}), {maxLength: 20})

it('what goes is just enough, and was unused for longer than all that stays', () => {
  fc.assert(
    fc.property(unused, fc.nat(10_000), (images, bytesMax) => {
      const going = new Set(doomed(images, bytesMax).map(({id}) => id))
      const staying = images.filter(({id}) => !going.has(id))
      const bytes = staying.reduce((sum, image) => sum + image.bytes, 0)
      assert.ok(bytes <= bytesMax)
      const gone = images.filter(({id}) => going.has(id))
      for (const stays of staying) for (const goes of gone) assert.ok(goes.usedAt <= stays.usedAt)
      const last = gone.toSorted((a, b) => b.usedAt - a.usedAt)[0]
      if (last !== undefined) assert.ok(bytes + Math.max(...gone.map(image => image.bytes)) > bytesMax)
    }),
  )
})

describe('images under a budget', {skip: engineMissing()}, () => {
  const engine = useEngine()
  let registry: Registry
  before(async () => {
    registry = await Registry.start()
  })
  after(() => registry.close())

  const setUp = async (t: TestContext) => {
    const images = new Images({
      api: engine.api,
      path: join(temporaryFolder(t), 'images.json'),
      now: () => 0,
      onError: assert.fail,
      fetchArchive: () => assert.fail(),
    })
    const get = async (release: string) => {
      const image = `${registry.host}/shop/${release.replace('/', '-')}`
      await registry.add(`shop/${release.replace('/', '-')}`, 'latest', {files: {release}})
      return images.get({image, release, signal: AbortSignal.timeout(60_000), onProgress: () => undefined})
    }
    const ids = async () => (await engine.api.call<{Id: string}[]>('GET', '/images/json')).map(({Id}) => Id)
    const collect = async (isKept: (release: string) => boolean, bytesMax: number) => {
      const gone = await keepWithin(await unusedImages({api: engine.api, images, isKept, now: 1}), bytesMax, assert.fail)
      return gone.map(what => what.replace('image ', ''))
    }
    return {get, ids, collect, images}
  }

  it('an image that was here before, or got a name from somebody else since, is not ours to remove', async t => {
    const {get, ids, collect, images} = await setUp(t)
    await registry.add('shop/theirs', '1', {files: {theirs: 'x'}})
    const theirs = `${registry.host}/shop/theirs`
    for await (const _ of await engine.api.stream('POST', '/images/create', {query: {fromImage: theirs, tag: '1'}})) void _
    const before = await images.get({
      image: `${theirs}:1`,
      release: 'crm/7',
      signal: AbortSignal.timeout(60_000),
      onProgress: () => undefined,
    })
    const [tagged, ours] = [await get('crm/8'), await get('crm/9')]
    await engine.api.call('POST', `/images/${tagged.id}/tag`, {query: {repo: 'precious', tag: 'mine'}})
    assert.deepEqual(await collect(() => false, 1), [ours.id])
    const left = await ids()
    assert.ok(left.includes(before.id) && left.includes(tagged.id) && !left.includes(ours.id))
    const {RepoTags} = await engine.api.call<{RepoTags: string[]}>('GET', `/images/${tagged.id}/json`)
    assert.deepEqual(new Set(RepoTags), new Set(['precious:mine', `${registry.host}/shop/crm-8:latest`]))
  })

  it('releases that are here, containers and images of others keep theirs; the rest goes when it is too much', async t => {
    const {get, ids, collect} = await setUp(t)
    const [kept, used, old] = [await get('crm/1'), await get('crm/2'), await get('crm/3')]
    const {Id} = await engine.api.call<{Id: string}>('POST', '/containers/create', {body: {Image: used.id, Cmd: ['/bin/true']}})
    assert.deepEqual(await collect(release => release === 'crm/1', 1_000_000_000), [], 'there is room')
    assert.deepEqual(await collect(release => release === 'crm/1', 1), [old.id])
    const left = await ids()
    for (const id of [kept.id, used.id, engine.stackId]) assert.ok(left.includes(id))
    assert.ok(!left.includes(old.id))
    await engine.api.call('DELETE', `/containers/${Id}`)
    assert.deepEqual(await collect(() => true, 1), [], 'all are kept')
    assert.deepEqual(new Set(await collect(() => false, 1)), new Set([kept.id, used.id]))
    assert.ok((await ids()).includes(engine.stackId), 'it was not pulled for a release')
  })
})
