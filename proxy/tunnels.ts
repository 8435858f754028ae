// CONNECT: requests that end in a tunnel of raw bytes. Owns connecting, and which tunnels are open, WebSockets included; the bytes are http/tunnel.ts's.
import type {Tried} from './attempts.ts'
import type {Destination, OutsideDestination, ServiceDestination} from './destination.ts'
import {failureOf} from './failures.ts'
import type {ClientConnection} from './http/client-connection.ts'
import type {Exchange} from './http/exchange.ts'
import {joinTunnel} from './http/tunnel.ts'
import {type Place, type Shared, UpstreamConnection} from './http/upstream-connection.ts'
import {answerWithProblem, type End, type TrafficOptions} from './traffic.ts'
import {beginVisit, entryOf, failedProblem, findPlaces, isProblem, loopProblem, type Problem, settled} from './visit.ts'

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
    const visit = beginVisit(exchange, this.#options.now)
    exchange.last = true
    answerWithProblem(visit, loopProblem(this.#options.self.role), this.#options)
  }

  /** Serves a CONNECT. Never rejects. Resolves when the tunnel is over. */
  async connect(exchange: Exchange, client: ClientConnection): Promise<void> {
    const {report, now} = this.#options
    const visit = beginVisit(exchange, now)
    const decided = this.#decide(exchange, client)
    const end: End = isProblem(decided) ? {problem: decided} : {destination: decided, ...(await this.#connectTo(exchange, client, decided))}
    if (end.problem !== undefined) answerWithProblem(visit, end.problem, this.#options)
    report(entryOf(visit, 'connect', now, {status: exchange.status, ...end}))
    await this.hold(client, end.outcome)
  }

  #decide(exchange: Exchange, client: ClientConnection): Destination | Problem {
    const {role} = this.#options.self
    if (this.isOwn(client)) return loopProblem(role)
    const decide = role.decideConnect
    if (decide !== undefined) return settled(decide(exchange.head.target))
    return {code: 'invalid_request', detail: 'A router does not tunnel; CONNECT is for the proxy.'}
  }

  /** Counts a tunnel for as long as it lasts. */
  async hold(client: ClientConnection, outcome: Tried | undefined): Promise<void> {
    if (outcome?.kind !== 'answered' || outcome.until === undefined) return
    this.#open.add(client)
    this.#options.opened()
    await outcome.until
    this.#open.delete(client)
    this.#options.closed()
  }

  #connectTo(exchange: Exchange, client: ClientConnection, destination: Destination): Promise<End> {
    if (destination.kind === 'outside') return this.#tryOutside(exchange, client, destination)
    return this.#tryService(exchange, client, destination)
  }

  async #tryService(exchange: Exchange, client: ClientConnection, destination: ServiceDestination): Promise<End> {
    const {attempts, discovery} = this.#options
    const places = await findPlaces(destination, discovery)
    if (isProblem(places)) return {problem: places}
    const request = {method: 'GET', bodyConsumed: () => false}
    const attempted = await attempts.run(destination.address.formation, places, request, place => this.#tryOne(exchange, client, place))
    const {outcome, upstream} = attempted
    if (outcome.kind !== 'failed') return {attempted, outcome}
    return {attempted, outcome, problem: failedProblem(destination, upstream.name, outcome.failure, attempted.attempts)}
  }

  async #tryOutside(exchange: Exchange, client: ClientConnection, destination: OutsideDestination): Promise<End> {
    const {outside, limits} = this.#options
    const refusal = outside.refusal(destination.host)
    if (refusal !== undefined) return {problem: failedProblem(destination, destination.authority, failureOf(refusal, false, limits), 1)}
    const outcome = await this.#tryOne(exchange, client, outside.place(destination))
    return outcome.kind === 'failed' ? {outcome, problem: failedProblem(destination, destination.authority, outcome.failure, 1)} : {outcome}
  }

  #tryOne(exchange: Exchange, client: ClientConnection, place: Place): Promise<Tried> {
    const {limits, shared} = this.#options
    if (exchange.gone) return Promise.resolve({kind: 'client_gone'})
    return new Promise(resolve => {
      const fail = (error: Error | undefined): void => {
        exchange.watch(undefined)
        resolve({kind: 'failed', failure: failureOf(error, false, limits), sent: false, answerBegun: false})
      }
      const connection = new UpstreamConnection(place, shared, {
        onOpen: () => resolve({kind: 'answered', until: this.#begin(exchange, client, connection)}),
        onIdle: () => undefined,
        onClosed: (closed, error) => {
          this.#ownEnds.delete(closed.localPlace)
          fail(error)
        },
      })
      exchange.watch({
        onClientGone: () => {
          resolve({kind: 'client_gone'})
          connection.abandon()
        },
        onClientDrained: () => undefined,
      })
    })
  }

  #begin(exchange: Exchange, client: ClientConnection, instance: UpstreamConnection): Promise<void> {
    this.#ownEnds.add(instance.localPlace)
    exchange.begin(200, 'HTTP/1.1 200 Connection Established\r\n\r\n', false)
    exchange.becomeTunnel()
    return joinTunnel(client, instance, this.#options.limits.tunnelIdleTimeoutMs)
  }

  /** Cuts off every open tunnel. */
  destroyAll(): void {
    for (const client of this.#open) client.destroy()
  }
}
