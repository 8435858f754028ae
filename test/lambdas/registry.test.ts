// The registry and its discovery feed through their function.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {type Platform, startPlatform} from './platform.ts'

describe('registry function', () => {
  let platform: Platform
  let call: Platform['call']
  let token: string
  before(async () => {
    platform = await startPlatform()
    call = platform.call
    token = await platform.tokenOf('registry')
    await call('createFormation', {body: {name: 'crm'}})
  })
  after(() => platform.stop())

  const formation = 'crm'
  const announce = (name: string, body: object, query = {}) => call('announce', {token, params: {formation, name}, body, query})
  const list = async (): Promise<object> => (await call('getRegistry', {token, params: {formation}})).body

  it('announces any JSON object, lists, renews and withdraws it', async () => {
    const data = {host: '10.0.0.9', port: 8_080, meta: {weights: [1, null, 'x']}}
    assert.deepEqual((await announce('users.one', data)).body, data)
    assert.deepEqual(await list(), {'users.one': data})
    assert.deepEqual((await announce('users.one', {})).body, {})
    assert.deepEqual(await list(), {'users.one': {}})
    const params = {formation, name: 'users.one'}
    assert.equal((await call('withdraw', {token, params})).status, 204)
    assert.deepEqual(await list(), {})
    assert.equal((await call('withdraw', {token, params})).body.code, 'not_found')
    assert.equal((await call('getAnnouncement', {token, params})).body.code, 'not_found')
  })

  it('keeps whatever JSON can say, and refuses what is no text', async () => {
    const deep = `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`
    for (const body of ['{"n":12345678901234567890123}', '{"n":1e200,"m":1e-200}', '{"":{"":[]}}', deep, '{"s":"\\u0000"}']) {
      const reply = await call('announce', {token, params: {formation, name: 'odd.one'}, body})
      assert.equal(reply.status, 200, reply.text)
      assert.deepEqual((await call('getAnnouncement', {token, params: {formation, name: 'odd.one'}})).body, JSON.parse(body))
    }
    for (const body of ['{"s":"\\ud800"}', '{"\\udc00":1}']) {
      const reply = await call('announce', {token, params: {formation, name: 'odd.one'}, body})
      assert.equal(reply.body.code, 'invalid_json')
      assert.match(reply.body.detail, /surrogate pair/)
    }
    assert.equal((await call('withdraw', {token, params: {formation, name: 'odd.one'}})).status, 204)
  })

  it('indents when asked', async () => {
    await announce('users.two', {a: 1})
    const params = {formation}
    assert.match((await call('getRegistry', {token, params, query: {pretty: ''}})).text, /\n {2}"users.two": \{\n/)
    assert.doesNotMatch((await call('getRegistry', {token, params})).text, /\n/)
    assert.match((await call('getAnnouncement', {token, params: {formation, name: 'users.two'}, query: {pretty: '1'}})).text, /\n/)
  })

  it('ends entries by their time: the query’s, the body’s, or half a minute', async () => {
    await announce('a.query', {ttl: 5}, {ttl: '100'})
    await announce('a.body', {ttl: 50})
    await announce('a.default', {ttl: 'not a number'})
    const alive = async (): Promise<string[]> => Object.keys(await list()).filter(name => name.startsWith('a.'))
    assert.deepEqual(await alive(), ['a.body', 'a.default', 'a.query'])
    platform.clock.now += 30_000
    assert.deepEqual(await alive(), ['a.body', 'a.query'])
    platform.clock.now += 20_000
    assert.deepEqual(await alive(), ['a.query'])
    assert.equal((await call('getAnnouncement', {token, params: {formation, name: 'a.body'}})).body.code, 'not_found')
    platform.clock.now += 50_000
    assert.deepEqual(await alive(), [])
  })

  it('refuses times out of range, names that are none, and what is no object', async () => {
    for (const query of [{ttl: '0'}, {ttl: '86401'}, {ttl: '-1'}, {ttl: 'x'}, {ttl: '1e3'}])
      assert.equal((await announce('a.b', {}, query)).body.code, 'invalid_request', query.ttl)
    for (const ttl of [0, -1, 0.0001, 1e300, 86_401]) assert.equal((await announce('a.b', {ttl})).body.code, 'invalid_request', String(ttl))
    for (const name of ['a', 'a.', '.b', 'a.b.c', 'A.b', '__proto__.a'])
      assert.equal((await announce(name, {})).body.code, 'invalid_request', name)
    for (const body of [[], '"x"', null]) assert.equal((await announce('a.b', body as object)).body.code, 'invalid_request')
  })

  it('knows only formations that exist', async () => {
    const params = {formation: 'nowhere', name: 'a.b'}
    for (const name of ['announce', 'getAnnouncement', 'withdraw'] as const) {
      const {body} = await call(name, {token, params, body: {}})
      assert.equal(body.code, 'not_found')
      assert.match(body.detail, /create it first/)
    }
    assert.equal((await call('getRegistry', {token, params: {formation: 'nowhere'}})).body.code, 'not_found')
  })

  it('has its readers ask less often the longer nothing was new to them', async () => {
    const reader = await platform.tokenOf('discovery')
    const nextPollMs = async (body: object) => (await call('discover', {token: reader, body})).body.nextPollMs
    const quiet = {formations: {nowhere: 0}}
    assert.deepEqual([await nextPollMs(quiet), await nextPollMs({...quiet, quietMs: 1_000})], [500, 500])
    assert.deepEqual([await nextPollMs({...quiet, quietMs: 4_000}), await nextPollMs({...quiet, quietMs: 60_000})], [1_000, 2_000])
    await call('createFormation', {body: {name: 'loud'}})
    await call('announce', {token, params: {formation: 'loud', name: 'users.one'}, body: {host: '10.0.0.9', port: 1}})
    assert.equal(await nextPollMs({formations: {loud: 0}, quietMs: 60_000}), 500, 'that was news')
  })

  it('feeds router and proxy with what changed, and nothing else', async () => {
    const reader = await platform.tokenOf('discovery')
    const discover = async (body: object) => (await call('discover', {token: reader, body})).body
    await call('createFormation', {body: {name: 'feed'}})
    await announce('users.gone', {host: 'x', port: 1})
    assert.deepEqual(await discover({formations: {feed: 0, nowhere: 0}}), {formations: {}, nextPollMs: 500})
    await call('announce', {token, params: {formation: 'feed', name: 'users.one'}, body: {host: '10.0.0.9', port: 8_080, ttl: 60}})
    await call('announce', {token, params: {formation: 'feed', name: 'users.odd'}, body: {host: 7}})
    const first = await discover({formations: {feed: 0, nowhere: 0}, routes: 0})
    assert.deepEqual(first.formations.feed.endpoints, [
      {service: 'users', id: 'one', host: '10.0.0.9', ports: {'80': 8_080}, expiresInMs: 60_000},
    ])
    assert.equal(first.routes, undefined)
    const {version} = first.formations.feed
    assert.deepEqual((await discover({formations: {feed: version}})).formations, {})
    await call('withdraw', {token, params: {formation: 'feed', name: 'users.one'}})
    assert.deepEqual((await discover({formations: {feed: version}})).formations.feed.endpoints, [])
    assert.deepEqual(Object.keys((await discover({formations: {feed: version + 100}})).formations), ['feed'])

    await call('createRoute', {body: {path: '/x', target: 'users.feed.service'}})
    const routed = await discover({formations: {}, routes: 0})
    assert.deepEqual(
      routed.routes.routes.map(({path}: {path: string}) => path),
      ['/x'],
    )
    assert.equal((await discover({formations: {}, routes: routed.routes.version})).routes, undefined)
    const many = Object.fromEntries(Array.from({length: 1_001}, (_, index) => [`f${index}`, 0]))
    assert.equal((await discover({formations: many})).code, 'invalid_request')
  })
})
