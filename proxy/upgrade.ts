// WebSocket upgrades: passes the handshake on and splices the two connections once the instance has switched protocols; any other answer is relayed and
// ends the connection, so that nothing unchecked can follow it.
import {request as httpRequest, type IncomingMessage, STATUS_CODES} from 'node:http'
import type {Socket} from 'node:net'
import type {Tried} from './attempts.ts'
import {failureOf} from './failures.ts'
import {endToEnd} from './headers.ts'
import type {Limits} from './limits.ts'
import {connectTo, splice} from './tunnel.ts'

export interface UpgradeRequest {
  readonly path: string
  /** Names and values in turn, without `Connection` and `Upgrade`. */
  readonly headers: readonly string[]
  /** Bytes the client sent after its request. */
  readonly head: Buffer
}

const rawHead = (status: number, statusText: string, headers: readonly string[]): string => {
  let text = `HTTP/1.1 ${status} ${statusText || (STATUS_CODES[status] ?? '')}\r\n`
  for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${text}\r\n`
}

const switchProtocols = (
  client: Socket,
  instance: Socket,
  answer: IncomingMessage,
  heads: {client: Buffer; instance: Buffer},
  limits: Limits,
) => {
  const headers = [...endToEnd(answer.rawHeaders), 'connection', 'Upgrade', 'upgrade', 'websocket']
  client.write(rawHead(101, answer.statusMessage ?? '', headers), 'latin1')
  if (heads.instance.length > 0) client.write(heads.instance)
  if (heads.client.length > 0) instance.write(heads.client)
  return splice(client, instance, limits.tunnelIdleTimeoutMs)
}

const relayRefusal = (client: Socket, answer: IncomingMessage, limits: Limits): void => {
  const headers = [...endToEnd(answer.rawHeaders, new Set(['content-length'])), 'connection', 'close']
  client.write(rawHead(answer.statusCode ?? 502, answer.statusMessage ?? '', headers), 'latin1')
  answer.on('error', () => client.destroy())
  answer.pipe(client)
  answer.setTimeout(limits.idleTimeoutMs, () => client.destroy())
  client.once('finish', () => client.destroy())
  client.once('close', () => answer.destroy())
  // What the client sends now is dropped; reading it is how its end is noticed.
  client.resume()
}

const exchange = (instance: Socket, client: Socket, request: UpgradeRequest, limits: Limits): Promise<Tried & {status?: number}> =>
  new Promise(resolve => {
    const headers = [...request.headers, 'connection', 'Upgrade', 'upgrade', 'websocket']
    const outgoing = httpRequest({method: 'GET', path: request.path, headers, setHost: false, createConnection: () => instance})
    const timer = setTimeout(() => {
      outgoing.destroy(Object.assign(new Error('no answer'), {code: 'UND_ERR_HEADERS_TIMEOUT'}))
    }, limits.firstByteTimeoutMs)
    const onClientClose = (): void => {
      resolve({kind: 'client_gone'})
      outgoing.destroy()
    }
    const answered = (): void => {
      clearTimeout(timer)
      client.off('close', onClientClose)
    }
    client.once('close', onClientClose)
    outgoing.on('error', error => {
      answered()
      resolve({kind: 'failed', failure: failureOf(error, true, limits), sent: true, answerBegun: false})
    })
    outgoing.on('upgrade', (answer, socket, head) => {
      answered()
      resolve({
        kind: 'answered',
        status: 101,
        until: switchProtocols(client, socket as Socket, answer, {client: request.head, instance: head}, limits),
      })
    })
    outgoing.on('response', answer => {
      answered()
      relayRefusal(client, answer, limits)
      resolve({kind: 'answered', status: answer.statusCode ?? 502})
    })
    outgoing.end()
  })

/** Tries the upgrade at one instance. `answered` means that the client got an answer; `until` lasts as long as the WebSocket. */
export const tryUpgrade = async (
  place: {host: string; port: number},
  client: Socket,
  request: UpgradeRequest,
  limits: Limits,
): Promise<Tried & {status?: number}> => {
  if (client.destroyed) return {kind: 'client_gone'}
  try {
    const instance = await connectTo({...place, timeoutMs: limits.connectTimeoutMs})
    return await exchange(instance, client, request, limits)
  } catch (error) {
    return {kind: 'failed', failure: failureOf(error, false, limits), sent: false, answerBegun: false}
  }
}
