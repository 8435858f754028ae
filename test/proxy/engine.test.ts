// How connections are used: kept, shared, pipelined, half-closed, drained, and ended when somebody stalls. Real sockets on both sides.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import type {RequestListener} from 'node:http'
import {connect, createServer, type Socket} from 'node:net'
import {test} from 'node:test'
import fc from 'fast-check'
import {type Limits, limitsDefault} from '#proxy/limits.ts'
import {type Closer, call, entry, rawCall, startInstance, startRouter, until} from './rig.ts'

const routed = (t: Closer, port: number, limits: Partial<Limits> = {}) =>
  startRouter(
    t,
    feed => {
      feed.announce('crm', entry('users', 'a1', port))
      feed.route(['*', '/{rest:.*}', 'users.crm.service/{rest}'])
    },
    {limits: {...limitsDefault, drainTimeoutMs: 5_000, ...limits}},
  )

/** An instance that counts its connections. */
const startCounting = async (t: Closer, listener: RequestListener) => {
  const {port, server} = await startInstance(t, listener)
  let connections = 0
  server.on('connection', () => {
    connections += 1
  })
  return {port, connections: () => connections}
}

/** A client that gathers what it gets. */
const openClient = (t: Closer, port: number): {socket: Socket; received: () => string; closed: Promise<unknown>} => {
  const socket = connect({port, host: '127.0.0.1', allowHalfOpen: true})
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => undefined).on('end', () => socket.end())
  t.after(() => socket.destroy())
  return {socket, received: () => text, closed: once(socket, 'close')}
}

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`

test('requests one after the other use one connection to the instance', async t => {
  const {port, connections} = await startCounting(t, (_request, response) => response.end('ok'))
  const {router} = await routed(t, port)
  for (let i = 0; i < 20; i++) assert.equal((await call(router.port)).status, 200)
  assert.equal(connections(), 1)
})

test('pipelined requests are answered in their order, bodies and all', async t => {
  const {port} = await startInstance(t, (request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      const answer = (): void => void response.end(`[${request.method} ${request.url} ${body}]`)
      if (request.url === '/1') setTimeout(answer, 50)
      else answer()
    })
  })
  const {router} = await routed(t, port)
  const posts = `POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcPOST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\nd\r\n0\r\n\r\n`
  const received = await rawCall(router.port, get('/1') + posts + get('/4', 'Connection: close\r\n') + get('/5'))
  assert.deepEqual(received.match(/\[.*?\]/g), ['[GET /1 ]', '[POST /2 abc]', '[POST /3 d]', '[GET /4 ]'])
})

test('a thousand pipelined requests that are answered at once do not overflow the stack', async t => {
  const {router} = await routed(t, 1)
  const received = await rawCall(router.port, get('/%zz').repeat(1_000) + get('/%zz', 'Connection: close\r\n'))
  assert.equal(received.match(/HTTP\/1\.1 400 /g)?.length, 1_001)
})

test('a client that has closed its side still gets its answer', async t => {
  const {port} = await startInstance(t, (_request, response) => void setTimeout(() => response.end('late'), 100))
  const {router} = await routed(t, port)
  const {socket, received, closed} = openClient(t, router.port)
  socket.end(get('/'))
  await closed
  assert.match(received(), /^HTTP\/1\.1 200 .*late/s)
})

test('a client of HTTP/1.0 gets no chunks, and keeps its connection only when it asks to', async t => {
  const {port} = await startInstance(t, (request, response) => {
    if (request.url === '/sized') response.writeHead(200, {'content-length': '5'}).end('sized')
    else {
      response.write('in ')
      response.end('pieces')
    }
  })
  const {router} = await routed(t, port)
  assert.match(await rawCall(router.port, 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 .*connection: close\r\n\r\nin pieces$/s)
  const kept = 'GET /sized HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'
  const received = await rawCall(router.port, `${kept}${kept}GET /sized HTTP/1.0\r\n\r\n`)
  assert.equal(received.match(/connection: keep-alive\r\n\r\nsized/g)?.length, 2)
  assert.match(received, /connection: close\r\n\r\nsized$/)
})

test('a client that stalls in its body is given up, and nobody else is blamed', async t => {
  let broken = false
  const {port} = await startInstance(t, request => {
    request.on('error', () => {
      broken = true
    })
    request.resume()
  })
  const {router} = await routed(t, port, {idleTimeoutMs: 200})
  const {socket, closed} = openClient(t, router.port)
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf')
  await closed
  await until(() => broken, 'the instance was told')
  await until(() => router.logged.some(line => line.includes('"msg":"request"')), 'the log tells of it')
  assert.ok(!router.logged.some(line => line.includes('upstream_')), 'the instance is not to blame')
})

test('a flood of interim answers ends', async t => {
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1_000)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const {router} = await routed(t, (server.address() as {port: number}).port)
  const answer = await call(router.port)
  assert.deepEqual([answer.status, answer.problem.code], [502, 'upstream_broken'])
  assert.match(String(answer.problem.detail), /too many interim answers/)
})

test('requests beyond the connections of an instance wait in line', async t => {
  let most = 0
  let present = 0
  const {port, connections} = await startCounting(t, (_request, response) => {
    present += 1
    most = Math.max(most, present)
    setTimeout(() => {
      present -= 1
      response.end('ok')
    }, 10)
  })
  const {router} = await routed(t, port, {connectionsPerInstanceMax: 2})
  const answers = await Promise.all(Array.from({length: 12}, () => call(router.port)))
  assert.ok(answers.every(({status}) => status === 200))
  assert.deepEqual([most, connections()], [2, 2])
})

test('draining lets what is in flight finish, and says so', async t => {
  let release = (): void => undefined
  const {port} = await startInstance(t, (_request, response) => {
    release = () => void response.end('whole')
  })
  const {router} = await routed(t, port)
  const idle = openClient(t, router.port)
  await once(idle.socket, 'connect')
  const busy = openClient(t, router.port)
  let asked = false
  busy.socket.write(get('/'), () => {
    asked = true
  })
  await until(async () => asked && /"inFlight": 1/.test((await router.admin('/table')).text), 'in flight')
  const stopped = router.stop()
  await idle.closed
  release()
  await Promise.all([stopped, busy.closed])
  assert.match(busy.received(), /^HTTP\/1\.1 200 .*connection: close.*whole/s)
  await assert.rejects(call(router.port), {code: 'ECONNREFUSED'})
})

test('an early answer arrives though the client goes on sending', async t => {
  const {port} = await startInstance(t, (_request, response) => void response.writeHead(413, {connection: 'close'}).end('too much'))
  const {router} = await routed(t, port)
  const {socket, received, closed} = openClient(t, router.port)
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n')
  const more = setInterval(() => socket.write(Buffer.alloc(65_536)), 5)
  socket.once('end', () => clearInterval(more))
  t.after(() => clearInterval(more))
  await closed
  assert.match(received(), /^HTTP\/1\.1 413 .*connection: close.*too much/s)
})

test('bodies come through byte by byte as they were, however they are cut and framed', async t => {
  const {port} = await startInstance(t, (request, response) => {
    if (request.headers['x-sized'] !== undefined) response.setHeader('content-length', request.headers['content-length'] ?? '0')
    request.pipe(response)
  })
  const {router} = await routed(t, port)
  const body = fc.oneof(
    fc.uint8Array({maxLength: 200}),
    fc.integer({min: 1, max: 200_000}).map(length => new Uint8Array(length).fill(length)),
  )
  await fc.assert(
    fc.asyncProperty(body, fc.boolean(), async (bytes, sized) => {
      const data = Buffer.from(bytes)
      const headers: Record<string, string> = sized
        ? {'content-length': String(data.length), 'x-sized': '1'}
        : {'transfer-encoding': 'chunked'}
      const answer = await call(router.port, {method: 'POST', headers, body: data})
      assert.ok(answer.body.equals(data), `${answer.status}: ${answer.body.length} of ${data.length} bytes`)
    }),
    {numRuns: 60},
  )
})
