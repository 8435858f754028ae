// Long streams to clients that read in fits and starts, several at once: memory that reads go to is used again, and not one byte may be of another read.
import assert from 'node:assert/strict'
import {createHash, randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {connect, createServer, type Socket} from 'node:net'
import {test} from 'node:test'
import {type Closer, entry, Feed, startInstance, startPlane} from './rig.ts'

const streams = 24
const streamBytes = 12 * 1_048_576
/** What a client reads before it rests, each another amount. */
const fitBytes = [2_000_000, 4_000_000, 5_000_000, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
/** Long enough for what the system holds for a client to be full. */
const restMs = 20

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Reads until the other side ends, pausing after every `fit` bytes; what comes after the head. */
const readInFits = async (socket: Socket, fit: number): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let since = 0
  socket.on('data', chunk => {
    const bytes = chunk as Buffer
    chunks.push(bytes)
    since += bytes.length
    if (since < fit) return
    since = 0
    socket.pause()
    setTimeout(() => socket.resume(), restMs)
  })
  await once(socket, 'end')
  socket.destroy()
  const all = Buffer.concat(chunks)
  return all.subarray(all.indexOf('\r\n\r\n') + 4)
}

/** As many clients at once as there are paces, each one stream after the other; digests in order. */
const readAll = async (port: number, head: string): Promise<string[]> => {
  const left = Array.from({length: streams}, (_, index) => index)
  const digests: string[] = []
  const client = async (fit: number): Promise<void> => {
    while (left.pop() !== undefined) {
      const socket = connect({port, host: '127.0.0.1'}, () => socket.write(head))
      digests.push(digestOf(await readInFits(socket, fit)))
    }
  }
  await Promise.all(fitBytes.map(client))
  return digests.sort()
}

/** Every stream is another part of these, so that bytes of one show in another. */
const createContents = () => {
  const bytes = randomBytes(streamBytes + streams * 1_000)
  const all = Array.from({length: streams}, (_, index) => bytes.subarray(index * 1_000, index * 1_000 + streamBytes))
  return {all, digests: all.map(digestOf).sort()}
}

const startProxy = async (t: Closer, port: number) => {
  const feed = new Feed()
  feed.announce('crm', entry('files', 'f1', port))
  await feed.start(t)
  return await startPlane(t, 'proxy', feed)
}

test('answers reach slow and fast readers unchanged', async t => {
  const {all, digests} = createContents()
  const {port} = await startInstance(t, (_, response) => response.end(all.pop() ?? ''))
  const proxy = await startProxy(t, port)
  const head = 'GET http://files.crm.service/ HTTP/1.1\r\nHost: files.crm.service\r\nConnection: close\r\n\r\n'
  assert.deepEqual(await readAll(proxy.port, head), digests)
})

test('tunnels bring slow and fast readers what was sent', async t => {
  const {all, digests} = createContents()
  const server = createServer(socket => socket.on('error', () => undefined).end(all.pop() ?? '')).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const proxy = await startProxy(t, address.port)
  const head = 'CONNECT files.crm.service:80 HTTP/1.1\r\nHost: files.crm.service\r\n\r\n'
  assert.deepEqual(await readAll(proxy.port, head), digests)
})
