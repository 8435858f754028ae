// The forward proxy as services see it: service addresses, CONNECT, ordinary hosts, policy, loops.
import assert from 'node:assert/strict'
import {connect} from 'node:net'
import {test} from 'node:test'
import {fetch, ProxyAgent} from 'undici'
import type {DataPlaneOptions} from '#proxy/data-plane.ts'
import {type Closer, call, closedPort, entry, Feed, type Plane, rawCall, startInstance, startPlane} from './rig.ts'

const startProxy = async (
  t: Closer,
  setup: (feed: Feed) => void,
  more: Partial<DataPlaneOptions> = {},
): Promise<{feed: Feed; proxy: Plane}> => {
  const feed = new Feed()
  setup(feed)
  await feed.start(t)
  return {feed, proxy: await startPlane(t, 'proxy', feed, more)}
}

const startNamed = (t: Closer, name: string) =>
  startInstance(t, (request, response) =>
    response.end(`${name} ${request.method} ${request.url} ${request.headers.host} ${request.headers['x-forwarded-for'] ?? '-'}`),
  )

test('absolute-form reaches services and single instances, ports select', async t => {
  const first = await startNamed(t, 'first')
  const second = await startNamed(t, 'second')
  const {proxy} = await startProxy(t, feed =>
    feed.announce(
      'crm',
      entry('users', 'a1', first.port, {ports: {'5000': first.port, '9000': second.port}}),
      entry('_cache', 'c1', second.port),
      entry('orders', 'o1', first.port),
      entry('orders', 'o2', second.port),
    ),
  )
  const cases: [string, string][] = [
    ['http://users.crm.service/a?b=c', 'first GET /a?b=c users.crm.service -'],
    ['http://USERS.crm.service:80/', 'first GET / users.crm.service -'],
    ['http://users.crm.service:9000/', 'second GET / users.crm.service:9000 -'],
    ['http://_cache.crm.service', 'second GET / _cache.crm.service -'],
    ['http://o1.orders.crm.service/x', 'first GET /x o1.orders.crm.service -'],
    ['http://o2.orders.crm.service/x', 'second GET /x o2.orders.crm.service -'],
  ]
  for (const [path, expected] of cases) {
    const answer = await call(proxy.port, {path, headers: {host: 'ignored.example.com'}})
    assert.equal(answer.text, expected, path)
  }
})

test('CONNECT reaches services through a client that tunnels, and keeps bytes sent early', async t => {
  const {port} = await startNamed(t, 'only')
  const {proxy} = await startProxy(t, feed => feed.announce('crm', entry('users', 'a0', port), entry('users', 'a1', port)))
  const dispatcher = new ProxyAgent({uri: proxy.url, proxyTunnel: true})
  t.after(() => dispatcher.close())
  const answer = await fetch('http://users.crm.service/deep', {dispatcher})
  assert.equal(await answer.text(), 'only GET /deep users.crm.service -')
  const early =
    'CONNECT users.crm.service:80 HTTP/1.1\r\nHost: x\r\n\r\nGET /early HTTP/1.1\r\nHost: users.crm.service\r\nConnection: close\r\n\r\n'
  assert.match(
    await rawCall(proxy.port, early),
    /^HTTP\/1\.1 200 Connection Established\r\n\r\nHTTP\/1\.1 200 OK.*only GET \/early users.crm.service/s,
  )
})

test('CONNECT tries another instance when one refuses', async t => {
  const {port} = await startNamed(t, 'live')
  const dead = await closedPort()
  const {proxy} = await startProxy(t, feed => feed.announce('crm', entry('users', 'a0', dead), entry('users', 'a1', port)))
  for (let i = 0; i < 10; i++) {
    const text =
      'CONNECT users.crm.service:80 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: users.crm.service\r\nConnection: close\r\n\r\n'
    assert.match(await rawCall(proxy.port, text), /200 OK.*live/s)
  }
})

test('what is wrong is told with a stable code', async t => {
  const dead = await closedPort()
  const {proxy} = await startProxy(t, feed => feed.announce('crm', entry('users', 'a1', dead)))
  const requests: [string, number, string][] = [
    ['/origin', 400, 'bad_proxy_request'],
    ['https://users.crm.service/', 400, 'bad_proxy_request'],
    ['ftp://users.crm.service/', 400, 'bad_proxy_request'],
    ['http://user:pass@users.crm.service/', 400, 'bad_proxy_request'],
    ['http://users.crm.service/', 502, 'upstream_refused'],
    ['http://users.crm.service:4/', 503, 'no_instance'],
    ['http://nobody.crm.service/', 503, 'no_instance'],
    ['http://zz.users.crm.service/', 503, 'no_instance'],
    ['http://users.unknown.service/', 503, 'no_instance'],
    ['http://a.b.c.d.service/', 404, 'no_such_host'],
    ['http://service.service/', 404, 'no_such_host'],
    ['http://does-not-exist.invalid/', 404, 'no_such_host'],
    [`http://127.0.0.1:${dead}/`, 502, 'upstream_refused'],
    ['http://169.254.1.1/latest/meta-data', 403, 'host_forbidden'],
    ['http://[::ffff:169.254.1.1]/', 403, 'host_forbidden'],
    ['http://0xa9fe0101/', 403, 'host_forbidden'],
    ['http://2851995905/', 403, 'host_forbidden'],
  ]
  for (const [path, status, code] of requests) {
    const answer = await call(proxy.port, {path})
    assert.deepEqual([answer.status, answer.problem.code], [status, code], `${path}: ${answer.text}`)
  }
  const connects: [string, RegExp][] = [
    ['users.crm.service', /^HTTP\/1\.1 400 .*bad_proxy_request/s],
    ['users.crm.service:80', /^HTTP\/1\.1 502 .*upstream_refused/s],
    ['nobody.crm.service:80', /^HTTP\/1\.1 503 .*no_instance/s],
    ['users.crm.service:99999', /^HTTP\/1\.1 400 .*bad_proxy_request/s],
    [`127.0.0.1:${dead}`, /^HTTP\/1\.1 502 .*upstream_refused/s],
    ['169.254.1.1:80', /^HTTP\/1\.1 403 .*host_forbidden/s],
    ['0xa9fe0101:80', /^HTTP\/1\.1 403 .*host_forbidden/s],
  ]
  for (const [authority, expected] of connects) {
    assert.match(await rawCall(proxy.port, `CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`), expected, authority)
  }
})

test('ordinary hosts pass, or not, as policy says', async t => {
  const {port} = await startNamed(t, 'outside')
  const open = await startProxy(t, () => undefined)
  const answer = await call(open.proxy.port, {path: `http://127.0.0.1:${port}/x`, headers: {'proxy-authorization': 'Basic eA=='}})
  assert.equal(answer.text, `outside GET /x 127.0.0.1:${port} -`)
  const shut = await startProxy(t, feed => feed.announce('crm', entry('users', 'a1', port)), {outside: 'forbid'})
  const refused = await call(shut.proxy.port, {path: `http://127.0.0.1:${port}/x`})
  assert.deepEqual([refused.status, refused.problem.code], [403, 'host_forbidden'])
  assert.match(await rawCall(shut.proxy.port, `CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n\r\n`), /^HTTP\/1\.1 403 /)
  assert.equal((await call(shut.proxy.port, {path: 'http://users.crm.service/'})).status, 200)
})

test('the proxy does not call itself', async t => {
  const {proxy} = await startProxy(t, () => undefined)
  const direct = await call(proxy.port, {path: `http://127.0.0.1:${proxy.port}/`})
  assert.equal(direct.status, 508)
  const self = `127.0.0.1:${proxy.port}`
  const tunnelled = await rawCall(
    proxy.port,
    `CONNECT ${self} HTTP/1.1\r\nHost: x\r\n\r\nGET http://users.crm.service/ HTTP/1.1\r\nHost: x\r\n\r\n`,
  )
  assert.match(tunnelled, /508 Loop Detected.*loop_detected/s)
  const twice = await rawCall(proxy.port, `CONNECT ${self} HTTP/1.1\r\nHost: x\r\n\r\nCONNECT ${self} HTTP/1.1\r\nHost: x\r\n\r\n`)
  assert.match(twice, /508 Loop Detected.*loop_detected/s)
})

test('half-closed tunnels stay open the other way', async t => {
  const {createServer} = await import('node:net')
  const server = createServer({allowHalfOpen: true}, socket => {
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('end', () => socket.end(`got ${text.length}`))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise(resolve => server.close(resolve)))
  const {proxy} = await startProxy(t, () => undefined)
  const {port} = server.address() as {port: number}
  const socket = connect({port: proxy.port, host: '127.0.0.1', allowHalfOpen: true})
  socket.end(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n\r\n${'x'.repeat(100_000)}`)
  let received = ''
  for await (const chunk of socket) received += chunk
  assert.match(received, /Established\r\n\r\ngot 100000$/)
})

test('a router does not tunnel', async t => {
  const feed = new Feed()
  await feed.start(t)
  const router = await startPlane(t, 'router', feed)
  assert.match(await rawCall(router.port, 'CONNECT users.crm.service:80 HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1\.1 400 .*invalid_request/s)
})
