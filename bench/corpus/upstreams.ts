// What stands behind the candidates: a recorder that keeps what it is sent and answers every connection once, and a parrot that answers with given bytes.
// Own their sockets; judge nothing.
import {type AddressInfo, createServer, type Server, type Socket} from 'node:net'
import {setImmediate as turn} from 'node:timers/promises'
import {readRequests} from '#test/proxy/http/read.ts'
import {usualCount} from './readers.ts'

/** What only a lenient program can read as a whole request is answered when nothing more has come for this long. */
const quietMs = 60

export interface Upstream {
  readonly port: number
  readonly close: () => Promise<void>
}

const listen = async (onConnection: (socket: Socket) => void): Promise<Upstream> => {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    onConnection(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise(resolve => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  return {port: (server.address() as AddressInfo).port, close}
}

export interface Recorder extends Upstream {
  /** What each connection since the last call was sent. */
  readonly taken: () => readonly Buffer[]
}

const plainAnswer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'

/** Starts a recorder. A connection ends after its answer: what a candidate takes for another request comes on another connection. */
export const startRecorder = async (): Promise<Recorder> => {
  let received: {bytes: Buffer}[] = []
  const upstream = await listen(socket => {
    const mine = {bytes: Buffer.alloc(0)}
    let timer: NodeJS.Timeout | undefined
    let continued = false
    const answer = (): void => {
      clearTimeout(timer)
      socket.removeAllListeners('data').resume()
      socket.end(plainAnswer)
    }
    socket.on('close', () => clearTimeout(timer))
    socket.on('data', chunk => {
      if (mine.bytes.length === 0) received.push(mine)
      mine.bytes = Buffer.concat([mine.bytes, chunk])
      clearTimeout(timer)
      if (readRequests(mine.bytes).seen.length > 0) return answer()
      if (!continued && /^expect: *100-continue\r\n/im.test(mine.bytes.toString('latin1'))) {
        continued = true
        socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      }
      if (usualCount(mine.bytes) > 0) timer = setTimeout(answer, quietMs)
    })
  })
  const taken = (): readonly Buffer[] => {
    const bytes = received.map(one => one.bytes)
    received = []
    return bytes
  }
  return {...upstream, taken}
}

/** Bytes, each piece in a write of its own; `ends`: and then the end of the connection. */
export interface Said {
  readonly pieces: readonly Buffer[]
  readonly ends: boolean
}

export interface Parrot extends Upstream {
  /** What requests for anything but `/next` get from now on. */
  readonly say: (answer: Said) => void
}

/** What requests for `/next` get. */
export const nextBody = 'next'
const nextAnswer = `HTTP/1.1 200 OK\r\nContent-Length: ${nextBody.length}\r\n\r\n${nextBody}`

const saying = async (socket: Socket, {pieces, ends}: Said): Promise<void> => {
  for (const piece of pieces) {
    if (socket.destroyed) return
    socket.write(piece)
    await turn()
  }
  if (ends) socket.end()
}

/** Starts a parrot. Its connections stay open for more requests, as those of most servers do. */
export const startParrot = async (): Promise<Parrot> => {
  let said: Said = {pieces: [], ends: true}
  const upstream = await listen(socket => {
    let received = ''
    socket.on('data', chunk => {
      received += chunk.toString('latin1')
      if (!received.includes('\r\n\r\n')) return
      const isNext = /^\S+ \/next /.test(received)
      received = ''
      if (isNext) socket.write(nextAnswer)
      else void saying(socket, said)
    })
  })
  return {
    ...upstream,
    say: answer => {
      said = answer
    },
  }
}
