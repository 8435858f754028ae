// Ports whose system does not answer: what a host that is gone looks like to whoever connects, without one.
import {connect, type Socket} from 'node:net'
import {Worker} from 'node:worker_threads'
import type {Closer} from './rig.ts'

/** Listens with the shortest of queues on a port, and on the next one if it is to, and never accepts: the thread sleeps for good. */
const sleeper = `
const {createServer} = require('node:net')
const {parentPort, workerData} = require('node:worker_threads')
const listen = port => new Promise((resolve, reject) => {
  const server = createServer().once('error', reject).listen({host: '127.0.0.1', port, backlog: 1}, () => resolve(server))
})
const begin = async () => {
  const first = await listen(0)
  const {port} = first.address()
  try {
    if (workerData.both) await listen(port + 1)
  } catch {
    first.close()
    return begin()
  }
  parentPort.postMessage(port)
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
}
begin()`

export interface Deaf {
  readonly port: number
  /** From now on connections are neither taken nor refused: its queues are full. */
  readonly fill: () => Promise<void>
}

/** A port that takes connections and says nothing, until it is filled. `both`: the next port is like it. */
export const startDeaf = async (t: Closer, {both = false} = {}): Promise<Deaf> => {
  const worker = new Worker(sleeper, {eval: true, workerData: {both}})
  t.after(() => worker.terminate())
  const port = await new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  const sockets: Socket[] = []
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  const isTaken = (at: number): Promise<boolean> =>
    new Promise(resolve => {
      const socket = connect(at, '127.0.0.1', () => resolve(true)).on('error', () => undefined)
      sockets.push(socket)
      setTimeout(() => resolve(false), 300)
    })
  const fill = async (): Promise<void> => {
    for (const at of both ? [port, port + 1] : [port]) while (await isTaken(at));
  }
  return {port, fill}
}
