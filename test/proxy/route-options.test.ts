// Options of routes as callers and instances see them, through a running router.
import assert from 'node:assert/strict'
import {connect} from 'node:net'
import {test} from 'node:test'
import type {RouteOptions} from '#shared/domain/route-options.ts'
import {call, entry, rawCall, startInstance, startRouter, until} from './rig.ts'

/** A router with one route of these options to one instance that says what it was asked. */
const routed = async (t: Parameters<typeof startInstance>[0], options: RouteOptions, target = 'web.crm.service/{rest}') => {
  const {port} = await startInstance(t, (request, response) => {
    response.setHeader('server', 'secret/1.0')
    response.end(JSON.stringify({url: request.url, headers: request.headers}))
  })
  return startRouter(t, feed => {
    feed.routeWith(options, '*', '/{rest:.*}', target)
    feed.announce('crm', entry('web', 'a', port))
  })
}

test('redirects and the canonical host are answered by the router itself', async t => {
  const {router} = await routed(t, {canonicalHost: 'www.example.com'}, '302 /new/{rest}')
  const away = await call(router.port, {path: '/a?x=1', headers: {host: 'example.com', 'x-forwarded-proto': 'https'}})
  assert.deepEqual([away.status, away.headers.location, away.text], [308, 'https://www.example.com/a?x=1', ''])
  assert.ok(away.headers['x-request-id'])
  const there = await call(router.port, {path: '/a?x=1', headers: {host: 'www.example.com'}})
  assert.deepEqual([there.status, there.headers.location], [302, '/new/a?x=1'])
  const upgrade = await rawCall(
    router.port,
    'GET /a HTTP/1.1\r\nhost: www.example.com\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  )
  assert.match(upgrade, /^HTTP\/1\.1 302 Found\r\nlocation: \/new\/a\r\n/)
})

test('headers change on both ways, and cross-origin requests are answered', async t => {
  const {router} = await routed(t, {
    requestHeaders: {set: {'x-tenant': 'acme'}, remove: ['x-secret']},
    responseHeaders: {set: {'strict-transport-security': 'max-age=1'}, remove: ['server']},
    cors: {origins: ['https://app.example.com']},
  })
  const origin = 'https://app.example.com'
  const answer = await call(router.port, {path: '/a', headers: {'x-secret': '1', 'x-tenant': 'evil', origin}})
  const seen = (JSON.parse(answer.text) as {headers: Record<string, string>}).headers
  assert.deepEqual([seen['x-tenant'], seen['x-secret']], ['acme', undefined])
  assert.deepEqual(
    ['strict-transport-security', 'server', 'access-control-allow-origin', 'vary'].map(name => answer.headers[name]),
    ['max-age=1', undefined, origin, 'Origin'],
  )
  const asked = await call(router.port, {method: 'OPTIONS', path: '/a', headers: {origin, 'access-control-request-method': 'PUT'}})
  assert.deepEqual([asked.status, asked.text, asked.headers['access-control-allow-origin']], [204, '', origin])
  assert.match(asked.headers['access-control-allow-methods'] ?? '', /PUT/)
})

test('a route’s headers and cross-origin rules hold for answers of our own too, but for what makes them what they are', async t => {
  const origin = 'https://app.example.com'
  const own: RouteOptions = {
    responseHeaders: {
      set: {'strict-transport-security': 'max-age=1', 'cache-control': 'public', location: '/elsewhere'},
      remove: ['server'],
    },
    cors: {origins: [origin], expose: ['retry-after']},
  }
  const limit = {requests: 1, perMs: 3_600_000}
  const {router} = await startRouter(t, feed => {
    feed.routeWith({...own, canonicalHost: 'www.example.com'}, 'example.com', '/', 'web.crm.service')
    feed.routeWith({...own, rateLimit: limit}, '*', '/away/{rest:.*}', '302 /new/{rest}')
    feed.routeWith({...own, bodyBytesMax: 10}, '*', '/nobody', 'web.crm.service')
    feed.routeWith(own, '*', '/refused', 'dead.crm.service')
    feed.routeWith(own, '*', '/odd/{name}', '{name}.crm.service')
    feed.announce('crm', entry('dead', 'a', 1))
  })
  const cases: [path: string, status: number, expected: Record<string, string | undefined>, host?: string, body?: string][] = [
    ['/', 308, {location: 'http://www.example.com/', 'cache-control': 'public'}, 'example.com'],
    ['/away/a', 302, {location: '/new/a', 'cache-control': 'public'}],
    ['/away/a', 429, {location: '/elsewhere', 'cache-control': 'no-store'}],
    ['/nobody', 503, {'cache-control': 'no-store'}],
    ['/nobody', 413, {'cache-control': 'no-store'}, 'x', 'x'.repeat(11)],
    ['/refused', 502, {'cache-control': 'no-store'}],
    ['/odd/A.B', 502, {'cache-control': 'no-store'}],
  ]
  for (const [path, status, expected, host = 'x', body] of cases) {
    const answer = await call(router.port, {path, headers: {host, origin}, ...(body === undefined ? {} : {method: 'POST', body})})
    assert.equal(answer.status, status, path)
    const common = {
      'strict-transport-security': 'max-age=1',
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'retry-after',
      vary: 'Origin',
      ...expected,
    }
    for (const [name, value] of Object.entries(common)) assert.equal(answer.headers[name], value, `${status} ${name}`)
    assert.equal(Object.hasOwn(answer.problem, 'edit'), false)
  }
  const preflight = await call(router.port, {method: 'OPTIONS', path: '/nobody', headers: {origin, 'access-control-request-method': 'PUT'}})
  assert.deepEqual([preflight.status, preflight.headers['strict-transport-security']], [204, undefined])
})

test('more than the limit is refused by key, with the time to wait; too long a body too', async t => {
  const {router} = await routed(t, {rateLimit: {requests: 2, perMs: 3_600_000, by: {header: 'x-user'}}, bodyBytesMax: 10})
  const ask = (user: string, body?: string) =>
    call(router.port, {path: '/a', headers: {'x-user': user}, ...(body === undefined ? {} : {method: 'POST', body})})
  assert.deepEqual([(await ask('ada')).status, (await ask('ada')).status, (await ask('bob')).status], [200, 200, 200])
  const refused = await ask('ada')
  assert.deepEqual([refused.status, refused.problem.code, refused.problem.route], [429, 'rate_limited', 'route-1'])
  assert.ok(Number(refused.headers['retry-after']) > 1_000)
  const large = await ask('carol', 'x'.repeat(11))
  assert.deepEqual([large.status, large.problem.code], [413, 'too_large'])
  const head = 'POST /a HTTP/1.1\r\nhost: a\r\nx-user: dora\r\ntransfer-encoding: chunked\r\n\r\n'
  assert.match(await rawCall(router.port, `${head}6\r\nhello \r\n6\r\nworld!\r\n0\r\n\r\n`), /^HTTP\/1\.1 413 /)
})

test('a limit by client counts addresses, as a load balancer on a private network tells them, and an IPv6 network as one', async t => {
  const {router} = await routed(t, {rateLimit: {requests: 1, perMs: 3_600_000, by: 'client'}})
  const statusFor = async (forwarded: string): Promise<number> =>
    (await call(router.port, {headers: {'x-forwarded-for': forwarded}})).status
  assert.equal(await statusFor('203.0.113.1'), 200)
  assert.equal(await statusFor('203.0.113.1'), 429)
  assert.equal(await statusFor('203.0.113.9, 203.0.113.1'), 429, 'what a client says of itself does not count')
  assert.equal(await statusFor('203.0.113.2'), 200)
  assert.equal(await statusFor('2001:db8:1:2::1'), 200)
  assert.equal(await statusFor('2001:db8:1:2:ffff::9'), 429)
  assert.equal(await statusFor('2001:db8:1:3::1'), 200)
  assert.equal(await statusFor('::ffff:198.51.100.7'), 200)
  assert.equal(await statusFor('::ffff:198.51.100.8'), 200, 'IPv4 clients as a load balancer on IPv6 writes them')
  assert.equal(await statusFor('198.51.100.7'), 429)
  assert.equal((await call(router.port)).status, 200, 'the peer itself')
})

test('a route’s idle timeout holds for a client that stalls in its body, and for nobody else', async t => {
  const {port} = await startInstance(t, (request, response) => request.on('end', () => response.end('ok')).resume())
  const {router} = await startRouter(t, feed => {
    feed.routeWith({timeouts: {idleMs: 100}}, '*', '/short', 'web.crm.service')
    feed.routeWith({}, '*', '/long', 'web.crm.service')
    feed.announce('crm', entry('web', 'a', port))
  })
  const half = (path: string): string => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf`
  const long = connect(router.port, '127.0.0.1', () => long.write(half('/long')))
  t.after(() => long.destroy())
  let received = ''
  long.on('data', chunk => {
    received += chunk
  })
  assert.equal(await rawCall(router.port, half('/short')), '')
  long.write(' done')
  await until(() => received.includes('200 OK'), 'the other one goes on')
})

test('a request that waits for an instance leaves nothing behind when its client leaves', async t => {
  const {port} = await startInstance(t, (_request, response) => response.end('ok'))
  const {feed, router} = await startRouter(t, setup => setup.routeWith({holdMs: 30_000}, '*', '/', 'web.crm.service'))
  const socket = connect(router.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
  await until(() => feed.asked.some(({formations}) => formations.crm !== undefined), 'the router asks')
  socket.resetAndDestroy()
  feed.announce('crm', entry('web', 'a', port))
  await until(async () => (await call(router.port)).status === 200, 'the instance is known')
  const {upstreams} = JSON.parse((await router.admin('/table')).text) as {upstreams: {inFlight: number}[]}
  assert.deepEqual(
    upstreams.map(({inFlight}) => inFlight),
    [0],
  )
})

test('a sticky session stays with its instance while that lives', async t => {
  const [one, two] = await Promise.all(['a', 'b'].map(id => startInstance(t, (_request, response) => response.end(id))))
  assert.ok(one && two)
  const {feed, router} = await startRouter(t, setup => {
    setup.routeWith({sticky: 'sid'}, '*', '/', 'web.crm.service')
    setup.announce('crm', entry('web', 'a', one.port), entry('web', 'b', two.port))
  })
  const first = await call(router.port)
  assert.match(first.headers['set-cookie']?.[0] ?? '', new RegExp(`^sid=${first.text}; Path=/; HttpOnly; SameSite=Lax$`))
  for (const id of ['a', 'b', 'a', 'b', 'b']) {
    const answer = await call(router.port, {headers: {cookie: `x=1; sid=${id}`}})
    assert.deepEqual([answer.text, answer.headers['set-cookie']], [id, undefined])
  }
  feed.announce('crm', entry('web', 'b', two.port))
  const moved = async () => (await call(router.port, {headers: {cookie: 'sid=a'}})).headers['set-cookie']?.[0] ?? ''
  await until(async () => (await moved()).startsWith('sid=b;'), 'the session moves on')
})

test('a request waits for the first instance as long as the route says, and no longer', async t => {
  const {port} = await startInstance(t, (_request, response) => response.end('at last'))
  const {feed, router} = await startRouter(t, setup => {
    setup.routeWith({holdMs: 30_000}, '*', '/wait', 'web.crm.service')
    setup.routeWith({holdMs: 50}, '*', '/short', 'web.crm.service')
  })
  assert.equal((await call(router.port, {path: '/short'})).status, 503)
  const waiting = call(router.port, {path: '/wait'})
  await until(() => feed.asked.some(({formations}) => formations.crm !== undefined), 'the router asks')
  feed.announce('crm', entry('web', 'a', port))
  assert.deepEqual([(await waiting).status, (await waiting).text], [200, 'at last'])
})

test('the total timeout ends what takes too long: with a problem, or in the middle of the answer', async t => {
  const {port} = await startInstance(t, (request, response) => {
    if (request.url === '/begun') response.write('begun')
  })
  const {router} = await startRouter(t, setup => {
    setup.routeWith({timeouts: {totalMs: 200}}, '*', '/{rest:.*}', 'web.crm.service/{rest}')
    setup.announce('crm', entry('web', 'a', port))
  })
  const late = await call(router.port, {path: '/never'})
  assert.deepEqual([late.status, late.problem.code], [504, 'upstream_timeout'])
  await assert.rejects(call(router.port, {path: '/begun'}))
})
