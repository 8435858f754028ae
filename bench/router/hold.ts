// Opens connections and keeps them: idle ones that have had one request, and WebSockets that have had one message sent back.
import {WebSocket} from 'ws'
import {Connection} from './connection.ts'
import {askedHost, getRequest, smallPath} from './requests.ts'

export interface Held {
  /** How many are open now. */
  readonly open: () => number
  readonly close: () => void
}

/** On their way at once; listen queues are longer. */
const openingMax = 100

/** Makes `count` of something, some at once. */
const makeMany = async <T>(count: number, make: () => Promise<T>): Promise<T[]> => {
  const made: T[] = []
  let begun = 0
  const one = async (): Promise<void> => {
    while (begun < count) {
      begun += 1
      made.push(await make())
    }
  }
  await Promise.all(Array.from({length: openingMax}, one))
  return made
}

export const holdIdle = async (port: number, count: number): Promise<Held> => {
  const request = getRequest(smallPath)
  const held = await makeMany(count, async () => {
    const connection = await Connection.open(port)
    await connection.get(request)
    return connection
  })
  return {
    open: () => held.filter(({isOpen}) => isOpen).length,
    close: () => {
      for (const connection of held) connection.close()
    },
  }
}

const openWebSocket = (port: number): Promise<WebSocket> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, {headers: {Host: askedHost}, perMessageDeflate: false})
    socket.on('error', reject)
    socket.on('open', () => socket.send('hello'))
    socket.on('message', data => {
      if (String(data) === 'hello') resolve(socket)
      else reject(new Error(`the echo was “${data}”`))
    })
  })

export const holdWebSockets = async (port: number, count: number): Promise<Held> => {
  const held = await makeMany(count, () => openWebSocket(port))
  return {
    open: () => held.filter(({readyState}) => readyState === WebSocket.OPEN).length,
    close: () => {
      for (const socket of held) socket.terminate()
    },
  }
}
