// Memory that streams are read into: lent to another connection only when nobody writes from it any more.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {type AddressInfo, createServer} from 'node:net'
import {type TestContext, test} from 'node:test'
import {Deadlines} from '#proxy/http/deadlines.ts'
import {createReadBuffer} from '#proxy/http/read-buffer.ts'
import {Turn} from '#proxy/http/turn.ts'
import {UpstreamConnection} from '#proxy/http/upstream-connection.ts'
import {limitsDefault} from '#proxy/limits.ts'

const bodyBytes = 8 * 1_048_576

const onFault = (error: unknown): void => {
  throw error
}

interface Lent {
  /** Reads into a piece of the connection's own. */
  readonly reads: number
  readonly own: ReadonlySet<ArrayBufferLike>
  readonly back: ReadonlySet<ArrayBufferLike>
}

/** Reads a long answer whose taker says of each of the connection's own pieces what `isKept` says; the pieces it was told of, and those given back. */
const readAnswer = async (t: TestContext, isKept: boolean): Promise<Lent> => {
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${bodyBytes}\r\n\r\n`
  const server = createServer(socket => socket.once('data', () => socket.write(head + 'x'.repeat(bodyBytes))))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const deadlines = new Deadlines(() => 0, 1_000, onFault)
  t.after(() => {
    deadlines.stop()
    server.close()
  })
  let reads = 0
  const own = new Set<ArrayBufferLike>()
  const back = new Set<ArrayBufferLike>()
  const {giveBack, ...memory} = createReadBuffer()
  const readBuffer = {
    ...memory,
    giveBack: (piece: Buffer) => {
      back.add(piece.buffer)
      giveBack(piece)
    },
  }
  const turn = new Turn({now: Date.now, steady: () => performance.now()})
  const place = {host: '127.0.0.1', port: (server.address() as AddressInfo).port}
  await new Promise<void>((resolve, reject) => {
    const ask = (connection: UpstreamConnection): void => {
      connection.ask(
        {method: 'GET', webSocket: false},
        {
          onHead: () => undefined,
          onContinue: () => undefined,
          onBody: (bytes, _start, _end, owned) => {
            if (owned) {
              reads++
              own.add(bytes.buffer)
            }
            return owned && isKept
          },
          onPause: () => undefined,
          onEnd: () => resolve(),
          onFailed: reject,
          onDrained: () => undefined,
        },
      )
      connection.outlet.begin('GET / HTTP/1.1\r\nHost: x\r\n\r\n', false)
      connection.requestSent = true
      connection.outlet.flush()
    }
    const keeper = {onOpen: ask, onIdle: (connection: UpstreamConnection) => connection.destroy(false), onClosed: () => undefined}
    new UpstreamConnection(place, {limits: limitsDefault, deadlines, readBuffer, turn, onFault}, keeper)
  })
  return {reads, own, back}
}

test('a piece that is used up is read into again, and lent on at the end', async t => {
  const {reads, own, back} = await readAnswer(t, false)
  assert.ok(reads > own.size, 'pieces were read into more than once')
  assert.deepEqual(back, own)
})

test('a piece that is still being written is neither read into nor lent on', async t => {
  const {reads, own, back} = await readAnswer(t, true)
  assert.ok(reads > 1, 'the answer was read as a stream')
  assert.equal(own.size, reads)
  assert.equal(back.size, 0)
})
