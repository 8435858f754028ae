// Instances that break, stall and lie, and what callers are told: each timeout by its name, retries only where they are safe.
import assert from 'node:assert/strict'
import {createServer, type Server, type Socket} from 'node:net'
import {test} from 'node:test'
import {promisify} from 'node:util'
import {limitsDefault} from '#proxy/limits.ts'
import {type Closer, call, entry, rawCall, startInstance, startRouter, until} from './rig.ts'

/** A TCP server that does as told with every connection. */
const startRaw = (
  t: Closer,
  handle: (socket: Socket, received: () => string) => void,
): Promise<{port: number; server: Server; requests: () => number}> =>
  new Promise(resolve => {
    const sockets = new Set<Socket>()
    let requests = 0
    const server = createServer(socket => {
      sockets.add(socket)
      let text = ''
      socket.on('error', () => socket.destroy())
      socket.on('data', chunk => {
        text += chunk.toString('latin1')
        if (!text.includes('\r\n\r\n')) return
        requests += 1
        handle(socket, () => text)
        text = ''
      })
    })
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    server.listen(0, '127.0.0.1', () => resolve({port: (server.address() as {port: number}).port, server, requests: () => requests}))
  })

const short = {limits: {...limitsDefault, connectTimeoutMs: 300, firstByteTimeoutMs: 300, idleTimeoutMs: 300, drainTimeoutMs: 200}}

const routed = (t: Closer, ...ports: number[]) =>
  startRouter(
    t,
    feed => {
      feed.announce('crm', ...ports.map((port, index) => entry('users', `a${index}`, port)))
      feed.route(['*', '/{rest:.*}', 'users.crm.service/{rest}'])
    },
    short,
  )

test('an instance that closes the connection without an answer', async t => {
  const broken = await startRaw(t, socket => socket.destroy())
  const {router} = await routed(t, broken.port)
  const answer = await call(router.port)
  assert.equal(answer.status, 502)
  assert.equal(answer.problem.code, 'upstream_broken')
  assert.match(String(answer.problem.detail), /closed the connection before it had answered/)
})

test('an idempotent request is tried elsewhere after a reset, another one is not', async t => {
  const broken = await startRaw(t, socket => socket.resetAndDestroy())
  const {port} = await startInstance(t, (_request, response) => response.end('ok'))
  const {router} = await routed(t, broken.port, port)
  const statuses = {GET: new Set<number>(), POST: new Set<number>()}
  for (const method of ['GET', 'POST'] as const) {
    const before = broken.requests()
    await until(async () => {
      statuses[method].add((await call(router.port, {method})).status)
      return broken.requests() > before
    }, `${method} met the broken instance`)
  }
  assert.deepEqual([...statuses.GET], [200])
  assert.ok(statuses.POST.has(502))
})

test('a service that fails altogether uses up its own retries, not those of another', async t => {
  const broken = await Promise.all([1, 2, 3].map(() => startRaw(t, socket => socket.destroy())))
  const half = await startRaw(t, socket => socket.destroy())
  const {port} = await startInstance(t, (_request, response) => response.end('ok'))
  const {router} = await startRouter(
    t,
    feed => {
      feed.announce(
        'crm',
        ...broken.map((one, index) => entry('broken', `a${index}`, one.port)),
        entry('half', 'b0', half.port),
        entry('half', 'b1', port),
      )
      feed.routeWith({sticky: 'sid'}, '*', '/{service}', '{service}.crm.service')
    },
    short,
  )
  const retries = async (): Promise<number> => Number(/gilliam_proxy_retries_total (\d+)/.exec((await router.admin('/metrics')).text)?.[1])
  let spent = -1
  await until(async () => {
    const before = spent
    for (let i = 0; i < 20; i++) assert.equal((await call(router.port, {path: '/broken'})).status, 502)
    spent = await retries()
    return spent - before <= 5
  }, 'the budget of the service is used up')
  assert.ok(spent >= 50)
  const asked = broken.reduce((sum, one) => sum + one.requests(), 0)
  assert.equal((await call(router.port, {path: '/half', headers: {cookie: 'sid=b0'}})).text, 'ok')
  assert.equal(await retries(), spent + 1)
  assert.equal(half.requests(), 1)
  assert.equal(
    broken.reduce((sum, one) => sum + one.requests(), 0),
    asked,
  )
})

test('an instance that does not begin to answer', async t => {
  const silent = await startRaw(t, () => undefined)
  const other = await startRaw(t, () => undefined)
  const {router} = await routed(t, silent.port, other.port)
  const answer = await call(router.port)
  assert.equal(answer.status, 504)
  assert.equal(answer.problem.code, 'upstream_timeout')
  assert.match(String(answer.problem.detail), /did not begin to answer within 0\.3 s \(first-byte timeout\)/)
  assert.equal(silent.requests() + other.requests(), 1, 'a request that may be worked on is not sent twice')
})

test('an answer that stops in the middle breaks the client’s connection', async t => {
  const stalling = await startRaw(t, socket => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'))
  const {router} = await routed(t, stalling.port)
  await assert.rejects(call(router.port), {code: 'ECONNRESET'})
  await until(() => router.logged.some(line => line.includes('"code":"upstream_timeout"')), 'the log says why')
})

test('an answer that is cut off breaks the client’s connection', async t => {
  const cutting = await startRaw(t, socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'))
  const {router} = await routed(t, cutting.port)
  await assert.rejects(call(router.port), {code: 'ECONNRESET'})
})

test('what is not HTTP is named so', async t => {
  const answers = ['SSH-2.0-OpenSSH_9.2\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', 'HTTP/1.1 abc\r\n\r\n']
  for (const text of answers) {
    const odd = await startRaw(t, socket => socket.write(text))
    const {router} = await routed(t, odd.port)
    const answer = await call(router.port)
    assert.equal(answer.status, 502, text)
    assert.equal(answer.problem.code, 'upstream_broken')
    assert.match(String(answer.problem.detail), /not HTTP|not as long/)
  }
})

test('headers larger than the limit are refused, both ways', async t => {
  const big = await startRaw(t, socket => socket.write(`HTTP/1.1 200 OK\r\nx-big: ${'x'.repeat(40_000)}\r\ncontent-length: 0\r\n\r\n`))
  const {router} = await routed(t, big.port)
  const answer = await call(router.port)
  assert.deepEqual([answer.status, answer.problem.code], [502, 'upstream_broken'])
  const received = await rawCall(router.port, `GET / HTTP/1.1\r\nHost: x\r\nx-big: ${'x'.repeat(40_000)}\r\n\r\n`)
  assert.match(received, /^HTTP\/1\.1 413 .*too_large/s)
})

test('interim answers are dropped', async t => {
  const hinting = await startRaw(t, socket =>
    socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'),
  )
  const {router} = await routed(t, hinting.port)
  const answer = await call(router.port)
  assert.deepEqual([answer.status, answer.text, answer.headers.link], [200, 'ok', undefined])
})

test('an answer without a length, ended by closing, is passed on whole', async t => {
  const old = await startRaw(t, socket => socket.end('HTTP/1.0 200 OK\r\n\r\nold style'))
  const {router} = await routed(t, old.port)
  assert.equal((await call(router.port)).text, 'old style')
})

test('HEAD, 204 and 304 have no body and keep their headers', async t => {
  const {port} = await startInstance(t, (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, {'content-length': '1234', etag: '"x"'}).end()
    else response.writeHead(Number(request.url?.slice(1)), {etag: '"x"'}).end()
  })
  const {router} = await routed(t, port)
  const head = await call(router.port, {method: 'HEAD'})
  assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, '1234', ''])
  for (const status of [204, 304]) {
    const answer = await call(router.port, {path: `/${status}`})
    assert.deepEqual([answer.status, answer.headers.etag, answer.text], [status, '"x"', ''])
  }
})

test('what comes behind an answer that has no body reaches nobody, and the next request gets its own answer', async t => {
  const evil = 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil'
  const answers: Record<string, string> = {
    HEAD: `HTTP/1.1 200 OK\r\ncontent-length: ${evil.length}\r\n\r\n${evil}`,
    GET: `HTTP/1.1 304 Not Modified\r\ncontent-length: ${evil.length}\r\n\r\n${evil}`,
    PUT: `HTTP/1.1 204 No Content\r\n\r\n${evil}`,
    POST: 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood',
    PATCH: `HTTP/1.1 204 No Content\r\ncontent-length: ${evil.length}\r\n\r\n${evil}`,
  }
  const odd = await startRaw(t, (socket, received) => void socket.write(answers[received().split(' ')[0] ?? ''] ?? ''))
  const {router} = await routed(t, odd.port)
  for (const method of ['HEAD', 'GET', 'PUT']) {
    const length = method === 'PUT' ? 'Content-Length: 0\r\n' : ''
    const first = `${method} / HTTP/1.1\r\nHost: x\r\n${length}\r\n`
    const received = await rawCall(router.port, `${first}POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
    assert.match(received, /^HTTP\/1\.1 [^\r]*\r\n(?:[^\r]+\r\n)*\r\nHTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)*\r\ngood$/, method)
  }
  assert.equal((await call(router.port, {method: 'PATCH'})).status, 502)
})

test('a client that leaves ends the work at the instance', async t => {
  let ended = false
  const {port} = await startInstance(t, (request, response) => {
    response.on('close', () => {
      ended = true
    })
    response.write('first')
    request.resume()
  })
  const {router} = await routed(t, port)
  const controller = new AbortController()
  const response = await fetch(`${router.url}/`, {signal: controller.signal})
  await response.body?.getReader().read()
  controller.abort()
  await until(() => ended, 'the instance noticed')
})

test('a stale kept-alive connection costs a GET nothing', async t => {
  let requests = 0
  const {port, server} = await startInstance(t, (_request, response) => {
    requests += 1
    response.end('ok')
  })
  const {router} = await routed(t, port)
  for (let i = 0; i < 10; i++) {
    assert.equal((await call(router.port)).status, 200)
    server.closeAllConnections()
  }
  assert.equal(requests, 10)
})

/** Answers the first request of each connection, and ends the connection when a second one comes: the race that every kept-alive connection has. */
const startForgetful = (t: Closer) =>
  startRaw(t, socket => {
    if (socket.bytesWritten > 0) socket.destroy()
    else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  })

test('a kept-alive connection that ends as the request arrives: asked once more, and not held against the instance', async t => {
  const {port} = await startForgetful(t)
  const {router} = await routed(t, port)
  for (let i = 0; i < 6; i++) assert.equal((await call(router.port)).status, 200)
  const {upstreams} = JSON.parse((await router.admin('/table')).text)
  assert.deepEqual(
    upstreams.map(({ejectedForMs}: {ejectedForMs: number}) => ejectedForMs),
    [0],
  )
})

test('a POST does not go out on a connection that has been idle for long', async t => {
  const {port, server} = await startForgetful(t)
  const {router} = await startRouter(
    t,
    feed => {
      feed.announce('crm', entry('users', 'a1', port))
      feed.route(['*', '/', 'users.crm.service'])
    },
    {limits: {...limitsDefault, upstreamKeepAliveMs: 50}},
  )
  assert.equal((await call(router.port)).status, 200)
  await until(async () => (await promisify(server.getConnections.bind(server))()) === 0, 'the idle connection is closed')
  assert.equal((await call(router.port, {method: 'POST', body: 'once only'})).status, 200)
})
