// Clients and instances that do not take what they asked for, break off, or crowd: what they must not cost anybody else. Real sockets on both sides.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {connect, createServer, type Socket} from 'node:net'
import {test} from 'node:test'
import {type Limits, limitsDefault} from '#proxy/limits.ts'
import {type Closer, call, entry, startInstance, startRouter, until} from './rig.ts'

const routed = (t: Closer, port: number, limits: Partial<Limits> = {}, now = Date.now) =>
  startRouter(
    t,
    feed => {
      feed.announce('crm', entry('users', 'a1', port))
      feed.route(['*', '/{rest:.*}', 'users.crm.service/{rest}'])
    },
    {limits: {...limitsDefault, drainTimeoutMs: 200, ...limits}, now},
  )

/** A server that speaks for itself. */
const startRaw = async (t: Closer, serve: (socket: Socket, text: string) => void): Promise<number> => {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('data', chunk => serve(socket, chunk.toString('latin1')))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as {port: number}).port
}

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`

/** Waits until a count has not changed for a while. */
const settledCount = async (count: () => number): Promise<number> => {
  let last = -1
  let same = 0
  await until(() => {
    same = count() === last && last > 0 ? same + 1 : 0
    last = count()
    return same >= 30
  }, 'the count stays')
  return last
}

test('a client that sends requests and takes no answers is not served on, nor cut off while it takes them late', async t => {
  const answers = 600
  const body = Buffer.alloc(60_000, 'x')
  let served = 0
  const {port} = await startInstance(t, (_request, response) => {
    served += 1
    response.end(body)
  })
  // Much shorter than the client takes: they are for clients between requests.
  const {router} = await routed(t, port, {keepAliveMs: 50, headTimeoutMs: 50})
  const socket = connect(router.port, '127.0.0.1').on('error', () => undefined)
  t.after(() => socket.destroy())
  socket.pause()
  socket.write(get('/').repeat(answers - 1) + get('/', 'Connection: close\r\n'))
  const held = await settledCount(() => served)
  assert.ok(held < answers / 2, `${held} answers wait for a client that takes none`)
  let bytes = 0
  socket.on('data', chunk => {
    bytes += chunk.length
  })
  socket.resume()
  await once(socket, 'close')
  assert.equal(served, answers)
  assert.ok(bytes > answers * body.length, `${bytes} bytes of answers have come`)
})

test('a request that waits for a connection gets it when another becomes a WebSocket', async t => {
  let answer: (() => void) | undefined
  const port = await startRaw(t, (socket, text) => {
    if (text.startsWith('GET /ws '))
      answer = () => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const {router} = await routed(t, port, {connectionsPerInstanceMax: 1})
  const socket = connect(router.port, '127.0.0.1').on('error', () => undefined)
  t.after(() => socket.destroy())
  socket.write(get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
  await until(() => answer !== undefined, 'the instance is asked for a WebSocket')
  const waiting = call(router.port)
  await until(() => router.upstreams().some(({inFlight}) => inFlight === 2), 'the request is in line')
  answer?.()
  assert.equal((await waiting).status, 200)
})

test('an answer that breaks off does not look whole to a client that knows its end by the end of the connection', async t => {
  const port = await startRaw(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', () => setImmediate(() => socket.destroy()))
  })
  const {router} = await routed(t, port)
  const socket = connect(router.port, '127.0.0.1')
  let ended = ''
  socket.on('error', error => {
    ended = (error as NodeJS.ErrnoException).code ?? ''
  })
  socket.on('end', () => {
    ended ||= 'end'
  })
  socket.resume()
  socket.write('GET / HTTP/1.0\r\nHost: x\r\n\r\n')
  await new Promise(resolve => socket.once('close', resolve))
  assert.equal(ended, 'ECONNRESET')
})

test('a clock that is set forward ends no request', async t => {
  let ahead = 0
  const startedAt = Date.now()
  let answer: (() => void) | undefined
  const {port} = await startInstance(t, (_request, response) => {
    answer = () => response.end('late')
  })
  const {router} = await routed(t, port, {}, () => Date.now() + ahead)
  let isOver = false
  const waiting = call(router.port).finally(() => {
    isOver = true
  })
  await until(() => answer !== undefined, 'the instance is asked')
  ahead = 600_000
  // Deadlines that are over are noticed within half a second.
  await until(() => isOver || Date.now() > startedAt + 1_000, 'deadlines were looked at')
  answer?.()
  assert.equal((await waiting).status, 200)
})
