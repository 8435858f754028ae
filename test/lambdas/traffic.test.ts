// Traffic choices through the API, the store and the feed.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {serviceDefinition} from '#test/store/samples.ts'
import {type Platform, startPlatform} from './platform.ts'

describe('traffic choices', () => {
  let platform: Platform
  let call: Platform['call']
  before(async () => {
    platform = await startPlatform()
    call = platform.call
    for (const name of ['crm', 'rolled']) {
      await call('createFormation', {body: {name}})
      for (let i = 0; i < 2; i++)
        await platform.store.releases.create(name, {env: {}, services: {web: serviceDefinition()}}, platform.clock.now)
    }
  })
  after(() => platform.stop())
  const params = {formation: 'crm', service: 'web'}
  const snapshot = async (formation: string, held = -1) => (await platform.store.registry.snapshots({[formation]: held}, 0))[0]

  it('are set, shown, told to the feed in the same step, and reset', async () => {
    assert.deepEqual((await call('getTraffic', {params})).body, {service: 'web', chosen: false, weights: {}, matches: []})
    const before = (await snapshot('crm'))?.version ?? assert.fail()
    const body = {weights: {1: 90, 2: 10}, matches: [{header: 'X-Canary', value: '1', release: 2}], by: {cookie: 'uid'}}
    const traffic = {...body, matches: [{header: 'x-canary', value: '1', release: 2}]}
    assert.deepEqual((await call('setTraffic', {params, body})).body, {service: 'web', chosen: true, ...traffic})
    assert.deepEqual((await call('getTraffic', {params})).body, {service: 'web', chosen: true, ...traffic})
    assert.deepEqual(await snapshot('crm'), {formation: 'crm', version: before + 1, endpoints: [], traffic: {web: traffic}})
    const feed = (await call('discover', {body: {formations: {crm: before}}})).body.formations.crm
    assert.deepEqual(feed, {version: before + 1, endpoints: [], traffic: {web: traffic}})
    assert.equal((await call('resetTraffic', {params})).status, 204)
    assert.equal((await call('resetTraffic', {params})).status, 204)
    assert.equal((await call('getTraffic', {params})).body.chosen, false)
    assert.deepEqual((await snapshot('crm', before + 1))?.traffic, {})
  })

  it('name releases that exist and have the service', async () => {
    const code = async (body: unknown, more: Partial<typeof params> = {}) =>
      (await call('setTraffic', {params: {...params, ...more}, body})).body.code
    assert.equal(await code({weights: {3: 1}}), 'not_found')
    assert.equal(await code({weights: {1: 1}, matches: [{cookie: 'a', value: 'b', release: 9}]}), 'not_found')
    assert.equal(await code({weights: {1: 1}}, {service: 'wbe'}), 'not_found')
    assert.equal(await code({weights: {1: 1}}, {formation: 'nowhere'}), 'not_found')
    for (const weights of [{}, {1: 0}, {latest: 1}, {1: -1}, {1: 0.5}, {1: 2_000_000}])
      assert.equal(await code({weights}), 'invalid_request')
    const match = {value: '1', release: 1}
    for (const matches of [
      [match],
      [{...match, header: 'a b'}],
      [{...match, header: 'a', cookie: 'b'}],
      [{header: 'a', value: '', release: 1}],
    ])
      assert.equal(await code({weights: {1: 1}, matches}), 'invalid_request')
    assert.equal(await code({weights: {1: 1}, by: {header: 'a', cookie: 'b'}}), 'invalid_request')
  })

  it('end with the rollout that leaves nothing to choose from, and only then', async () => {
    const {rollouts, traffic, formations} = platform.store
    const {now} = platform.clock
    await traffic.set('rolled', 'web', {weights: {1: 1}, matches: []})
    await rollouts.start('rolled', 2, {web: 1}, now)
    await rollouts.fail('rolled', 2, 'no', now)
    assert.notEqual(await traffic.get('rolled', 'web'), undefined)
    await rollouts.start('rolled', 2, {web: 1}, now)
    const held = (await snapshot('rolled'))?.version ?? assert.fail()
    assert.equal((await rollouts.finish('rolled', 2, now)).outcome, 'ok')
    assert.equal(await traffic.get('rolled', 'web'), undefined)
    assert.deepEqual((await snapshot('rolled', held))?.traffic, {})
    await traffic.set('rolled', 'web', {weights: {1: 1}, matches: []})
    await formations.destroy('rolled', now)
    assert.equal((await traffic.set('rolled', 'web', {weights: {2: 1}, matches: []})).outcome, 'destroying')
    assert.equal(
      (await call('setTraffic', {params: {formation: 'rolled', service: 'web'}, body: {weights: {1: 1}}})).body.code,
      'formation_destroying',
    )
    await formations.remove('rolled')
    assert.equal(await traffic.get('rolled', 'web'), undefined)
  })
})
