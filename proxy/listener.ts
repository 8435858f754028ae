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

/** Answers what could not be parsed, and closes. */
const answerMalformed = (error: Error, socket: Duplex): void => {
  const code = codeOf(error)
  if (code === 'ECONNRESET' || !socket.writable) socket.destroy(error)
  else if (code === 'HPE_HEADER_OVERFLOW') answerProblemRaw(socket, 'too_large', 'The head of the request is too large.', {requestId: '-'})
  else if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    answerProblemRaw(socket, 'invalid_request', 'The head of the request took too long.', {requestId: '-'})
  else answerProblemRaw(socket, 'invalid_request', `This is not HTTP: ${code || 'malformed request'}.`, {requestId: '-'})
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
  /** A fault of ours ends one connection, not the process. */
  const guarded = (work: Promise<void>, socket: Duplex): void => {
    work.catch((error: unknown) => {
      log.error({err: error}, 'a request could not be served')
      socket.destroy()
    })
  }
  const serve = (expectsContinue: boolean): RequestListener => {
    return (request, response) => {
      if (!tunnels.isOwn(request.socket)) return guarded(traffic.serve(request, response, expectsContinue), request.socket)
      const {code, detail} = loopProblem(self.role)
      answerProblem(response, code, detail, {requestId: beginVisit(request, now).requestId}, true)
    }
  }
  server.on('request', serve(false))
  server.on('checkContinue', serve(true))
  server.on('upgrade', (request, socket, head) => guarded(tunnels.upgrade(request, socket as Socket, head), socket))
  server.on('connect', (request, socket, head) => guarded(tunnels.connect(request, socket as Socket, head), socket))
  server.on('clientError', answerMalformed)
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
