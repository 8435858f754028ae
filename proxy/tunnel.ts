// Raw byte streams between a client and an instance or host: connecting, and splicing until both are done. Knows nothing of HTTP.
import {connect, type LookupFunction, type Socket} from 'node:net'

export interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
  readonly lookup?: LookupFunction
}

/** An open TCP connection; rejects with node's error, or one with code `ETIMEDOUT` after `timeoutMs`. */
export const connectTo = ({host, port, timeoutMs, lookup}: ConnectOptions): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({host, port, noDelay: true, allowHalfOpen: true, ...(lookup === undefined ? {} : {lookup})})
    const timer = setTimeout(() => socket.destroy(Object.assign(new Error('connect timeout'), {code: 'ETIMEDOUT'})), timeoutMs)
    socket.once('error', reject)
    socket.once('close', () => clearTimeout(timer))
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', reject)
      resolve(socket)
    })
  })

const half = (from: Socket, to: Socket): void => {
  from.on('error', () => to.destroy())
  from.on('close', () => {
    if (from.readableEnded && !to.writableFinished) to.once('finish', () => to.destroy())
    else to.destroy()
  })
  from.pipe(to)
}

/** Passes bytes both ways until both sides are closed; resolves then. A side that ends is half-closed at the other; one that breaks breaks the other. */
export const splice = (a: Socket, b: Socket, idleTimeoutMs: number): Promise<void> => {
  const open = new Set([a, b])
  const closed = new Promise<void>(resolve => {
    for (const socket of [a, b]) {
      socket.removeAllListeners('timeout')
      socket.setTimeout(idleTimeoutMs, () => socket.destroy())
      socket.once('close', () => {
        open.delete(socket)
        if (open.size === 0) resolve()
      })
    }
  })
  half(a, b)
  half(b, a)
  for (const socket of [a, b]) if (socket.destroyed) (socket === a ? b : a).destroy()
  return closed
}
