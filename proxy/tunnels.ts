// CONNECT: requests that end in a tunnel of raw bytes, or, if HTTP is what comes through it, in requests of their own. Owns connecting, and which tunnels are
// open, WebSockets included; the bytes are http/tunnel.ts's.
import type {Settler, Tried} from './attempts.ts'
import type {Destination} from './destination.ts'
import {failureOf} from './failures.ts'
import type {ClientConnection} from './http/client-connection.ts'
import type {Exchange} from './http/exchange.ts'
import {joinUnlessHttp} from './http/first-bytes.ts'
import type {Pool} from './http/pool.ts'
import {joinTunnel} from './http/tunnel.ts'
import {type Place, type Shared, UpstreamConnection} from './http/upstream-connection.ts'
import {answerByItself, answerWithProblem, type End, endOf, seekService, type TrafficOptions, tryOutside} from './traffic.ts'
import {beginVisit, entryOf, isProblem, loopProblem, type Problem, settled} from './visit.ts'

export interface TunnelOptions extends TrafficOptions {
  readonly shared: Shared
  readonly opened: () => void
  readonly closed: () => void
}

export class Tunnels {
  readonly #options: TunnelOptions
  readonly #open = new Set<ClientConnection>()
  /** The ends of our own tunnels: a connection with the same ones is their other side. */
  readonly #ownEnds = new Set<string>()

  constructor(options: TunnelOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  /** Whether the peer of a connection is one of our own tunnels: a loop. */
  isOwn(client: ClientConnection): boolean {
    return this.#ownEnds.size > 0 && this.#ownEnds.has(client.ends)
  }

  /** Answers a request that came through one of our own tunnels. */
  refuseLoop(exchange: Exchange): void {
    const visit = beginVisit(exchange, this.#options)
    exchange.last = true
    answerWithProblem(visit, loopProblem(this.#options.self.role), this.#options)
  }

  /** Serves a CONNECT. */
  connect(exchange: Exchange, client: ClientConnection): void {
    const {report} = this.#options
    const visit = beginVisit(exchange, this.#options)
    const decided = this.#decide(exchange, client)
    const destination = isProblem(decided) ? undefined : decided
    const done = (end: End): void => {
      if (end.problem !== undefined) answerWithProblem(visit, end.problem, this.#options)
      report(entryOf(visit, 'connect', this.#options, destination, end))
      this.hold(client, end.outcome)
    }
    if (isProblem(decided)) done({problem: decided})
    else if (decided.kind === 'answer') {
      answerByItself(visit, decided, this.#options)
      done({})
    } else if (decided.kind === 'outside') {
      const place = this.#options.outside.place(decided)
      tryOutside(this.#options, decided, settler => this.#tryOne(exchange, client, place, settler), done)
    } else {
      seekService(this.#options, {
        visit,
        destination: decided,
        holdUntil: 0,
        method: 'GET',
        bodyConsumed: false,
        preferred: undefined,
        tryOne: (upstream, settler) => this.#tryOne(exchange, client, upstream, settler, upstream.pool),
        tried: attempted => done(endOf(decided, attempted)),
        ended: done,
      })
    }
  }

  #decide(exchange: Exchange, client: ClientConnection): Destination | Problem {
    const {role} = this.#options.self
    if (this.isOwn(client)) return loopProblem(role)
    if (client.within !== undefined)
      return {code: 'bad_proxy_request', detail: `This tunnel leads to “${client.within}”, not to other tunnels.`}
    const decide = role.decideConnect
    if (decide !== undefined) return settled(decide(exchange.head.target))
    return {code: 'invalid_request', detail: 'A router does not tunnel; CONNECT is for the proxy.'}
  }

  /** Counts a tunnel for as long as it lasts. */
  hold(client: ClientConnection, outcome: Tried | undefined): void {
    if (outcome?.kind !== 'answered' || outcome.until === undefined) return
    this.#open.add(client)
    this.#options.opened()
    void outcome.until.then(() => {
      this.#open.delete(client)
      this.#options.closed()
    })
  }

  /** Connects to `place`. `pool`: who has a use for the connection when requests come through the tunnel; without one they go through unseen. */
  #tryOne(exchange: Exchange, client: ClientConnection, place: Place, settler: Settler, pool?: Pool): void {
    const {limits, shared} = this.#options
    if (exchange.gone) {
      settler.settled({kind: 'client_gone'})
      return
    }
    let isOver = false
    let own = ''
    let isAdopted = false
    const end = (outcome: Tried): void => {
      if (isOver) return
      isOver = true
      exchange.watch(undefined)
      settler.settled(outcome)
    }
    const connection = new UpstreamConnection(place, shared, {
      onOpen: () => {
        own = connection.ends
        this.#ownEnds.add(own)
        const serve = (bytes: Buffer): void => {
          isAdopted = true
          this.#ownEnds.delete(own)
          connection.leaveTunnel()
          pool?.adopt(connection)
          client.leaveTunnel(exchange.head.target, bytes)
        }
        const until = this.#begin(exchange, client, connection, pool === undefined ? undefined : serve)
        end({kind: 'answered', status: 200, until})
      },
      onIdle: () => pool?.onIdle(connection),
      onClosed: (_connection, error) => {
        if (isAdopted) pool?.onClosed(connection, error)
        this.#ownEnds.delete(own)
        end({kind: 'failed', failure: failureOf(error, false, limits), sent: false, answerBegun: false})
      },
    })
    exchange.watch({
      onClientGone: () => {
        connection.abandon()
        end({kind: 'client_gone'})
      },
      onClientDrained: () => undefined,
    })
  }

  #begin(
    exchange: Exchange,
    client: ClientConnection,
    instance: UpstreamConnection,
    serve: ((bytes: Buffer) => void) | undefined,
  ): Promise<void> {
    const {tunnelIdleTimeoutMs} = this.#options.limits
    exchange.begin(200, 'HTTP/1.1 200 Connection Established\r\n\r\n', false)
    exchange.becomeTunnel()
    return serve === undefined
      ? joinTunnel(client, instance, tunnelIdleTimeoutMs)
      : joinUnlessHttp(client, instance, tunnelIdleTimeoutMs, serve)
  }

  /** Cuts off every open tunnel. */
  destroyAll(): void {
    for (const client of this.#open) client.destroy()
  }
}
