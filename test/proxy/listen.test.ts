// How many connections wait in the kernel while a worker is held up: as many as we ask for, whichever way the socket came to us.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {readFileSync} from 'node:fs'
import {type AddressInfo, createServer, type Server} from 'node:net'
import {test} from 'node:test'
import {Worker} from 'node:worker_threads'
import {listen} from '#proxy/listener.ts'
import {type HeldSocket, holdSockets} from '#proxy/workers/sockets.ts'

/** More than Node’s own 511. */
const connections = 700
const giveUpMs = 5_000
const kernelMax = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
const skip = kernelMax < connections ? `net.core.somaxconn is ${kernelMax}` : false

/** In a thread of its own: opens connections and counts those that the kernel has taken, here by sharing memory, as this thread does not get to run. */
const client = `
const {workerData: {port, count, shared}} = require('node:worker_threads')
const {connect} = require('node:net')
const open = new Int32Array(shared)
for (let i = 0; i < count; i++) connect(port, '127.0.0.1').on('connect', () => {
  Atomics.add(open, 0, 1)
  if (open[0] === count) Atomics.notify(open, 1)
}).on('error', () => undefined)
`

/** How many connections are open after this thread has done nothing until all are, or until {@link giveUpMs}. */
const openWhileHeldUp = async (server: Server): Promise<number> => {
  const shared = new SharedArrayBuffer(8)
  const open = new Int32Array(shared)
  const {port} = server.address() as AddressInfo
  const worker = new Worker(client, {eval: true, workerData: {port, count: connections, shared}})
  await once(worker, 'online')
  Atomics.wait(open, 1, 0, giveUpMs)
  const [count = 0] = open
  await worker.terminate()
  return count
}

for (const [name, placeOf] of [
  ['an address', async () => ({host: '127.0.0.1', port: 0})],
  ['a socket of the primary', async () => ({fd: (await held()).fd})],
] as const) {
  test(`many connections wait for a listener on ${name}`, {skip}, async t => {
    const server = createServer(socket => socket.destroy())
    t.after(() => server.close())
    await listen(server, await placeOf())
    assert.equal(await openWhileHeldUp(server), connections)
  })
}

/** Not to be collected: a handle that is closes its socket. */
const sockets: HeldSocket[] = []

const held = async (): Promise<{fd: number}> => {
  sockets.push(...(await holdSockets('127.0.0.1', 0, 1)))
  return sockets.at(-1) as unknown as {fd: number}
}
