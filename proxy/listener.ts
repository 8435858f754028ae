// The traffic listener: accepts connections, hands requests to whoever serves their kind, answers what can not be a request, drains. Serves nothing itself.
import type {Server as HttpServer} from 'node:http'
import {type AddressInfo, createServer, type Server} from 'node:net'
import {setImmediate as nextTurn, setTimeout as sleep} from 'node:timers/promises'
import {problemAnswer} from './answers.ts'
import type {Tried} from './attempts.ts'
import {ClientConnection, type ClientOptions} from './http/client-connection.ts'
import type {Exchange} from './http/exchange.ts'
import type {Fault} from './http/fields.ts'
import type {Shared} from './http/upstream-connection.ts'
import type {Limits} from './limits.ts'
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

/** How a listener ends, each from now on. */
export interface Drain {
  /** New connections are still taken in for this long, while there are others. */
  readonly acceptMs: number
  /** Idle connections may bring one more request within this time. */
  readonly idleMs: number
  /** Then what is still in flight is cut off. */
  readonly timeoutMs: number
}

/** How a router or proxy ends for good. */
export const shutdown = ({drainIdleMs, drainTimeoutMs}: Limits): Drain => ({
  acceptMs: drainIdleMs,
  idleMs: drainIdleMs,
  timeoutMs: drainTimeoutMs,
})

/** Connections that have become idle are looked for this often. */
const sweepMs = 100
/** Connections the kernel keeps for us before we accept them; it has a limit of its own (net.core.somaxconn). */
const backlogMax = 4_096

/** A listener and its connections. */
export class Listener {
  readonly server: Server
  readonly #options: ListenerOptions
  readonly #connections = new Set<ClientConnection>()
  readonly #served = (client: ClientConnection, outcome: Tried | undefined): void => this.#options.tunnels.hold(client, outcome)
  #drained: Promise<boolean> | undefined
  #ends = {acceptUntil: Number.POSITIVE_INFINITY, idleUntil: Number.POSITIVE_INFINITY, until: Number.POSITIVE_INFINITY}

  constructor(options: ListenerOptions) {
    const {limits, deadlines, turn, onFault} = options.shared
    this.#options = options
    const each: ClientOptions = {
      limits,
      deadlines,
      turn,
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
    else traffic.serve(exchange, connection, this.#served)
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

  /**
   * Every answer from here on is its connection's last. Stops accepting, ends idle connections and cuts off the rest when their times have come; true when
   * all ended by themselves. Called again, it can only shorten what is left.
   */
  drain({acceptMs, idleMs, timeoutMs}: Drain): Promise<boolean> {
    const now = this.#options.shared.deadlines.now()
    const {acceptUntil, idleUntil, until} = this.#ends
    this.#ends = {
      acceptUntil: Math.min(acceptUntil, now + acceptMs),
      idleUntil: Math.min(idleUntil, now + idleMs),
      until: Math.min(until, now + timeoutMs),
    }
    this.#drained ??= this.#drainAll()
    return this.#drained
  }

  async #drainAll(): Promise<boolean> {
    let isOver = false
    const {deadlines} = this.#options.shared
    // What is in the kernel's queue already is taken in first.
    for (await nextTurn(); this.#connections.size > 0 && deadlines.now() < this.#ends.acceptUntil; await sleep(sweepMs)) this.#sweep(false)
    const closed = new Promise<void>(resolve => {
      this.server.close(() => resolve())
    }).then(() => {
      isOver = true
    })
    while (!isOver && deadlines.now() < this.#ends.until) {
      this.#sweep(deadlines.now() >= this.#ends.idleUntil)
      await Promise.race([closed, sleep(Math.min(sweepMs, Math.max(0, this.#ends.until - deadlines.now())))])
    }
    const isEnded = this.#connections.size === 0
    for (const connection of this.#connections) connection.destroy()
    return isEnded
  }

  #sweep(closeIdle: boolean): void {
    for (const connection of this.#connections) connection.drain(closeIdle)
  }
}

/** Where to listen: an address, port 0 picking a free one, or an open socket that is bound already. */
export type Place = {readonly host: string; readonly port: number} | {readonly fd: number}

/** Starts listening; rejects when the address is taken. */
export const listen = (server: Server | HttpServer, place: Place): Promise<AddressInfo> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    // Not as an option: of a socket that is open already, Node would ignore it (net.Server.listen, `fd`).
    server.listen(place, backlogMax, () => {
      server.off('error', reject)
      resolve(server.address() as AddressInfo)
    })
  })
