// How long an instance may take to accept a connection, where a route says so: an instance whose kernel does not answer, and what its callers are told.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {limitsDefault} from '#proxy/limits.ts'
import {startDeaf} from './deaf.ts'
import {call, entry, startInstance, startRouter} from './rig.ts'

test('a route’s own connect timeout holds, beside routes that have none, and is named', async t => {
  const {port: deaf, fill} = await startDeaf(t)
  await fill()
  const {router} = await startRouter(
    t,
    feed => {
      feed.announce('crm', entry('users', 'a1', deaf))
      feed.routeWith({timeouts: {connectMs: 150}}, '*', '/quick', 'users.crm.service')
      feed.routeWith({timeouts: {connectMs: 60_000}}, '*', '/patient', 'users.crm.service')
      feed.routeWith({}, '*', '/', 'users.crm.service')
    },
    {limits: {...limitsDefault, connectTimeoutMs: 10_000}},
  )
  const order: string[] = []
  const ask = async (path: string): Promise<string> => {
    const answer = await call(router.port, {path})
    order.push(path)
    return `${answer.status} ${answer.problem.code} ${answer.problem.detail}`
  }
  void ask('/patient').catch(() => undefined)
  void ask('/').catch(() => undefined)
  assert.match(await ask('/quick'), /^504 upstream_timeout .*did not accept a connection within 0\.15 s \(connect timeout\)/)
  assert.deepEqual(order, ['/quick'])
})

test('a request whose connection takes too long goes to another instance, whatever its method', async t => {
  const {port: deaf, fill} = await startDeaf(t)
  await fill()
  const {port} = await startInstance(t, (_request, response) => response.end('ok'))
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', deaf), entry('users', 'b2', port))
    feed.routeWith({timeouts: {connectMs: 100}, sticky: 'sid'}, '*', '/', 'users.crm.service')
  })
  const answer = await call(router.port, {method: 'POST', body: 'x', headers: {cookie: 'sid=a1'}})
  assert.deepEqual([answer.status, answer.text], [200, 'ok'])
  const {upstreams} = JSON.parse((await router.admin('/table')).text) as {upstreams: {name: string; ejectedForMs: number}[]}
  assert.ok(upstreams.some(({name, ejectedForMs}) => name === 'a1.users.crm' && ejectedForMs > 0))
})
