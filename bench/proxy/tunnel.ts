// Tunnels through a forward proxy as its clients use them: CONNECT, then raw bytes. Reads into one buffer each, so that the client costs little.
import {connect, type Socket} from 'node:net'

export interface Tunnel {
  readonly socket: Socket
  /** From now on told of everything that arrives: the bytes are good until it returns. */
  readonly onBytes: (handler: (bytes: Buffer) => void) => void
}

const readBytes = 262_144

/** Opens a tunnel to `authority` through the proxy on `port`; throws when it is refused. */
export const openTunnel = (port: number, authority: string): Promise<Tunnel> =>
  new Promise((resolve, reject) => {
    let head = ''
    let handle = (bytes: Buffer): void => {
      head += bytes.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      handle = () => undefined
      if (/^HTTP\/1\.[01] 200 /.test(head)) resolve({socket, onBytes})
      else reject(new Error(`CONNECT was answered with: ${head.slice(0, 300)}`))
    }
    const onBytes: Tunnel['onBytes'] = handler => {
      handle = handler
    }
    const onread = {
      buffer: Buffer.allocUnsafe(readBytes),
      callback: (length: number, buffer: Uint8Array): boolean => {
        handle(Buffer.from(buffer.buffer, buffer.byteOffset, length))
        return true
      },
    }
    const socket = connect({host: '127.0.0.1', port, onread, noDelay: true}, () => {
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
    })
    socket.on('error', reject)
  })
