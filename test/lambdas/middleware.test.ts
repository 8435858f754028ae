// The request chain: requests that do not fit, repeated requests, a database out of order.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {bearerToken} from '#lambdas/middleware/access.ts'
import {jsonDepth} from '#lambdas/middleware/body.ts'
import {countEvery, requestsPerMinute} from '#lambdas/middleware/rate.ts'
import type {Store} from '#lambdas/store/index.ts'
import {requestBodyBytesMax} from '#shared/api.ts'
import {serviceDefinition} from '#test/store/samples.ts'
import {eventOf} from './event.ts'
import {type Platform, platformForSuite, startPlatform} from './platform.ts'

describe('a token that asks too often', () => {
  it('is told when to try again; functions count together, and by the hundred', async () => {
    const platform = await startPlatform()
    try {
      const {now} = platform.clock
      const {token, id} = await platform.store.tokens.create({name: 'x', scope: 'user', verbs: ['read'], ttlMs: 600_000}, now)
      const ask = (name: 'listFormations' | 'listRoutes') => platform.call(name, {token})
      const window = Math.floor(now / 60_000)
      const ends = (window + 1) * 60_000
      // Other warm functions have counted most of it.
      await platform.store.tokens.countRequests(id, window, requestsPerMinute.user - countEvery, ends)
      for (let asked = 0; asked < countEvery; asked++) assert.equal((await ask('listFormations')).status, 200)
      const refused = await ask('listFormations')
      assert.deepEqual([refused.status, refused.body.code], [429, 'rate_limited'])
      assert.equal(refused.headers['retry-after'], String((ends - now) / 1_000))
      assert.equal((await ask('listRoutes')).status, 200, 'another function has not heard of it yet')
      assert.equal((await platform.call('listFormations')).status, 200, 'others may go on')
      platform.clock.now = ends
      assert.equal((await ask('listFormations')).status, 200)
    } finally {
      await platform.stop()
    }
  })
})

describe('requests that do not fit', () => {
  const {call, current} = platformForSuite()

  it('names every field that does not fit, in path, query and body', async () => {
    const {body} = await call('createRelease', {
      params: {formation: 'Not A Name'},
      query: {dry: '1'},
      body: {services: {'Web!': serviceDefinition(), web: {...serviceDefinition(), scale: -1, more: 1}}, unknown: true},
    })
    assert.equal(body.code, 'invalid_request')
    const paths = body.errors.map(({path}: {path: string}) => path)
    assert.deepEqual(paths.slice(0, 2), ['path.formation', 'query'])
    for (const path of ['services.Web!', 'services.web.scale', 'services.web', '']) assert.ok(paths.includes(path), `${path} in ${paths}`)
    assert.match(body.detail, /and \d more/)
  })

  it('takes no more bytes than the endpoint says', async () => {
    const text = (bytes: number): string => `{"name":"${'x'.repeat(bytes - 11)}"}`
    assert.equal((await call('createFormation', {body: text(requestBodyBytesMax + 1)})).body.code, 'too_large')
    assert.equal((await call('createFormation', {body: text(requestBodyBytesMax + 1), base64: true})).body.code, 'too_large')
    assert.equal((await call('createFormation', {body: text(requestBodyBytesMax)})).body.code, 'invalid_request')
    const announcement = {params: {formation: 'crm', name: 'web.a'}}
    assert.equal((await call('announce', {...announcement, body: text(8_192)})).status, 200)
    assert.equal((await call('announce', {...announcement, body: text(8_193)})).body.code, 'too_large')
    assert.equal((await call('announce', {...announcement, body: `{"a":"${'é'.repeat(4_093)}"}`})).body.code, 'too_large')
  })

  it('takes JSON only, however it is labelled, and not too deep', async () => {
    for (const body of ['{', 'nonsense', '{"name": undefined}', '[1,]']) {
      assert.equal((await call('createFormation', {body})).body.code, 'invalid_json', body)
    }
    for (const body of ['null', '[]', '"crm"', '7'])
      assert.equal((await call('createFormation', {body})).body.code, 'invalid_request', body)
    const deep = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`
    assert.equal((await call('discover', {body: deep})).body.code, 'too_large')
    assert.match((await call('discover', {body: '['.repeat(500_000)})).body.detail, /deeper than 64/)
    assert.equal((await call('createFormation', {body: {name: 'labelled'}, headers: {'content-type': 'text/plain'}})).status, 201)
    assert.equal((await call('createFormation', {body: {name: 'base64'}, base64: true})).status, 201)
    assert.match((await call('createFormation')).body.detail, /“name”/)
  })

  it('lets no key poison an object', async () => {
    for (const body of [
      '{"__proto__":{"admin":true},"name":"x"}',
      '{"services":{"__proto__":{}}}',
      '{"services":{},"env":{"__proto__":"x"}}',
      '{"constructor":{"prototype":{"admin":true}}}',
      '{"services":{},"env":{"constructor":"x"}}',
      '{"services":{"constructor":{"name":"Set"}}}',
    ]) {
      const reply = await call('createRelease', {params: {formation: 'crm'}, body})
      assert.equal(reply.body.code, 'invalid_request', body)
      assert.match(reply.body.detail, /(__proto__|constructor)” is not allowed/)
    }
    const params = {formation: 'crm', name: 'constructor.a'}
    assert.equal((await call('announce', {params, body: '{"a":{"__proto__":{"b":1}}}'})).body.code, 'invalid_request')
    const odd = {toString: 1, hasOwnProperty: null, valueOf: {a: []}, __defineGetter__: true, length: 3, toJSON: 'x'}
    assert.equal((await call('announce', {params, body: odd})).status, 200)
    assert.deepEqual((await call('getAnnouncement', {params})).body, odd)
    assert.equal((await call('getScale', {params: {formation: '__proto__'}})).body.code, 'invalid_request')
    assert.equal((await call('getScale', {params: {formation: 'constructor'}})).body.code, 'not_found')
    assert.equal(({} as {admin?: boolean}).admin, undefined)
  })

  it('answers not_found for a route the table does not have, or another function has', async () => {
    for (const routeKey of ['GET /v1/nothing', '$default', 'GET /v1/routes']) {
      const answer = await current().functions.formations({...eventOf('listFormations'), routeKey})
      assert.equal(answer.statusCode, 404)
      assert.equal(JSON.parse(answer.body ?? '').code, 'not_found')
    }
  })

  it('reads bearer tokens as RFC 6750 writes them, and nothing else', () => {
    assert.equal(bearerToken('Bearer abc'), 'abc')
    assert.equal(bearerToken('bearer  gil_admin_a-b_c= '), 'gil_admin_a-b_c=')
    for (const header of [undefined, '', 'abc', 'Basic abc', 'Bearer', 'Bearer a b', 'Bearer a,b', `Bearer ${'a'.repeat(257)}`])
      assert.equal(bearerToken(header), undefined, header)
  })

  it('counts nesting outside strings only', () => {
    assert.equal(jsonDepth('{"a":"[[[[","b":[{"c":"\\"{{"}]}'), 3)
    assert.equal(jsonDepth('"\\\\"[]'), 1)
    assert.equal(jsonDepth(''), 0)
  })
})

describe('idempotency keys', () => {
  const {call} = platformForSuite()

  const params = {formation: 'crm'}
  const body = {services: {web: serviceDefinition()}}
  const headers = (key: string) => ({'idempotency-key': key})
  const releases = async (): Promise<number> => (await call('getFormation', {params})).body.latestRelease

  it('gives the first answer again, byte for byte', async () => {
    const before = await releases()
    const first = await call('createRelease', {params, body, headers: headers('one')})
    const again = await call('createRelease', {params, body, headers: headers('one')})
    assert.deepEqual([again.status, again.text], [201, first.text])
    assert.equal(await releases(), before + 1)
    assert.notEqual(again.headers['x-request-id'], first.headers['x-request-id'])
  })

  it('refuses the same key for something else', async () => {
    await call('createRelease', {params, body, headers: headers('two')})
    const other = await call('createRelease', {params, body: {...body, message: 'x'}, headers: headers('two')})
    assert.equal(other.body.code, 'idempotency_mismatch')
    assert.equal((await call('changeEnv', {params, body, headers: headers('two')})).body.code, 'invalid_request')
    assert.equal((await call('changeEnv', {params, body: {}, headers: headers('two')})).body.code, 'idempotency_mismatch')
  })

  it('keeps the keys of different tokens apart', async () => {
    const {token} = (await call('createToken', {body: {name: 'other', scope: 'admin'}})).body
    const first = await call('createRelease', {params, body, headers: headers('three')})
    const other = await call('createRelease', {token, params, body, headers: headers('three')})
    assert.equal(other.body.release, first.body.release + 1)
  })

  it('works once, however many repeat at the same time', async () => {
    const before = await releases()
    const replies = await Promise.all(Array.from({length: 10}, () => call('createRelease', {params, body, headers: headers('four')})))
    assert.equal(await releases(), before + 1)
    const made = new Set(replies.filter(({status}) => status === 201).map(({text}) => text))
    assert.equal(made.size, 1)
    for (const {status, body: refused} of replies) if (status !== 201) assert.equal(refused.code, 'idempotency_in_progress')
    assert.equal((await call('createRelease', {params, body, headers: headers('four')})).status, 201)
  })

  it('frees the key after a failure', async () => {
    const at = {formation: 'later'}
    assert.equal((await call('createRelease', {params: at, body, headers: headers('five')})).body.code, 'not_found')
    await call('createFormation', {body: {name: 'later'}})
    assert.equal((await call('createRelease', {params: at, body, headers: headers('five')})).status, 201)
  })

  it('refuses keys that are none', async () => {
    for (const key of ['', 'a b', 'é', 'x'.repeat(129)])
      assert.equal((await call('createRelease', {params, body, headers: headers(key)})).body.code, 'invalid_request', key)
  })
})

describe('a database out of order', () => {
  let platform: Platform
  const fault: {error: Error | undefined; finish: boolean} = {error: undefined, finish: false}
  const faulty = (store: Store): Store => ({
    ...store,
    formations: {...store.formations, list: () => (fault.error ? Promise.reject(fault.error) : store.formations.list())},
    idempotency: {
      ...store.idempotency,
      finish: (...args) => (fault.finish ? Promise.reject(new Error('lost')) : store.idempotency.finish(...args)),
    },
  })
  before(async () => {
    platform = await startPlatform(faulty)
  })
  after(() => platform.stop())

  it('answers internal with the request id, and logs what happened', async () => {
    fault.error = new Error('secret detail')
    const {body, text} = await platform.call('listFormations')
    assert.equal(body.code, 'internal')
    assert.doesNotMatch(text, /secret detail/)
    assert.match(platform.logged.at(-1) ?? '', new RegExp(`secret detail.*${body.requestId}|${body.requestId}.*secret detail`))
  })

  it('answers unavailable when it can not be reached', async () => {
    fault.error = Object.assign(new Error('connect'), {code: 'ECONNREFUSED'})
    const {body, headers} = await platform.call('listFormations')
    assert.equal(body.code, 'unavailable')
    assert.equal(headers['retry-after'], '1')
    const cancelled = (...codes: string[]) =>
      Object.assign(new Error('cancelled'), {
        name: 'TransactionCanceledException',
        CancellationReasons: codes.map(Code => ({Code})),
      })
    fault.error = cancelled('None', 'TransactionConflict')
    assert.equal((await platform.call('listFormations')).body.code, 'unavailable', 'others were faster every time')
    fault.error = cancelled('None', 'ValidationError')
    assert.equal((await platform.call('listFormations')).body.code, 'internal')
    fault.error = undefined
  })

  it('gives the answer of what was done, even when it can not be remembered', async () => {
    fault.finish = true
    const reply = await platform.call('createFormation', {body: {name: 'kept'}, headers: {'idempotency-key': 'k'}})
    assert.equal(reply.status, 201)
    assert.match(platform.logged.at(-1) ?? '', /idempotency key not settled/)
    fault.finish = false
  })

  it('answers unavailable once the database is gone', async () => {
    const started = await startPlatform()
    await started.stop()
    for (const name of ['getHealth', 'listFormations'] as const) assert.equal((await started.call(name)).body.code, 'unavailable')
  })
})
