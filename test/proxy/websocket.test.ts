// WebSockets through router and proxy, and upgrades that are refused.
import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {createServer} from 'node:http'
import {connect, type Socket} from 'node:net'
import {test} from 'node:test'
import {WebSocket, WebSocketServer} from 'ws'
import {type Closer, closedPort, entry, Feed, rawCall, startInstance, startPlane, startRouter, until} from './rig.ts'

/** An instance that echoes WebSocket messages and tells the path it was asked for first. */
const startEcho = async (t: Closer): Promise<{port: number; sockets: WebSocketServer}> => {
  const {port, server} = await startInstance(t, (_request, response) => response.writeHead(426).end('upgrade, please'))
  const sockets = new WebSocketServer({server})
  sockets.on('connection', (socket, request) => {
    socket.send(`${request.url} ${request.headers.host} ${request.headers['x-forwarded-host'] ?? '-'}`)
    socket.on('message', (data, isBinary) => socket.send(data, {binary: isBinary}))
  })
  t.after(() => {
    for (const client of sockets.clients) client.terminate()
  })
  return {port, sockets}
}

const routed = (t: Closer, ...ports: number[]) =>
  startRouter(t, feed => {
    feed.announce('crm', ...ports.map((port, index) => entry('chat', `a${index}`, port)))
    feed.route(['*', '/chat/{room}', 'chat.crm.service/rooms/{room}'])
  })

test('a WebSocket goes through the router, by route, past a dead instance', async t => {
  const {port} = await startEcho(t)
  const {router} = await routed(t, await closedPort(), port)
  const socket = new WebSocket(`ws://127.0.0.1:${router.port}/chat/blue?x=1`)
  const [greeting] = await once(socket, 'message')
  assert.equal(String(greeting), `/rooms/blue?x=1 chat.crm.service 127.0.0.1:${router.port}`)
  const payload = randomBytes(1_048_576)
  socket.send(payload)
  const [echoed] = await once(socket, 'message')
  assert.ok(payload.equals(echoed as Buffer))
  assert.match((await router.admin('/metrics')).text, /gilliam_proxy_tunnels 1/)
  socket.close(4_001, 'bye')
  const [code] = await once(socket, 'close')
  assert.equal(code, 4_001)
  await until(async () => /gilliam_proxy_tunnels 0/.test((await router.admin('/metrics')).text), 'the tunnel is over')
})

test('a WebSocket ends when either side breaks', async t => {
  const {port, sockets} = await startEcho(t)
  const {router} = await routed(t, port)
  const first = new WebSocket(`ws://127.0.0.1:${router.port}/chat/a`)
  await once(first, 'message')
  for (const client of sockets.clients) client.terminate()
  await once(first, 'close')
  const second = new WebSocket(`ws://127.0.0.1:${router.port}/chat/a`)
  await once(second, 'message')
  second.terminate()
  await until(() => sockets.clients.size === 0, 'the instance noticed')
})

const handshake = (path: string, host = 'x'): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`

test('a refused upgrade is relayed and nothing can follow it', async t => {
  let others = 0
  const {port} = await startInstance(t, (request, response) => {
    if (request.url === '/secret') others += 1
    response.writeHead(403, {'x-why': 'no'}).end('no upgrade')
  })
  const {router} = await routed(t, port)
  const received = await rawCall(router.port, `${handshake('/chat/a')}GET /secret HTTP/1.1\r\nHost: x\r\n\r\n`)
  assert.match(received, /^HTTP\/1\.1 403 .*x-why: no.*connection: close.*no upgrade\r\n0\r\n\r\n$/is)
  assert.equal(others, 0)
})

test('a client that leaves during a refusal ends the connection to the instance', async t => {
  let closed = false
  const {port} = await startInstance(t, (request, response) => {
    request.socket.once('close', () => (closed = true))
    response.writeHead(403).write('it goes on')
  })
  const {router} = await routed(t, port)
  const client = connect(router.port, '127.0.0.1', () => client.write(handshake('/chat/a')))
  await once(client, 'data')
  client.resetAndDestroy()
  await until(() => closed, 'the instance noticed')
})

test('upgrades that can not be made are answered with problems', async t => {
  const {router} = await routed(t, await closedPort())
  const cases: [string, RegExp][] = [
    [handshake('/none'), /^HTTP\/1\.1 404 .*no_route/s],
    [handshake('/chat/a'), /^HTTP\/1\.1 502 .*upstream_refused/s],
  ]
  for (const [text, expected] of cases) assert.match(await rawCall(router.port, text), expected)
})

test('only WebSockets are upgraded', async t => {
  const {port} = await startInstance(t, (request, response) => response.end(`plain ${request.headers.upgrade ?? 'no upgrade'}`))
  const {router} = await routed(t, port)
  const h2c = 'GET /chat/a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n'
  const socket = connect(router.port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write(h2c)
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  await until(() => text.includes('plain'), 'an ordinary answer')
  assert.match(text, /^HTTP\/1\.1 200 .*plain no upgrade/s)
})

test('a WebSocket goes through the proxy by CONNECT and by absolute-form', async t => {
  const {port} = await startEcho(t)
  const feed = new Feed()
  feed.announce('crm', entry('chat', 'a1', port))
  await feed.start(t)
  const proxy = await startPlane(t, 'proxy', feed)
  const tunnel = await new Promise<Socket>((resolve, reject) => {
    const socket = connect(proxy.port, '127.0.0.1', () =>
      socket.write('CONNECT chat.crm.service:80 HTTP/1.1\r\nHost: chat.crm.service:80\r\n\r\n'),
    )
    socket.once('data', chunk => (String(chunk).startsWith('HTTP/1.1 200 ') ? resolve(socket) : reject(new Error(String(chunk)))))
  })
  const through = new WebSocket('ws://chat.crm.service/a', {createConnection: () => tunnel})
  const [greeting] = await once(through, 'message')
  assert.equal(String(greeting), '/a chat.crm.service -')
  through.close()
  await once(through, 'close')
  const direct = new WebSocket('ws://chat.crm.service/b', {createConnection: () => connect(proxy.port, '127.0.0.1')})
  const refused = once(direct, 'unexpected-response').then(([, response]) => response.statusCode)
  assert.equal(await refused, 400, 'origin-form is for servers')
  const socket = connect(proxy.port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write(handshake('http://chat.crm.service/c', 'chat.crm.service'))
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  await until(() => text.includes('/c chat.crm.service'), 'greeting')
  assert.match(text, /^HTTP\/1\.1 101 /)
})

test('a silent WebSocket server times out by name', async t => {
  const sockets = new Set<Socket>()
  const server = createServer()
  server.on('upgrade', (_request, socket) => sockets.add(socket as Socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const {limitsDefault} = await import('#proxy/limits.ts')
  const {router} = await startRouter(
    t,
    feed => {
      feed.announce('crm', entry('chat', 'a1', (server.address() as {port: number}).port))
      feed.route(['*', '/', 'chat.crm.service'])
    },
    {limits: {...limitsDefault, firstByteTimeoutMs: 200}},
  )
  assert.match(await rawCall(router.port, handshake('/')), /^HTTP\/1\.1 504 .*first-byte timeout/s)
})
