// The router as its callers see it: routing, headers, problems, balancing over instances.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {call, closedPort, entry, startInstance, startPlane, startRouter, until} from './rig.ts'

/** Answers with what it was asked. */
const echo =
  (id: string) =>
  (request: {method?: string; url?: string; headers: object; rawHeaders: string[]}, response: {end: (text: string) => void}) =>
    response.end(JSON.stringify({id, method: request.method, url: request.url, headers: request.headers, raw: request.rawHeaders}))

test('a request goes by its route, with variables, query and headers', async t => {
  const {port} = await startInstance(t, echo('a'))
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', port))
    feed.route(['crm.example.com', '/user/{username}', 'users.crm.service/{username}'])
  })
  const headers = {
    host: 'Crm.Example.com:7180',
    'x-forwarded-for': '9.9.9.9',
    'x-forwarded-host': 'spoof',
    connection: 'x-secret',
    'x-secret': 'hop',
    te: 'gzip',
  }
  const answer = await call(router.port, {path: '/user/b%6Fb?x=%20&y', headers})
  const seen = JSON.parse(answer.text)
  assert.equal(answer.status, 200)
  assert.equal(seen.url, '/bob?x=%20&y')
  assert.equal(seen.headers.host, 'users.crm.service')
  assert.equal(seen.headers['x-forwarded-for'], '9.9.9.9, 127.0.0.1')
  assert.equal(seen.headers['x-forwarded-host'], 'Crm.Example.com:7180')
  assert.equal(seen.headers['x-forwarded-proto'], 'http')
  assert.match(seen.headers.via, /^1\.1 gilliam-router-[0-9a-f]{12}$/)
  assert.match(seen.headers['x-request-id'], /^[0-9a-f]{32}$/)
  assert.equal(answer.headers['x-request-id'], seen.headers['x-request-id'])
  for (const name of ['x-secret', 'te']) assert.equal(seen.headers[name], undefined, name)
})

test('a request id that is there is kept, unless it is odd', async t => {
  const {port} = await startInstance(t, echo('a'))
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', port))
    feed.route(['*', '/', 'users.crm.service'])
  })
  const kept = await call(router.port, {headers: {'x-request-id': 'mine-1'}})
  assert.equal(JSON.parse(kept.text).headers['x-request-id'], 'mine-1')
  const replaced = await call(router.port, {headers: {'x-request-id': 'a b"<>'}})
  assert.match(JSON.parse(replaced.text).headers['x-request-id'], /^[0-9a-f]{32}$/)
})

test('answers keep status, repeated headers and order; hop-by-hop ones stay behind', async t => {
  const {port} = await startInstance(t, (_request, response) => {
    response.writeHead(418, 'Short and Stout', [
      'Set-Cookie',
      'a=1',
      'Set-Cookie',
      'b=2',
      'Connection',
      'X-Hop',
      'X-Hop',
      '1',
      'X-Kept',
      'y',
    ])
    response.end('tea')
  })
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', port))
    feed.route(['*', '/', 'users.crm.service'])
  })
  const answer = await call(router.port)
  assert.equal(answer.status, 418)
  assert.equal(answer.text, 'tea')
  assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2'])
  assert.equal(answer.headers['x-hop'], undefined)
  assert.equal(answer.headers['x-kept'], 'y')
})

test('problems say which route, service and why', async t => {
  const {router} = await startRouter(t, feed => {
    feed.route(
      ['*', '/empty', 'nobody.crm.service'],
      ['*', '/bad/{service}', '{service}.crm.service'],
      ['*', '/one', 'zz.users.crm.service'],
    )
  })
  const cases = [
    {path: '/none', status: 404, code: 'no_route', detail: /host “127\.0\.0\.1” and path “\/none”/},
    {
      path: '/empty',
      status: 503,
      code: 'no_instance',
      detail: /^Route “route-1”: Service “nobody” of formation “crm” has no live instance/,
    },
    {path: '/bad/A.B', status: 502, code: 'target_invalid', detail: /Route “route-2” .*{service} is “A\.B”/},
    {path: '/%zz', status: 400, code: 'invalid_request', detail: /hexadecimal/},
  ]
  for (const {path, status, code, detail} of cases) {
    const answer = await call(router.port, {path})
    assert.equal(answer.status, status, path)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.equal(answer.problem.code, code)
    assert.match(String(answer.problem.detail), detail)
    assert.equal(answer.problem.requestId, answer.headers['x-request-id'])
  }
  const {problem} = await call(router.port, {path: '/empty'})
  assert.deepEqual([problem.route, problem.service, problem.formation], ['route-1', 'nobody', 'crm'])
  const head = await call(router.port, {path: '/none', method: 'HEAD'})
  assert.deepEqual([head.status, head.text], [404, ''])
})

test('one instance can be addressed, and a port picks the service port', async t => {
  const first = await startInstance(t, echo('first'))
  const second = await startInstance(t, echo('second'))
  const {router} = await startRouter(t, feed => {
    feed.announce(
      'crm',
      entry('users', 'a1', first.port),
      entry('users', 'b2', second.port, {ports: {'80': second.port, '9000': first.port}}),
    )
    feed.route(['*', '/only', 'b2.users.crm.service'], ['*', '/admin', 'users.crm.service:9000'], ['*', '/wrong', 'users.crm.service:1234'])
  })
  for (let i = 0; i < 5; i++) assert.equal(JSON.parse((await call(router.port, {path: '/only'})).text).id, 'second')
  const admin = JSON.parse((await call(router.port, {path: '/admin'})).text)
  assert.deepEqual([admin.id, admin.headers.host], ['first', 'users.crm.service:9000'])
  const wrong = await call(router.port, {path: '/wrong'})
  assert.equal(wrong.status, 503)
  assert.match(String(wrong.problem.detail), /has port 80, 9000, not 1234/)
})

test('a dead instance is passed over and its requests go to another', async t => {
  const live = await startInstance(t, echo('live'))
  const dead = await closedPort()
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', dead), entry('users', 'b2', live.port))
    feed.route(['*', '/', 'users.crm.service'])
  })
  for (let i = 0; i < 40; i++) {
    const answer = await call(router.port, {method: i % 2 === 0 ? 'POST' : 'GET', body: i % 2 === 0 ? 'payload' : ''})
    assert.equal(answer.status, 200)
  }
  const table = JSON.parse((await router.admin('/table')).text)
  const record = table.upstreams.find(({name}: {name: string}) => name === 'a1.users.crm')
  assert.ok(record.ejectedForMs > 0)
})

test('when all instances refuse, the problem says so', async t => {
  const ports = [await closedPort(), await closedPort()]
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', ...ports.map((port, index) => entry('users', `a${index}`, port)))
    feed.route(['*', '/', 'users.crm.service'])
  })
  const answer = await call(router.port)
  assert.equal(answer.status, 502)
  assert.equal(answer.problem.code, 'upstream_refused')
  assert.match(
    String(answer.problem.detail),
    /^Route “route-1”: instance “a[01]\.users\.crm” .*refused the connection \(ECONNREFUSED\).*last of 2 tries/,
  )
})

test('routes and instances change while it runs', async t => {
  const first = await startInstance(t, echo('first'))
  const second = await startInstance(t, echo('second'))
  const {feed, router} = await startRouter(t, setup => {
    setup.announce('crm', entry('users', 'a1', first.port))
    setup.route(['*', '/', 'users.crm.service'])
  })
  const servedBy = async (path: string): Promise<string> => {
    const answer = await call(router.port, {path})
    return answer.status === 200 ? JSON.parse(answer.text).id : String(answer.status)
  }
  assert.equal(await servedBy('/'), 'first')
  feed.announce('crm', entry('users', 'b2', second.port))
  await until(async () => (await servedBy('/')) === 'second', 'the new instance serves')
  feed.route(['*', '/elsewhere', 'users.crm.service'])
  await until(async () => (await servedBy('/')) === '404', 'the old route is gone')
  assert.equal(await servedBy('/elsewhere'), 'second')
})

test('a request that has been here before is refused', async t => {
  let back = 0
  const instance = await startInstance(t, async (request, response) => {
    const answer = await call(back, {path: '/', headers: {via: String(request.headers.via)}})
    response.writeHead(answer.status).end(answer.text)
  })
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', instance.port))
    feed.route(['*', '/', 'users.crm.service'])
  })
  back = router.port
  const answer = await call(router.port)
  assert.equal(answer.status, 508)
  assert.equal(JSON.parse(answer.text).code, 'loop_detected')
})

test('admin: metrics with bounded labels, table, readiness', async t => {
  const {port} = await startInstance(t, echo('a'))
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', port))
    feed.route(['*', '/{service}', '{service}.crm.service'])
  })
  await call(router.port, {path: '/users'})
  for (let i = 0; i < 20; i++) await call(router.port, {path: `/random-${i}`})
  const {text} = await router.admin('/metrics')
  assert.match(
    text,
    /gilliam_proxy_requests_total\{kind="http",route="route-1",service="users\.crm",formation="crm",release="",status="200"\} 1/,
  )
  assert.match(text, /gilliam_proxy_errors_total\{code="no_instance"\} 20/)
  assert.doesNotMatch(text, /random-/)
  const table = JSON.parse((await router.admin('/table')).text)
  assert.equal(table.routes.items[0].name, 'route-1')
  assert.equal(table.formations.crm.endpoints[0].id, 'a1')
  assert.equal((await router.admin('/healthz')).status, 200)
  assert.equal((await router.admin('/nothing')).status, 404)
  await until(() => router.logged.some(line => line.includes('"code":"no_instance"') && line.includes('"route":"route-1"')), 'a line')
})

test('a traffic choice sends requests to a release, from router and proxy alike', async t => {
  const old = await startInstance(t, (_request, response) => response.end('3'))
  const canary = await startInstance(t, (_request, response) => response.end('4'))
  const {feed, router} = await startRouter(t, setup => {
    setup.route(['*', '/{rest:.*}', 'web.crm.service/{rest}'])
    setup.announce('crm', entry('web', 'a', old.port, {release: 3}), entry('web', 'b', canary.port, {release: 4}))
    setup.traffic('crm', {web: {weights: {3: 1, 4: 0}, matches: [{header: 'x-canary', value: '1', release: 4}], by: {cookie: 'uid'}}})
  })
  const proxy = await startPlane(t, 'proxy', feed)
  const answers = async (headers: Record<string, string> = {}): Promise<string> => {
    const routed = await call(router.port, {headers})
    const forwarded = await call(proxy.port, {path: 'http://web.crm.service/', headers})
    return `${routed.text} ${forwarded.text}`
  }
  await until(async () => (await answers()) === '3 3', 'both know the service')
  for (let i = 0; i < 10; i++) assert.equal(await answers(), '3 3')
  assert.equal(await answers({'x-canary': '1'}), '4 4')
  feed.traffic('crm', {web: {weights: {3: 50, 4: 50}, matches: [], by: {cookie: 'uid'}}})
  const users = Array.from({length: 40}, (_, index) => ({cookie: `uid=user-${index}`}))
  await until(async () => (await Promise.all(users.map(answers))).includes('4 4'), 'the new choice is in force')
  const sides = await Promise.all(users.map(answers))
  assert.deepEqual([...new Set(sides)].toSorted(), ['3 3', '4 4'])
  feed.traffic('crm', {web: {weights: {9: 1}, matches: []}})
  await until(async () => (await call(router.port)).status === 503, 'only a release nobody runs is named')
  assert.match(String((await call(router.port)).problem.detail), /none of release 9, which its traffic choice names/)
})

test('an instance that keeps answering that it does not work is passed over', async t => {
  let asked = 0
  const broken = await startInstance(t, (_request, response) => {
    asked += 1
    response.writeHead(503).end()
  })
  const {router} = await startRouter(t, setup => {
    setup.route(['*', '/', 'web.crm.service'])
    setup.announce('crm', entry('web', 'a', broken.port), entry('web', 'b', broken.port), entry('web', 'c', broken.port))
  })
  for (let i = 0; i < 40; i++) await call(router.port)
  assert.equal(asked, 40, 'when most are passed over all may be asked')
  const {upstreams} = JSON.parse((await router.admin('/table')).text) as {upstreams: {ejectedForMs: number}[]}
  assert.ok(upstreams.some(({ejectedForMs}) => ejectedForMs > 0))
})
