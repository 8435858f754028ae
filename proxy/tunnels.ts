// CONNECT: requests that end in a tunnel of raw bytes. Owns connecting, and which tunnels are open, WebSockets included; the bytes are http/tunnel.ts's.
import type {Tried} from './attempts.ts'
import type {Destination} from './destination.ts'
import {failureOf} from './failures.ts'
import type {ClientConnection} from './http/client-connection.ts'
import type {Exchange} from './http/exchange.ts'
import {joinTunnel} from './http/tunnel.ts'
import {type Place, type Shared, UpstreamConnection} from './http/upstream-connection.ts'
import {answerByItself, answerWithProblem, type End, type TrafficOptions, tryOutside, tryService} from './traffic.ts'
import {beginVisit, entryOf, isProblem, loopProblem, type Problem, settled} from './visit.ts'

export interface TunnelOptions extends TrafficOptions {
  readonly shared: Shared
  readonly opened: () => void
  readonly closed: () => void
}

export class Tunnels {
  readonly #options: TunnelOptions
  readonly #open = new Set<ClientConnection>()
  /** Our own ends of tunnels: who calls us from one of them is ourselves. */
  readonly #ownEnds = new Set<string>()

  constructor(options: TunnelOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  /** Whether the peer of a connection is one of our own tunnels: a loop. */
  isOwn({peer}: ClientConnection): boolean {
    return this.#ownEnds.size > 0 && this.#ownEnds.has(`${peer.address}:${peer.port}`)
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
      tryOutside(this.#options, decided, settle => this.#tryOne(exchange, client, place, settle), done)
    } else {
      const request = {method: 'GET', bodyConsumed: () => false}
      tryService(this.#options, visit, decided, request, (upstream, settle) => this.#tryOne(exchange, client, upstream, settle), done)
    }
  }

  #decide(exchange: Exchange, client: ClientConnection): Destination | Problem {
    const {role} = this.#options.self
    if (this.isOwn(client)) return loopProblem(role)
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

  #tryOne(exchange: Exchange, client: ClientConnection, place: Place, settle: (outcome: Tried) => void): void {
    const {limits, shared} = this.#options
    if (exchange.gone) {
      settle({kind: 'client_gone'})
      return
    }
    let isOver = false
    let own = ''
    const end = (outcome: Tried): void => {
      if (isOver) return
      isOver = true
      exchange.watch(undefined)
      settle(outcome)
    }
    const connection = new UpstreamConnection(place, shared, {
      onOpen: () => {
        own = connection.localPlace
        this.#ownEnds.add(own)
        end({kind: 'answered', status: 200, until: this.#begin(exchange, client, connection)})
      },
      onIdle: () => undefined,
      onClosed: (_connection, error) => {
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

  #begin(exchange: Exchange, client: ClientConnection, instance: UpstreamConnection): Promise<void> {
    exchange.begin(200, 'HTTP/1.1 200 Connection Established\r\n\r\n', false)
    exchange.becomeTunnel()
    return joinTunnel(client, instance, this.#options.limits.tunnelIdleTimeoutMs)
  }

  /** Cuts off every open tunnel. */
  destroyAll(): void {
    for (const client of this.#open) client.destroy()
  }
}
