// Which kept connection a request gets: never one that has ended, however shortly before.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {type AddressInfo, createServer, type Server, type Socket} from 'node:net'
import {afterEach, beforeEach, describe, it} from 'node:test'
import {Deadlines} from '#proxy/http/deadlines.ts'
import {Pool} from '#proxy/http/pool.ts'
import {createReadBuffer} from '#proxy/http/read-buffer.ts'
import {Turn} from '#proxy/http/turn.ts'
import type {UpstreamConnection} from '#proxy/http/upstream-connection.ts'
import {limitsDefault} from '#proxy/limits.ts'

const onFault = (error: unknown): void => {
  throw error
}

describe('a pool', () => {
  let server: Server
  let sockets: Socket[]
  let deadlines: Deadlines
  let pool: Pool
  let now = 0

  beforeEach(async () => {
    sockets = []
    server = createServer({allowHalfOpen: false}, socket => sockets.push(socket.on('error', () => undefined)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    now = 0
    deadlines = new Deadlines(() => now, 1_000, onFault)
    const shared = {
      limits: limitsDefault,
      deadlines,
      readBuffer: createReadBuffer(),
      turn: new Turn({now: Date.now, steady: () => performance.now()}),
      onFault,
    }
    pool = new Pool({host: '127.0.0.1', port: (server.address() as AddressInfo).port}, shared)
  })

  afterEach(() => {
    pool.destroy()
    deadlines.stop()
    server.close()
    for (const socket of sockets) socket.destroy()
  })

  const take = (): Promise<UpstreamConnection> =>
    new Promise((resolve, reject) => pool.take({onConnection: resolve, onNoConnection: reject, connectTimeoutMs: 1_000}, false))

  it('gives what was used last', async () => {
    const [first, second] = [await take(), await take()]
    pool.onIdle(first)
    pool.onIdle(second)
    assert.equal(await take(), second)
    assert.equal(await take(), first)
  })

  it('gives none that is over, though nobody was told of it yet', async () => {
    const kept = [await take(), await take(), await take()] as const
    for (const connection of kept) pool.onIdle(connection)
    kept[2].onDeadline()
    kept[1].destroy(false)
    // All of this happens in one turn, before `close` of either.
    assert.equal(await take(), kept[0])
  })

  it('gives none that has been idle for too long, though its deadline was not noticed yet', async () => {
    const kept = await take()
    pool.onIdle(kept)
    now = limitsDefault.upstreamKeepAliveMs
    const next = await take()
    assert.notEqual(next, kept)
    assert.ok(next.isReady)
  })
})
