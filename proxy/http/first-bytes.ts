// What a tunnel turns out to carry. Waits for the first bytes of either side: an HTTP request is handed to whoever serves those, everything else is joined
// and not looked at again. Owns the waiting; serves nothing.
import {METHODS} from 'node:http'
import {LF} from './bytes.ts'
import {joinTunnel, type TunnelEnd} from './tunnel.ts'

/** Not CONNECT: a tunnel in a tunnel is not ours to look into. `PRI`, which HTTP/2 begins with, is none of them. */
const methods = METHODS.filter(method => method !== 'CONNECT')
const methodBytesMax = Math.max(...methods.map(({length}) => length))
/** A longer first line that began like a request's is taken for one, and refused by whoever parses it. */
const lineBytesMax = 16_384

/**
 * Whether a client's first bytes begin an HTTP/1 request: a method, one of the forms of target that a server or proxy takes (RFC 9112 §3.2), and the
 * version. Undefined when more bytes are needed to tell.
 */
export const beginsHttp = (bytes: Buffer): boolean | undefined => {
  const start = bytes.toString('latin1', 0, methodBytesMax + 1)
  const space = start.indexOf(' ')
  if (space < 0) return methods.some(method => `${method} `.startsWith(start)) ? undefined : false
  if (!methods.includes(start.slice(0, space))) return false
  const end = bytes.indexOf(LF)
  const line = bytes.toString('latin1', space + 1, end < 0 ? lineBytesMax : end)
  if (line === '') return undefined
  if (!/^(?:\/|\*|[Hh])/.test(line)) return false
  if (end < 0) return bytes.length >= lineBytesMax ? true : undefined
  return /^(?:\/|\*|https?:\/\/).* HTTP\/1\.[0-9]\r$/i.test(line)
}

/**
 * Waits until `client` or `instance` has said something. `serve` takes over both ends when that is an HTTP request of the client, with what it has sent so
 * far; otherwise they are joined. Resolves when the tunnel is over or served.
 */
export const joinUnlessHttp = (
  client: TunnelEnd,
  instance: TunnelEnd,
  idleTimeoutMs: number,
  serve: (bytes: Buffer) => void,
): Promise<void> =>
  new Promise(resolve => {
    let held: Buffer = Buffer.alloc(0)
    let isDecided = false
    const join = (): void => {
      isDecided = true
      const isSlow = held.length > 0 && instance.send(held, 0, held.length, true)
      void joinTunnel(client, instance, idleTimeoutMs).then(resolve)
      if (isSlow) client.pause()
    }
    const look = (): void => {
      const isHttp = beginsHttp(held)
      if (isHttp === false) join()
      if (isHttp !== true) return
      isDecided = true
      serve(held)
      resolve()
    }
    const broken = (other: TunnelEnd) => (): void => {
      isDecided = true
      other.destroy(false)
      resolve()
    }
    client.expectWithin(idleTimeoutMs)
    instance.expectWithin(idleTimeoutMs)
    instance.enterTunnel({
      data: (bytes, start, end) => {
        client.send(bytes, start, end, false)
        join()
        return false
      },
      end: () => {
        join()
        client.finish()
      },
      closed: broken(client),
      drained: () => undefined,
    })
    client.enterTunnel({
      data: (bytes, start, end) => {
        held = Buffer.concat([held, bytes.subarray(start, end)])
        look()
        return false
      },
      end: () => {
        if (!isDecided) join()
      },
      closed: broken(instance),
      drained: () => undefined,
    })
  })
