// The relay's listener: WebSockets with a ticket in `Authorization`, on any path. Owns what is refused before there is a session, and fetching the keys that
// tickets are checked with.
import {createServer, type IncomingMessage, type Server} from 'node:http'
import type {Duplex} from 'node:stream'
import type {WebSocketServer} from 'ws'
import {type ErrorCode, errorCodes, problem} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import type {Presented, RelayKey} from '#shared/sessions/tickets.ts'
import type {RelayLimits} from './limits.ts'
import {type Refusal, Rendezvous} from './rendezvous.ts'
import {type FetchRevoked, watchRevoked} from './revoked.ts'

/** Keys are fetched again for a ticket that fits none, at most this often: anybody can show a ticket that fits none. */
const keysEveryMs = 2_000
const headTimeoutMs = 10_000
const ticketCharactersMax = 2_048
/** Connections besides the two of each session: some who are being refused, and no more than leave files open for others. */
const strangersMax = 256

export interface RelayOptions {
  readonly fetchKeys: () => Promise<readonly RelayKey[]>
  readonly fetchRevoked: FetchRevoked
  readonly limits: RelayLimits
  readonly log: Logger
  readonly now: () => number
}

export interface Relay {
  readonly server: Server
  /** Sessions there are. */
  readonly size: () => number
  /** Bytes on their way to slow sides. */
  readonly bytes: () => number
  /** Ends every session and the listener. */
  readonly close: () => Promise<void>
}

const refuse = (socket: Duplex, code: ErrorCode, detail: string): void => {
  const {status} = errorCodes[code]
  const body = JSON.stringify(problem(code, detail))
  const head = [`HTTP/1.1 ${status} ${code}`, 'content-type: application/problem+json', `content-length: ${Buffer.byteLength(body)}`]
  // Nobody else minds this connection any more: it must not depend on the other end closing it.
  socket.end(`${head.join('\r\n')}\r\nconnection: close\r\n\r\n${body}`, () => socket.destroy())
}

const refusals: Readonly<Record<Refusal, readonly [ErrorCode, string]>> = {
  used: ['unauthenticated', 'This ticket was used before.'],
  early: ['unavailable', 'This relay began after the ticket was made, and can not know whether it was used; try again.'],
  over: ['unauthenticated', 'The time of this session is over.'],
  full: ['unavailable', 'This relay has as many sessions as it takes; try again.'],
  share: ['unavailable', 'This relay has as many sessions of this formation as it takes of one; end some, or try again.'],
}

const ticketIn = ({headers}: IncomingMessage): string | undefined => {
  const {authorization = ''} = headers
  return authorization.length > ticketCharactersMax ? undefined : /^Bearer ([A-Za-z0-9._-]+)$/.exec(authorization)?.[1]
}

/** Checks tickets with the keys that it has, and with newer ones. What it needs for that is loaded with the first ticket. */
const createCheck = ({fetchKeys, log, now}: RelayOptions) => {
  let keys: readonly RelayKey[] = []
  let fetchedAt = Number.NEGATIVE_INFINITY
  let fetching: Promise<void> | undefined
  const refresh = async (): Promise<void> => {
    fetchedAt = now()
    keys = await fetchKeys().catch(error => {
      log.warn({err: error}, 'the keys of tickets can not be fetched')
      return keys
    })
  }
  return async (text: string): Promise<Presented | undefined> => {
    const {verifyTicket} = await import('#shared/sessions/tickets.ts')
    const ticket = await verifyTicket(keys, text, now())
    if (ticket !== undefined || (fetching === undefined && now() - fetchedAt < keysEveryMs)) return ticket
    fetching ??= refresh().finally(() => {
      fetching = undefined
    })
    await fetching
    return verifyTicket(keys, text, now())
  }
}

export const createRelay = (options: RelayOptions): Relay => {
  const {limits, log, now} = options
  const rendezvous = new Rendezvous({limits, now})
  const check = createCheck(options)
  const stopWatching = watchRevoked({...options, everyMs: limits.revokedEveryMs, rendezvous})
  let upgrading: Promise<WebSocketServer> | undefined
  const loadUpgrades = async (): Promise<WebSocketServer> => {
    const {WebSocketServer} = await import('ws')
    return new WebSocketServer({noServer: true, perMessageDeflate: false, maxPayload: limits.frameBytesMax})
  }
  const admit = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const text = ticketIn(request)
    const ticket = text === undefined ? undefined : await check(text)
    if (ticket === undefined) return refuse(socket, 'unauthenticated', 'Show a ticket that holds: `Authorization: Bearer TICKET`.')
    upgrading ??= loadUpgrades()
    const upgrades = await upgrading
    const refusal = rendezvous.take(ticket)
    if (refusal !== undefined) return refuse(socket, ...refusals[refusal])
    upgrades.handleUpgrade(request, socket, head, webSocket => rendezvous.admit(ticket, webSocket))
  }
  const server = createServer((_, response) => {
    const body = JSON.stringify(problem('not_found', 'This is a relay of sessions: it takes WebSockets with a ticket.'))
    response.writeHead(404, {'content-type': 'application/problem+json', connection: 'close'}).end(body)
  })
  server.headersTimeout = headTimeoutMs
  server.maxConnections = 2 * limits.sessionsMax + strangersMax
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    admit(request, socket, head).catch((error: unknown) => {
      log.error({err: error}, 'a side could not be let in')
      socket.destroy()
    })
  })
  return {
    server,
    size: () => rendezvous.size,
    bytes: () => rendezvous.bytes,
    close: () =>
      new Promise(resolve => {
        stopWatching()
        server.close(() => resolve())
        rendezvous.end()
        server.closeAllConnections()
      }),
  }
}
