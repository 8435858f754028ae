// The traffic listener: accepts connections, hands requests to whoever serves their kind, answers what can not be a request, drains. Serves nothing itself.
import type {Server as HttpServer} from 'node:http'
import {type AddressInfo, createServer, type Server} from 'node:net'
import {problemAnswer} from './answers.ts'
import {ClientConnection, type ClientOptions} from './http/client-connection.ts'
import type {Exchange} from './http/exchange.ts'
import type {Fault} from './http/fields.ts'
import type {Shared} from './http/upstream-connection.ts'
import type {Traffic} from './traffic.ts'
import type {Tunnels} from './tunnels.ts'

/** Small buffers make `drain` tell of every larger write. */
const highWaterMark = 16_384

export interface ListenerOptions {
  readonly traffic: Traffic
  readonly tunnels: Tunnels
  readonly shared: Shared
  readonly date: () => string
}

/** A listener and its connections. */
export class Listener {
  readonly server: Server
  readonly #options: ListenerOptions
  readonly #connections = new Set<ClientConnection>()

  constructor(options: ListenerOptions) {
    const {limits, deadlines, onFault} = options.shared
    this.#options = options
    const each: ClientOptions = {
      limits,
      deadlines,
      serve: (exchange, connection) => this.#serve(exchange, connection),
      refuse: (fault, connection) => this.#refuse(fault, connection),
      onClosed: connection => this.#connections.delete(connection),
      onFault,
    }
    this.server = createServer({noDelay: true, allowHalfOpen: true, highWaterMark}, socket =>
      this.#connections.add(new ClientConnection(socket, each)),
    )
    this.server.maxConnections = limits.connectionsMax
  }

  #serve(exchange: Exchange, connection: ClientConnection): void {
    const {traffic, tunnels} = this.#options
    if (exchange.head.method === 'CONNECT') tunnels.connect(exchange, connection)
    else if (tunnels.isOwn(connection)) tunnels.refuseLoop(exchange)
    else traffic.serve(exchange, connection, outcome => tunnels.hold(connection, outcome))
  }

  /** Answers what could not be parsed, and ends the connection. */
  #refuse({reason, oversize}: Fault, connection: ClientConnection): void {
    const manner = {headOnly: false, close: true, date: this.#options.date()}
    const [code, detail] = oversize
      ? (['too_large', `This request is larger than we take: ${reason}.`] as const)
      : (['invalid_request', `This is not a request we can read safely: ${reason}.`] as const)
    connection.outlet.begin(problemAnswer(code, detail, {requestId: '-'}, manner).text, false)
    connection.outlet.finish()
    connection.end()
  }

  /** Stops accepting and waits for requests in flight, at most `timeoutMs`; true when all of them ended by themselves. */
  async drain(timeoutMs: number): Promise<boolean> {
    const closed = new Promise<void>(resolve => {
      this.server.close(() => resolve())
    })
    const drainAll = (): void => {
      for (const connection of this.#connections) connection.drain()
    }
    drainAll()
    const sweep = setInterval(drainAll, 100)
    const ended = await isInTime(closed, timeoutMs)
    clearInterval(sweep)
    if (!ended) for (const connection of this.#connections) connection.destroy()
    return ended
  }
}

const isInTime = async (wanted: Promise<void>, timeoutMs: number): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>(resolve => {
    timer = setTimeout(() => resolve('late'), timeoutMs)
  })
  const first = await Promise.race([wanted, late])
  clearTimeout(timer)
  return first !== 'late'
}

/** Starts listening; rejects when the address is taken. */
export const listen = (server: Server | HttpServer, host: string, port: number): Promise<AddressInfo> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({host, port}, () => {
      server.off('error', reject)
      resolve(server.address() as AddressInfo)
    })
  })
