// The traffic listener: node:http with its limits, and which kind of request goes where. Owns accepting and draining; serves nothing itself.
import {createServer, type IncomingMessage, type RequestListener, type Server} from 'node:http'
import type {AddressInfo, Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import type {Logger} from '#shared/log.ts'
import {answerProblem, answerProblemRaw} from './answers.ts'
import {codeOf} from './failures.ts'
import type {Limits} from './limits.ts'
import type {Traffic} from './traffic.ts'
import type {Tunnels} from './tunnels.ts'
import {beginVisit, loopProblem, type Self} from './visit.ts'

/** Only WebSockets are upgraded; every other `Upgrade` is ignored, as a server may (RFC 9110 §7.8), so that no other protocol slips through. */
const isWebSocket = ({method, headers}: IncomingMessage): boolean => method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'

/** Answers what could not be parsed, and closes. In the middle of an answer (`busy`) nothing more may be said. */
const answerMalformed = (error: Error, socket: Duplex, busy: boolean): void => {
  const code = codeOf(error)
  if (busy || code === 'ECONNRESET' || !socket.writable) socket.destroy(error)
  else if (code === 'HPE_HEADER_OVERFLOW') answerProblemRaw(socket, 'too_large', 'The head of the request is too large.', {requestId: '-'})
  else if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    answerProblemRaw(socket, 'invalid_request', 'The head of the request took too long.', {requestId: '-'})
  else answerProblemRaw(socket, 'invalid_request', `This is not HTTP: ${code || 'malformed request'}.`, {requestId: '-'})
}

/** Serves the requests of one connection one after the other: pipelined ones may depend on each other (RFC 9112 §9.3.2). */
class Line {
  readonly #last = new WeakMap<Duplex, Promise<void>>()
  readonly #onError: (error: unknown) => void

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  isBusy(socket: Duplex): boolean {
    return this.#last.has(socket)
  }

  /** Runs `work` when the work before it on this connection is done. A fault of ours ends the connection, not the process. */
  enter(socket: Duplex, work: () => Promise<void>): void {
    const before = this.#last.get(socket)
    const mine = (before === undefined ? work() : before.then(work))
      .catch((error: unknown) => {
        this.#onError(error)
        socket.destroy()
      })
      .finally(() => {
        if (this.#last.get(socket) === mine) this.#last.delete(socket)
      })
    this.#last.set(socket, mine)
  }
}

export interface ListenerOptions {
  readonly self: Self
  readonly traffic: Traffic
  readonly tunnels: Tunnels
  readonly limits: Limits
  readonly log: Logger
  readonly now: () => number
}

/** A server ready to listen. */
export const createListener = ({self, traffic, tunnels, limits, log, now}: ListenerOptions): Server => {
  const server = createServer({
    keepAliveTimeout: limits.keepAliveMs,
    headersTimeout: limits.headTimeoutMs,
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(5_000, limits.headTimeoutMs),
    maxHeaderSize: limits.headBytesMax,
    noDelay: true,
    shouldUpgradeCallback: isWebSocket,
  })
  server.maxConnections = limits.connectionsMax
  server.timeout = limits.idleTimeoutMs + 10_000
  const line = new Line(error => log.error({err: error}, 'a request could not be served'))
  const serve = (expectsContinue: boolean): RequestListener => {
    return (request, response) => {
      const {socket} = request
      if (!tunnels.isOwn(socket)) return line.enter(socket, () => traffic.serve(request, response, expectsContinue))
      const {code, detail} = loopProblem(self.role)
      answerProblem(response, code, detail, {requestId: beginVisit(request, now).requestId}, true)
    }
  }
  server.on('request', serve(false))
  server.on('checkContinue', serve(true))
  server.on('upgrade', (request, socket, head) => line.enter(socket, () => tunnels.upgrade(request, socket as Socket, head)))
  server.on('connect', (request, socket, head) => line.enter(socket, () => tunnels.connect(request, socket as Socket, head)))
  server.on('clientError', (error, socket) => answerMalformed(error, socket, line.isBusy(socket)))
  return server
}

/** Starts listening; rejects when the address is taken. */
export const listen = (server: Server, host: string, port: number): Promise<AddressInfo> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({host, port}, () => {
      server.off('error', reject)
      resolve(server.address() as AddressInfo)
    })
  })

/** Stops accepting and waits for requests in flight, at most `timeoutMs`; true when all of them ended by themselves. */
export const drain = async (server: Server, timeoutMs: number): Promise<boolean> => {
  const closed = new Promise<void>(resolve => {
    server.close(() => resolve())
  })
  const sweep = setInterval(() => server.closeIdleConnections(), 100)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>(resolve => {
    timer = setTimeout(() => resolve('late'), timeoutMs)
  })
  const ended = (await Promise.race([closed, late])) !== 'late'
  clearTimeout(timer)
  clearInterval(sweep)
  if (!ended) server.closeAllConnections()
  return ended
}
