// How long an instance may take to accept a connection, where a route says so: an instance whose kernel does not answer, and what its callers are told.
import assert from 'node:assert/strict'
import {connect, type Socket} from 'node:net'
import {test} from 'node:test'
import {Worker} from 'node:worker_threads'
import {limitsDefault} from '#proxy/limits.ts'
import {type Closer, call, entry, startInstance, startRouter} from './rig.ts'

/** Listens with the shortest of queues, and never accepts: the thread sleeps for good. */
const sleeper = `
const {createServer} = require('node:net')
const {parentPort} = require('node:worker_threads')
const server = createServer().listen({host: '127.0.0.1', port: 0, backlog: 1}, () => {
  parentPort.postMessage(server.address().port)
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
})`

/** A port whose connections are neither accepted nor refused: its queue is full. */
const startDeaf = async (t: Closer): Promise<number> => {
  const worker = new Worker(sleeper, {eval: true})
  t.after(() => worker.terminate())
  const port = await new Promise<number>(resolve => worker.once('message', resolve))
  const sockets: Socket[] = []
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  const isTaken = (): Promise<boolean> =>
    new Promise(resolve => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => undefined)
      sockets.push(socket)
      setTimeout(() => resolve(false), 300)
    })
  while (await isTaken());
  return port
}

test('a route’s own connect timeout holds, beside routes that have none, and is named', async t => {
  const deaf = await startDeaf(t)
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
  const deaf = await startDeaf(t)
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
