// Routes through their function.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {nameFor, otherNameFor} from '#lambdas/routing/naming.ts'
import {isName} from '#shared/domain/names.ts'
import {platformForSuite} from './platform.ts'

describe('routing function', () => {
  const {call} = platformForSuite()

  it('creates, shows and removes routes, and lists them in order of precedence', async () => {
    const target = 'users.crm.service/{username}'
    const made = await call('createRoute', {body: {domain: 'crm.example.com', path: '/user/{username}', target, formation: 'crm'}})
    assert.deepEqual(made.body, {
      name: 'crm-example-com-user-username',
      domain: 'crm.example.com',
      path: '/user/{username}',
      target,
      formation: 'crm',
    })
    await call('createRoute', {body: {name: 'any', path: '/user/{name}', target: 'users.crm.service'}})
    await call('createRoute', {body: {name: 'exact', domain: 'crm.example.com', path: '/user/me', target: 'users.crm.service'}})
    assert.deepEqual(
      (await call('listRoutes')).body.items.map(({name}: {name: string}) => name),
      ['exact', 'crm-example-com-user-username', 'any'],
    )
    assert.equal((await call('getRoute', {params: {route: 'any'}})).body.domain, '*')
    assert.equal((await call('deleteRoute', {params: {route: 'any'}})).status, 204)
    for (const name of ['getRoute', 'deleteRoute'] as const)
      assert.equal((await call(name, {params: {route: 'any'}})).body.code, 'not_found')
  })

  it('says what is wrong with a route, field by field', async () => {
    const {body} = await call('createRoute', {body: {domain: 'http://x', path: '/{a', target: 'nowhere'}})
    assert.equal(body.code, 'invalid_route')
    assert.deepEqual(
      body.errors.map(({path}: {path: string}) => path),
      ['domain', 'path', 'target'],
    )
    const hostile = {path: '/{a:(a|a)*\\1}', target: 'users.crm.service'}
    assert.equal((await call('createRoute', {body: hostile})).body.code, 'invalid_route')
    const owned = {path: '/owned', target: 'users.crm.service', formation: 'nowhere'}
    assert.equal((await call('createRoute', {body: owned})).body.code, 'not_found')
  })

  it('lets no two routes match the same requests', async () => {
    const route = {path: '/dup/{one}', target: 'users.crm.service'}
    await call('createRoute', {body: {...route, name: 'first'}})
    const clash = await call('createRoute', {body: {path: '/dup/{two}', target: 'other.crm.service'}})
    assert.equal(clash.body.code, 'route_conflict')
    assert.match(clash.body.detail, /“first” \(\*\/dup\/\{one\} → users\.crm\.service\)/)
    assert.equal(
      (await call('createRoute', {body: {name: 'first', path: '/else', target: 'users.crm.service'}})).body.code,
      'already_exists',
    )
    assert.equal((await call('createRoute', {body: route})).body.name, 'first')
    assert.equal((await call('createRoute', {body: {...route, name: 'second'}})).body.code, 'route_conflict')
  })

  it('keeps options, tells them to the feed, and calls the same route with others another one', async () => {
    const route = {path: '/with-options', target: '308 https://www.example.com/'}
    const options = {
      timeouts: {totalMs: 1_000},
      cors: {origins: ['https://a.example'], credentials: true},
      rateLimit: {requests: 5, perMs: 1_000},
    }
    const made = await call('createRoute', {body: {...route, options}})
    assert.deepEqual(made.body.options, options)
    assert.deepEqual((await call('getRoute', {params: {route: made.body.name}})).body, made.body)
    const feed = (await call('discover', {body: {formations: {}, routes: 0}})).body.routes.routes
    assert.deepEqual(feed.find(({name}: {name: string}) => name === made.body.name).options, options)
    const {rateLimit, ...others} = options
    assert.equal((await call('createRoute', {body: {...route, options: {rateLimit, ...others}}})).body.name, made.body.name)
    assert.equal((await call('createRoute', {body: {...route, options: others}})).body.code, 'route_conflict')
    assert.equal((await call('createRoute', {body: {...route, options: {holdMs: -1}}})).body.code, 'invalid_request')
    assert.equal((await call('createRoute', {body: {path: '/r', target: '299 /x'}})).body.code, 'invalid_route')
  })

  it('changes target and options in one step, and checks them like new ones', async () => {
    const {name} = (await call('createRoute', {body: {path: '/change/{id}', target: 'users.crm.service/{id}', options: {holdMs: 5}}})).body
    const table = async () => (await call('discover', {body: {formations: {}, routes: 0}})).body.routes
    const {version} = await table()
    const changed = await call('changeRoute', {params: {route: name}, body: {target: '302 /new/{id}', options: {sticky: 'sid'}}})
    assert.deepEqual(changed.body, {name, domain: '*', path: '/change/{id}', target: '302 /new/{id}', options: {sticky: 'sid'}})
    assert.equal((await table()).version, version + 1)
    assert.equal((await call('changeRoute', {params: {route: name}, body: {target: 'users.crm.service'}})).body.options, undefined)
    assert.equal((await call('changeRoute', {params: {route: name}, body: {target: 'x.crm.service/{other}'}})).body.code, 'invalid_route')
    assert.equal((await call('changeRoute', {params: {route: 'nowhere'}, body: {target: 'x.crm.service'}})).body.code, 'not_found')
    assert.equal((await call('createRoute', {body: {path: '/change/{x}', target: 'users.crm.service'}})).body.code, 'route_conflict')
  })

  it('creates one of many that race', async () => {
    const replies = await Promise.all(
      Array.from({length: 6}, (_, index) => call('createRoute', {body: {path: '/race', target: `s${index}.crm.service`}})),
    )
    assert.equal(replies.filter(({status}) => status === 201).length, 1)
    for (const {status, body} of replies)
      if (status !== 201) assert.ok(['route_conflict', 'conflict', 'already_exists'].includes(body.code), body.code)
  })

  it('finds another name when the one made of domain and path is taken', async () => {
    await call('createRoute', {body: {path: '/a/b', target: 'users.crm.service'}})
    const other = await call('createRoute', {body: {path: '/a-b', target: 'users.crm.service'}})
    assert.match(other.body.name, /^a-b-[0-9a-f]{6}$/)
  })

  it('makes names that are names', () => {
    for (const [domain, path] of [
      ['*', '/'],
      ['*', '/123'],
      ['*.example.com', `/${'long/'.repeat(30)}`],
      ['{tenant}.example.com', '/Ünï/{rest:.*}'],
      ['*', `/${'a'.repeat(39)}/b`],
    ] as const) {
      assert.ok(isName(nameFor(domain, path)), nameFor(domain, path))
      assert.ok(isName(otherNameFor(domain, path, `${domain}${path}`)))
    }
  })
})
