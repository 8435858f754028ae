// HTTP through CONNECT: served request by request, where it is for a service; and what stays a tunnel of raw bytes.
import assert from 'node:assert/strict'
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {connect, createServer, type Socket} from 'node:net'
import {test} from 'node:test'
import fc from 'fast-check'
import {beginsHttp} from '#proxy/http/first-bytes.ts'
import {type Closer, call, closedPort, entry, Feed, type Plane, rawCall, startInstance, startPlane, until} from './rig.ts'

const startProxy = async (t: Closer, setup: (feed: Feed) => void): Promise<{feed: Feed; proxy: Plane}> => {
  const feed = new Feed()
  setup(feed)
  await feed.start(t)
  return {feed, proxy: await startPlane(t, 'proxy', feed)}
}

const startNamed = (t: Closer, name: string) =>
  startInstance(t, (request, response) => response.end(`<${name} ${request.method} ${request.url} ${request.headers.host}>`))

/** A server that speaks no HTTP. */
const startRaw = async (t: Closer, serve: (socket: Socket) => void): Promise<number> => {
  const sockets = new Set<Socket>()
  const server = createServer({allowHalfOpen: true}, socket => {
    sockets.add(socket)
    serve(socket.on('error', () => undefined))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as {port: number}).port
}

const opened = 'HTTP/1.1 200 Connection Established\r\n\r\n'
const open = (authority: string): string => `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`

/** An open tunnel. */
const tunnel = async (t: Closer, proxy: Plane, authority: string) => {
  const socket = connect({port: proxy.port, host: '127.0.0.1', allowHalfOpen: true})
  t.after(() => socket.destroy())
  let text = ''
  socket
    .on('error', () => undefined)
    .on('end', () => socket.end())
    .on('data', chunk => {
      text += chunk.toString('latin1')
    })
  const closed = once(socket, 'close')
  socket.write(open(authority))
  await until(() => text.startsWith(opened), 'the tunnel is open')
  return {socket, received: () => text.slice(opened.length), closed}
}

const get = (path: string, host: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`

test('what begins like an HTTP request is one, however it is cut; everything else is not', () => {
  const http = ['GET / HTTP/1.1\r\n', 'POST /a?b HTTP/1.0\r\nHost', 'OPTIONS * HTTP/1.1\r\n', 'GET http://a.b.service/ HTTP/1.1\r\n']
  const other = [
    '\x16\x03\x01\x02\x00\x01',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'SSH-2.0-x\r\n',
    'GET key\r\n',
    'GET /key\r\n',
    'GET / HTTP/1.1\n',
    'OPTIONS rtsp://a/b RTSP/1.0\r\n',
    'CONNECT a:80 HTTP/1.1\r\n',
    'get / HTTP/1.1\r\n',
    '*1\r\n$4\r\nPING\r\n',
    '\r\nGET / HTTP/1.1\r\n',
  ]
  for (const [texts, expected] of [
    [http, true],
    [other, false],
  ] as const)
    for (const text of texts) {
      assert.equal(beginsHttp(Buffer.from(text, 'latin1')), expected, text)
      for (let end = 1; end < text.length; end++)
        assert.ok([undefined, expected].includes(beginsHttp(Buffer.from(text.slice(0, end), 'latin1'))), text.slice(0, end))
    }
  assert.equal(beginsHttp(Buffer.from(`GET /${'a'.repeat(20_000)}`)), true, 'refused by who parses it')
  const isSteady = (bytes: Uint8Array, cut: number): boolean => {
    const part = beginsHttp(Buffer.from(bytes.subarray(0, cut)))
    return part === undefined || part === beginsHttp(Buffer.from(bytes))
  }
  fc.assert(fc.property(fc.uint8Array({minLength: 1, maxLength: 60}), fc.integer({min: 1, max: 60}), isSteady))
})

test('requests in one tunnel go to all instances, by release, are retried, counted and logged one by one', async t => {
  const [old, fresh] = [await startNamed(t, 'old'), await startNamed(t, 'fresh')]
  const {feed, proxy} = await startProxy(t, setup => {
    setup.announce(
      'crm',
      entry('web', 'a', old.port, {release: 3}),
      entry('web', 'b', fresh.port, {release: 4}),
      entry('web', 'c', 1, {release: 4}),
    )
    setup.traffic('crm', {web: {weights: {3: 1}, matches: [{header: 'x-canary', value: '1', release: 4}]}})
  })
  const {socket, received} = await tunnel(t, proxy, 'web.crm.service:80')
  const hosts = ['web.crm.service', 'WEB.crm.service:80', 'web.crm.service']
  const ask = async (path: string, host: string, more = ''): Promise<string> => {
    const before = received().length
    socket.write(get(path, host, more))
    await until(() => /<.*>/.test(received().slice(before)), 'an answer')
    return /<.*>/.exec(received().slice(before))?.[0] ?? ''
  }
  for (const host of hosts) assert.equal(await ask('/a/../b', host), '<old GET /b web.crm.service>')
  for (let i = 0; i < 10; i++) assert.equal(await ask('/c', 'web.crm.service', 'X-Canary: 1\r\n'), '<fresh GET /c web.crm.service>')
  assert.equal(await ask('http://web.crm.service/d', 'ignored'), '<old GET /d web.crm.service>')
  const third = await startNamed(t, 'third')
  feed.announce('crm', entry('web', 'd', third.port, {release: 3}))
  await until(async () => (await call(proxy.port, {path: 'http://web.crm.service/'})).text.includes('third'), 'the table')
  await old.close()
  assert.equal(await ask('/e', 'web.crm.service'), '<third GET /e web.crm.service>')
  const {text} = await proxy.admin('/metrics')
  assert.match(text, /requests_total\{kind="connect",[^}]*service="web\.crm",[^}]*status="200"\} 1\n/)
  assert.match(text, /gilliam_proxy_tunnels 0/)
  const counted = [...text.matchAll(/requests_total\{kind="http",[^}]*service="web\.crm",[^}]*status="200"\} (\d+)/g)]
  assert.ok(counted.reduce((sum, [, count]) => sum + Number(count), 0) >= 15)
  const isTold = (line: string): boolean => line.includes('"path":"/c"') && line.includes('"instance":"b.web.crm"')
  await until(() => proxy.logged.some(isTold), 'the log tells of it')
})

test('a request in the wrong tunnel is refused, and nothing behind it is read', async t => {
  const {port} = await startNamed(t, 'only')
  const {proxy} = await startProxy(t, feed =>
    feed.announce('crm', entry('web', 'a', port, {ports: {'80': port, '9000': port}}), entry('other', 'a', port)),
  )
  const wrong: [authority: string, request: string][] = [
    ['web.crm.service:80', get('/', 'other.crm.service')],
    ['web.crm.service:80', get('/', 'web.crm.service:9000')],
    ['web.crm.service:80', get('http://other.crm.service/', 'web.crm.service')],
    ['web.crm.service:80', get('http://169.254.169.254/', 'web.crm.service')],
    ['web.crm.service:80', get('https://web.crm.service/', 'web.crm.service')],
    ['web.crm.service:9000', get('http://web.crm.service/', 'web.crm.service')],
  ]
  for (const [authority, request] of wrong) {
    const received = await rawCall(proxy.port, `${open(authority)}${request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}`)
    assert.match(received.slice(opened.length), /^HTTP\/1\.1 400 .*bad_proxy_request/s, request)
    assert.doesNotMatch(received, /<only/)
  }
  const nested = await rawCall(proxy.port, `${open('web.crm.service:80')}${get('/', 'web.crm.service')}${open('other.crm.service:80')}`)
  assert.match(nested, /<only GET \/ web\.crm\.service>.*HTTP\/1\.1 400 .*bad_proxy_request/s)
  const malformed = await rawCall(
    proxy.port,
    `${open('web.crm.service:80')}${get('/', 'web.crm.service', 'A : b\r\n')}${get('/', 'web.crm.service')}`,
  )
  assert.match(malformed.slice(opened.length), /^HTTP\/1\.1 400 .*invalid_request/s)
  const fine = await rawCall(proxy.port, `${open('web.crm.service:9000')}GET / HTTP/1.0\r\n\r\n`)
  assert.match(fine, /<only GET \/ web\.crm\.service:9000>/)
})

test('the connection made for the tunnel is used for the first request', async t => {
  let connections = 0
  const {port, server} = await startNamed(t, 'only')
  server.on('connection', () => (connections += 1))
  const {proxy} = await startProxy(t, feed => feed.announce('crm', entry('web', 'a', port)))
  for (let i = 1; i <= 3; i++) {
    const received = await rawCall(proxy.port, `${open('web.crm.service:80')}${get('/', 'web.crm.service', 'Connection: close\r\n')}`)
    assert.match(received, /<only/)
  }
  assert.equal(connections, 3)
})

test('a server that speaks first, TLS, other protocols and half-closed clients get a tunnel', async t => {
  const greeting = await startRaw(t, socket => socket.write('220 hello\r\n').valueOf())
  const echoing = await startRaw(t, socket =>
    socket.on('data', chunk => socket.write(`[${chunk.toString('latin1')}]`)).on('end', () => socket.end('bye')),
  )
  const {proxy} = await startProxy(t, feed => feed.announce('crm', entry('mail', 'a', greeting), entry('echo', 'a', echoing)))
  const mail = await tunnel(t, proxy, 'mail.crm.service:80')
  await until(() => mail.received() === '220 hello\r\n', 'the greeting')
  assert.match((await proxy.admin('/metrics')).text, /gilliam_proxy_tunnels 1/)
  for (const text of [
    '\x16\x03\x01GET / HTTP/1.1\r\n\r\n',
    'GET key\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    get('/', 'x').replace('\r', ''),
  ]) {
    const echo = await tunnel(t, proxy, 'echo.crm.service:80')
    for (const byte of text) echo.socket.write(byte)
    echo.socket.end()
    await echo.closed
    assert.equal(echo.received().replaceAll(/[[\]]/g, ''), `${text}bye`)
  }
  const cut = await tunnel(t, proxy, 'echo.crm.service:80')
  cut.socket.end('GET /')
  await cut.closed
  assert.equal(cut.received(), '[GET /]bye')
})

test('either end may leave before anything was said', async t => {
  let open = 0
  const sockets: Socket[] = []
  const port = await startRaw(t, socket => {
    open += 1
    sockets.push(socket)
    socket
      .on('close', () => (open -= 1))
      .on('end', () => socket.end())
      .resume()
  })
  const {proxy} = await startProxy(t, feed => feed.announce('crm', entry('web', 'a', port)))
  const first = await tunnel(t, proxy, 'web.crm.service:80')
  first.socket.resetAndDestroy()
  await until(() => open === 0, 'the instance was told')
  const second = await tunnel(t, proxy, 'web.crm.service:80')
  await until(() => open === 1, 'the instance is there')
  sockets.at(-1)?.resetAndDestroy()
  await second.closed
  const third = await tunnel(t, proxy, 'web.crm.service:80')
  await until(() => open === 1, 'the instance is there')
  sockets.at(-1)?.end()
  await third.closed
  await until(async () => /gilliam_proxy_tunnels 0/.test((await proxy.admin('/metrics')).text), 'no tunnel is left')
  const {upstreams} = JSON.parse((await proxy.admin('/table')).text) as {upstreams: {inFlight: number}[]}
  assert.deepEqual(
    upstreams.map(({inFlight}) => inFlight),
    [0],
  )
})

test('a proxy that leads to itself is found out, in HTTP as in raw bytes', async t => {
  const {feed, proxy} = await startProxy(t, setup => setup.announce('crm', entry('self', 'a', 1)))
  feed.announce('crm', entry('self', 'a', proxy.port))
  await until(async () => (await call(proxy.port, {path: 'http://self.crm.service/'})).status === 508, 'the table')
  const http = await rawCall(proxy.port, `${open('self.crm.service:80')}${get('/', 'self.crm.service', 'Connection: close\r\n')}`)
  assert.match(http, /508 Loop Detected.*loop_detected/s)
  const raw = await rawCall(proxy.port, `${open('self.crm.service:80')}${open('self.crm.service:80')}`)
  assert.match(raw, /508 Loop Detected.*loop_detected/s)
})

test('errors of connecting are told before the tunnel opens', async t => {
  const dead = await closedPort()
  const {proxy} = await startProxy(t, feed => feed.announce('crm', entry('web', 'a', dead)))
  assert.match(
    await rawCall(proxy.port, `${open('web.crm.service:80')}${get('/', 'web.crm.service')}`),
    /^HTTP\/1\.1 502 .*upstream_refused/s,
  )
})

/** Asks for the same again and again until its input ends, one line of output each. */
const asker = `
let isOver = false
process.stdin.on('end', () => { isOver = true }).resume()
while (!isOver) {
  let line
  try {
    const method = Math.random() < 0.5 ? 'GET' : 'POST'
    const answer = await fetch('http://web.crm.service/x', {method, ...(method === 'POST' ? {body: 'hello'} : {})})
    line = answer.status + ' ' + (await answer.text())
  } catch (error) { line = 'failed ' + error + ' ' + error.cause }
  process.stdout.write(line + '\\n')
}`

test('node’s own fetch, told of the proxy by its environment, meets both releases, and an instance replaced under it fails nothing', async t => {
  const start = (name: string) =>
    startInstance(t, (request, response) => {
      request.on('end', () => response.end(name)).resume()
    })
  const [old, fresh, next] = [await start('old'), await start('fresh'), await start('next')]
  const {feed, proxy} = await startProxy(t, setup => {
    setup.announce('crm', entry('web', 'a', old.port, {release: 3}), entry('web', 'b', fresh.port, {release: 4}))
    setup.traffic('crm', {web: {weights: {3: 50, 4: 50}, matches: []}})
  })
  const env = {NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxy.url, NODE_NO_WARNINGS: '1'}
  const child = spawn(process.execPath, ['--input-type=module', '-e', asker], {env, stdio: ['pipe', 'pipe', 'inherit']})
  t.after(() => child.kill())
  let lines: string[] = []
  let rest = ''
  child.stdout.on('data', chunk => {
    const parts = `${rest}${chunk}`.split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
  await until(() => ['200 old', '200 fresh'].every(line => lines.includes(line)), 'both releases answer')
  feed.announce('crm', entry('web', 'c', next.port, {release: 3}), entry('web', 'b', fresh.port, {release: 4}))
  await until(() => lines.includes('200 next'), 'the new instance answers')
  await until(
    async () => !/"name": "a\.web\.crm",[^}]*"inFlight": [1-9]/.test((await proxy.admin('/table')).text),
    'the old one is not in use',
  )
  await old.close()
  const before = lines.length
  await until(() => lines.length > before + 100, 'it goes on')
  child.stdin.end()
  await once(child, 'close')
  lines = lines.filter(line => !/^200 (?:old|fresh|next)$/.test(line))
  assert.deepEqual(lines, [])
  assert.match((await proxy.admin('/metrics')).text, /requests_total\{kind="connect",[^}]*service="web\.crm",[^}]*status="200"\} [1-3]\n/)
})
