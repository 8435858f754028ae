// WebSocket upgrades and CONNECT: requests that end in a tunnel. Owns the open tunnels and their end; bytes are tunnel.ts's and upgrade.ts's business.
import type {IncomingMessage} from 'node:http'
import type {Socket} from 'node:net'
import {answerBareRaw, answerProblemRaw} from './answers.ts'
import type {Attempted, Tried} from './attempts.ts'
import type {Destination, OutsideDestination, ServiceDestination} from './destination.ts'
import {failureOf} from './failures.ts'
import type {Entry} from './report.ts'
import type {TrafficOptions} from './traffic.ts'
import {connectTo, splice} from './tunnel.ts'
import {tryUpgrade} from './upgrade.ts'
import {
  beginVisit,
  decide,
  entryOf,
  failedProblem,
  findPlaces,
  headersFor,
  isProblem,
  loopProblem,
  type Problem,
  settled,
  type Visit,
} from './visit.ts'

export interface TunnelOptions extends TrafficOptions {
  readonly opened: () => void
  readonly closed: () => void
}

interface End {
  readonly destination?: Destination
  readonly attempted?: Attempted
  readonly outcome?: Tried & {status?: number}
  readonly problem?: Problem
}

const placeText = (address: string | undefined, port: number | undefined): string => `${address?.replace(/^::ffff:/, '')}:${port}`

export class Tunnels {
  readonly #options: TunnelOptions
  readonly #open = new Set<Socket>()
  /** Our own ends of tunnels: who calls us from one of them is ourselves. */
  readonly #ownEnds = new Set<string>()

  constructor(options: TunnelOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  /** Whether the peer of a connection is one of our own tunnels: a loop. */
  isOwn(socket: Socket): boolean {
    return this.#ownEnds.has(placeText(socket.remoteAddress, socket.remotePort))
  }

  /** Serves a WebSocket handshake. Never rejects. */
  async upgrade(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    const visit = beginVisit(request, this.#options.now)
    const decided = decide(visit, this.#options.self, true)
    await this.#run('upgrade', visit, client, decided, destination => this.#upgradeTo(visit, client, head, destination))
  }

  /** Serves a CONNECT. Never rejects. */
  async connect(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    const visit = beginVisit(request, this.#options.now)
    const {role} = this.#options.self
    const decided = this.isOwn(request.socket)
      ? loopProblem(role)
      : settled(
          role.decideConnect?.(request.url ?? '') ?? {
            ok: false,
            code: 'invalid_request',
            detail: 'A router does not tunnel; CONNECT is for the proxy.',
          },
        )
    await this.#run('connect', visit, client, decided, destination => this.#connectTo(visit, client, head, destination))
  }

  async #run(
    kind: Entry['kind'],
    visit: Visit,
    client: Socket,
    decided: Destination | Problem,
    deliver: (destination: ServiceDestination | OutsideDestination) => Promise<End>,
  ): Promise<void> {
    const {report, now} = this.#options
    client.on('error', () => client.destroy())
    if (!isProblem(decided) && decided.kind === 'answer') {
      answerBareRaw(client, decided.status, decided.headers, visit.requestId)
      report(entryOf(visit, kind, now, {status: decided.status, destination: decided}))
      return
    }
    const end: End = isProblem(decided) ? {problem: decided} : {destination: decided, ...(await deliver(decided))}
    const {problem, outcome} = end
    if (problem !== undefined) {
      const {code, detail, ...where} = problem
      answerProblemRaw(client, code, detail, {requestId: visit.requestId, ...where})
    }
    const gone = outcome?.kind === 'client_gone'
    report(entryOf(visit, kind, now, {status: gone ? 0 : (outcome?.status ?? 0), ...end}))
    if (outcome?.kind === 'answered' && outcome.until !== undefined) await this.#hold(client, outcome.until)
  }

  async #hold(client: Socket, until: Promise<void>): Promise<void> {
    this.#open.add(client)
    this.#options.opened()
    await until
    this.#open.delete(client)
    this.#options.closed()
  }

  async #upgradeTo(visit: Visit, client: Socket, head: Buffer, destination: ServiceDestination | OutsideDestination): Promise<End> {
    const {limits, self} = this.#options
    const request = {path: destination.path, headers: headersFor(visit, destination, self), head}
    if (destination.kind === 'service') return this.#try(visit, destination, place => tryUpgrade(place, client, request, limits))
    return this.#tryOutside(destination, place => tryUpgrade(place, client, request, limits))
  }

  async #connectTo(visit: Visit, client: Socket, head: Buffer, destination: ServiceDestination | OutsideDestination): Promise<End> {
    const open = (place: {host: string; port: number}) => this.#tryConnect(place, client, head, destination.kind === 'outside')
    return destination.kind === 'service' ? this.#try(visit, destination, open) : this.#tryOutside(destination, open)
  }

  async #try(visit: Visit, destination: ServiceDestination, tryOne: (place: {host: string; port: number}) => Promise<Tried>): Promise<End> {
    const {attempts} = this.#options
    const places = await findPlaces(visit, destination, this.#options)
    if (isProblem(places)) return {problem: places}
    const request = {method: 'GET', bodyConsumed: () => false}
    const attempted = await attempts.run(destination.address.formation, places, request, tryOne)
    const {outcome, upstream} = attempted
    if (outcome.kind !== 'failed') return {attempted, outcome}
    return {attempted, outcome, problem: failedProblem(destination, upstream.name, outcome.failure, attempted.attempts)}
  }

  async #tryOutside(destination: OutsideDestination, tryOne: (place: {host: string; port: number}) => Promise<Tried>): Promise<End> {
    const {outside, limits} = this.#options
    try {
      outside.check(destination.host)
    } catch (error) {
      return {problem: failedProblem(destination, destination.authority, failureOf(error, false, limits), 1)}
    }
    const outcome = await tryOne({host: destination.host.replace(/^\[|\]$/g, ''), port: destination.port})
    return outcome.kind === 'failed' ? {outcome, problem: failedProblem(destination, destination.authority, outcome.failure, 1)} : {outcome}
  }

  async #tryConnect(
    place: {host: string; port: number},
    client: Socket,
    head: Buffer,
    isOutside: boolean,
  ): Promise<Tried & {status?: number}> {
    const {limits, outside} = this.#options
    if (client.destroyed) return {kind: 'client_gone'}
    const lookup = isOutside ? {lookup: outside.lookup} : {}
    try {
      const socket = await connectTo({...place, timeoutMs: limits.connectTimeoutMs, ...lookup})
      const own = placeText(socket.localAddress, socket.localPort)
      this.#ownEnds.add(own)
      socket.once('close', () => this.#ownEnds.delete(own))
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      if (head.length > 0) socket.write(head)
      return {kind: 'answered', status: 200, until: splice(client, socket, limits.tunnelIdleTimeoutMs)}
    } catch (error) {
      return {kind: 'failed', failure: failureOf(error, false, limits), sent: false, answerBegun: false}
    }
  }

  /** Cuts off every open tunnel. */
  destroyAll(): void {
    for (const socket of this.#open) socket.destroy()
  }
}
