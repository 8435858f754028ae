// `Expect: 100-continue` (RFC 9110 §10.1.1) on its way through: who says go on, who says no, and what becomes of the body.
import assert from 'node:assert/strict'
import {connect, createServer, type Socket} from 'node:net'
import {test} from 'node:test'
import type {RouteOptions} from '#shared/domain/route-options.ts'
import {type Closer, call, entry, rawCall, startInstance, startRouter, until} from './rig.ts'

const expecting = (more = '', method = 'POST'): string =>
  `${method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n${more}\r\n`

/** An instance that is given what it says, as text; `after` the head of a request. */
const startRaw = (t: Closer, after: (socket: Socket, received: () => string) => void): Promise<{port: number; received: () => string}> =>
  new Promise(resolve => {
    let text = ''
    const sockets = new Set<Socket>()
    const server = createServer(socket => {
      sockets.add(socket)
      socket
        .on('error', () => undefined)
        .on('data', chunk => {
          const isFirst = !text.includes('\r\n\r\n')
          text += chunk
          if (isFirst && text.includes('\r\n\r\n')) after(socket, () => text)
        })
    }).listen(0, '127.0.0.1', () => resolve({port: (server.address() as {port: number}).port, received: () => text}))
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
  })

const routed = (t: Closer, ports: number[], options: RouteOptions = {}) =>
  startRouter(t, feed => {
    feed.announce('crm', ...ports.map((port, index) => entry('users', `a${index}`, port)))
    feed.routeWith(options, '*', '/', 'users.crm.service')
  })

/** A client that sends a head, and a body when it is told to go on. */
const exchange = (t: Closer, port: number, head: string, body = 'hello') => {
  let text = ''
  const socket = connect(port, '127.0.0.1', () => socket.write(head))
  t.after(() => socket.destroy())
  socket
    .on('error', () => undefined)
    .on('data', chunk => {
      const had = text.includes('100 Continue')
      text += chunk
      if (!had && text.includes('100 Continue')) socket.write(body)
    })
  const closed = new Promise<void>(resolve => socket.on('close', () => resolve()))
  return {socket, received: () => text, closed}
}

test('an instance that says go on gets the body, and its client is told once', async t => {
  const {port, received} = await startRaw(t, (socket, text) => {
    assert.ok(!text().includes('hello'), 'no body before it is asked for')
    socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    void until(() => text().endsWith('hello'), 'the body').then(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
  })
  const {router} = await routed(t, [port])
  const client = exchange(t, router.port, expecting('Connection: close\r\n'))
  await client.closed
  assert.match(client.received(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n.*ok$/s)
  assert.match(received(), /\r\nexpect: 100-continue\r\n/)
})

test('an instance that says no is heard, and the body is never sent', async t => {
  const {port, received} = await startRaw(t, socket => socket.write('HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno'))
  const {router} = await routed(t, [port])
  const client = exchange(t, router.port, expecting())
  await client.closed
  assert.match(client.received(), /^HTTP\/1\.1 401 Unauthorized\r\n.*connection: close\r\n\r\nno$/s)
  assert.doesNotMatch(received(), /hello/)
})

test('an instance that knows nothing of it gets the body after a while', async t => {
  const {port} = await startRaw(t, (socket, text) => {
    void until(() => text().endsWith('hello'), 'the body').then(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
  })
  const {router} = await routed(t, [port])
  const client = exchange(t, router.port, expecting('Connection: close\r\n'))
  await client.closed
  assert.match(client.received(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n.*ok$/s)
})

test('an instance that breaks before it wants the body costs an idempotent request nothing', async t => {
  const broken = await startRaw(t, socket => socket.destroy())
  const {port} = await startInstance(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    response.end(`got ${body}`)
  })
  const {router} = await routed(t, [broken.port, port], {sticky: 'sid'})
  const client = exchange(t, router.port, expecting('Connection: close\r\nCookie: sid=a0\r\n', 'PUT'))
  await client.closed
  assert.match(client.received(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n.*got hello/s)
  assert.notEqual(broken.received(), '')
})

test('what is too long is refused before anybody is told to go on; chunks that turn out too long, when they do', async t => {
  const {port} = await startInstance(t, (request, response) => request.on('end', () => response.end('ok')).resume())
  const {router} = await routed(t, [port], {bodyBytesMax: 4})
  const sized = exchange(t, router.port, expecting())
  await sized.closed
  assert.match(sized.received(), /^HTTP\/1\.1 413 .*connection: close\r\n.*too_large/s)
  const chunked = exchange(
    t,
    router.port,
    'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n',
    '5\r\nhello\r\n0\r\n\r\n',
  )
  await chunked.closed
  assert.match(chunked.received(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 413 .*connection: close\r\n/s)
})

test('HTTP/1.0 knows no expectations, and a request without a body has none', async t => {
  const {port} = await startInstance(t, (request, response) =>
    request.on('end', () => response.end(`[${request.headers.expect}]`)).resume(),
  )
  const {router} = await routed(t, [port])
  const old = await rawCall(router.port, 'POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello')
  assert.match(old, /^HTTP\/1\.1 200 OK\r\n.*\[undefined\]$/s)
  const empty = await rawCall(router.port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n')
  assert.match(empty, /^HTTP\/1\.1 200 OK\r\n.*\[undefined\]/s)
})

test('a client that does not wait is not kept waiting, and one that leaves meanwhile leaves nothing behind', async t => {
  const {port} = await startInstance(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    response.end(`got ${body}`)
  })
  const {router} = await routed(t, [port])
  const eager = await rawCall(router.port, `${expecting('Connection: close\r\n')}hello`)
  assert.match(eager, /HTTP\/1\.1 200 OK\r\n.*got hello/s)
  const silent = await startRaw(t, () => undefined)
  const other = await routed(t, [silent.port])
  const client = exchange(t, other.router.port, expecting())
  await until(() => silent.received() !== '', 'the instance was asked')
  client.socket.destroy()
  await until(async () => /"inFlight": 0/.test((await other.router.admin('/table')).text), 'nothing is in flight')
  assert.equal((await call(other.router.port, {path: '/none'})).status, 404)
})
