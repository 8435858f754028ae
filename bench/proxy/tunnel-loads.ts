// What goes through tunnels: much in one direction, or little to and fro. Owns how it is sent and timed.
import type {Work} from '../router/load.ts'
import {quantile} from '../stages/figures.ts'
import {openTunnel, type Tunnel} from './tunnel.ts'

const piece = Buffer.alloc(262_144, 'x')
const bytesPerGb = 1e9

const openAll = (port: number, authority: string, count: number): Promise<Tunnel[]> =>
  Promise.all(Array.from({length: count}, () => openTunnel(port, authority)))

const closeAll = (tunnels: readonly Tunnel[]): void => {
  for (const {socket} of tunnels) socket.destroy()
}

const failing = ({socket}: Tunnel, reject: (error: Error) => void): void => {
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('a tunnel was closed')))
}

const down = (tunnel: Tunnel, bytes: number): Promise<void> =>
  new Promise((resolve, reject) => {
    let left = bytes
    failing(tunnel, reject)
    tunnel.onBytes(({length}) => {
      left -= length
      if (left === 0) resolve()
    })
    tunnel.socket.write(`down ${bytes}\n`)
  })

const up = (tunnel: Tunnel, bytes: number): Promise<void> =>
  new Promise((resolve, reject) => {
    let left = bytes
    failing(tunnel, reject)
    tunnel.onBytes(() => resolve())
    const more = (): void => {
      while (left > 0) {
        const length = Math.min(left, piece.length)
        left -= length
        if (!tunnel.socket.write(length === piece.length ? piece : piece.subarray(0, length))) return
      }
    }
    tunnel.socket.on('drain', more)
    tunnel.socket.write(`up ${bytes}\n`)
    more()
  })

/** Its operations are gigabytes. */
export interface Bulk extends Work {
  readonly mbPerSecond: number
}

/** Sends `bytes` through each of `count` tunnels. */
export const runBulk = async (
  way: 'down' | 'up',
  {port, authority, count, bytes}: {port: number; authority: string; count: number; bytes: number},
): Promise<Bulk> => {
  const tunnels = await openAll(port, authority, count)
  try {
    const began = performance.now()
    await Promise.all(tunnels.map(tunnel => (way === 'down' ? down(tunnel, bytes) : up(tunnel, bytes))))
    const seconds = (performance.now() - began) / 1_000
    return {operations: (count * bytes) / bytesPerGb, mbPerSecond: (count * bytes) / 1e6 / seconds}
  } finally {
    closeAll(tunnels)
  }
}

const message = Buffer.alloc(64, 'x')

/** Its operations are round trips. */
export interface PingPong extends Work {
  readonly p50Micros: number
  readonly p99Micros: number
}

const pingPong = (tunnel: Tunnel, until: number, took: number[]): Promise<void> =>
  new Promise((resolve, reject) => {
    let at = performance.now()
    let left = message.length
    failing(tunnel, reject)
    tunnel.onBytes(({length}) => {
      left -= length
      if (left > 0) return
      const now = performance.now()
      took.push((now - at) * 1_000)
      if (now >= until) {
        resolve()
        return
      }
      at = now
      left = message.length
      tunnel.socket.write(message)
    })
    tunnel.socket.write(`echo\n${message.toString('latin1')}`)
  })

/** 64 bytes to and fro, as often as they can, through each of `count` tunnels. */
export const runPingPong = async ({
  port,
  authority,
  count,
  seconds,
}: {
  port: number
  authority: string
  count: number
  seconds: number
}): Promise<PingPong> => {
  const tunnels = await openAll(port, authority, count)
  const took: number[] = []
  try {
    const until = performance.now() + seconds * 1_000
    await Promise.all(tunnels.map(tunnel => pingPong(tunnel, until, took)))
    return {operations: took.length, p50Micros: quantile(took, 0.5), p99Micros: quantile(took, 0.99)}
  } finally {
    closeAll(tunnels)
  }
}
