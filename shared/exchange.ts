// HTTP requests of few and small, or of single large messages, over node:http: undici's fetch takes 30 MB more of each process that makes them.
import {Agent, request as httpRequest, type IncomingMessage, type RequestOptions} from 'node:http'
import type {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'

const connectTimeoutMs = 5_000
/** Largest answer read, in bytes. */
export const answerBytesMax = 64 * 1_048_576

export interface Exchange {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly text: string
}

/** Makes the request and reads the answer, whatever its status. Rejects when there is no connection within 5 s, it breaks, or `signal` is aborted. */
export type Send = (url: string, exchange: Exchange) => Promise<Answer>

const read = async (response: IncomingMessage): Promise<Answer> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > answerBytesMax) throw new Error(`the answer has more than ${answerBytesMax} bytes`)
    chunks.push(chunk)
  }
  return {status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString()}
}

type Request = typeof httpRequest

interface Protocol {
  readonly request: Request
  readonly Agent: typeof Agent
}

/** TLS is loaded by those who use it. */
const protocolOf = async (url: string): Promise<Protocol> =>
  url.startsWith('https:') ? import('node:https') : {request: httpRequest, Agent}

const exchangeOnce = (request: Request, url: string, options: RequestOptions, body: string | undefined): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const asking = request(url, options)
    asking.on('response', response => read(response).then(resolve, reject))
    asking.on('error', reject)
    asking.on('socket', socket => {
      if (!socket.connecting) return
      const timer = setTimeout(() => asking.destroy(new Error(`no connection within ${connectTimeoutMs} ms`)), connectTimeoutMs)
      socket.once('connect', () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
    })
    asking.end(body)
  })

/** Makes a {@link Send} with connections of its own, which end by themselves when idle and keep no process alive. */
export const createSend = (): Send => {
  const agents = new Map<Protocol['Agent'], Agent>()
  return async (url, {method, headers, body, signal}) => {
    const protocol = await protocolOf(url)
    const agent = agents.get(protocol.Agent) ?? new protocol.Agent({keepAlive: true})
    agents.set(protocol.Agent, agent)
    const length = body === undefined ? {} : {'content-length': String(Buffer.byteLength(body))}
    return exchangeOnce(protocol.request, url, {method, headers: {...headers, ...length}, agent, signal}, body)
  }
}

export interface Transfer {
  readonly method: 'GET' | 'PUT'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Readable
  /** Given up when no byte moves for this long. */
  readonly idleMs: number
  readonly signal?: AbortSignal
}

/** Sends what may be large on a connection of its own; resolves to the answer once its headers are there. The caller must read it, or destroy it. */
export const transfer = async (url: string, {method, headers, body, idleMs, signal}: Transfer): Promise<IncomingMessage> => {
  const {request} = await protocolOf(url)
  return new Promise((resolve, reject) => {
    const asking = request(url, {
      method,
      agent: false,
      ...(headers === undefined ? {} : {headers}),
      ...(signal === undefined ? {} : {signal}),
    })
    asking.setTimeout(idleMs, () => asking.destroy(new Error(`nothing moved for ${idleMs / 1_000} s`)))
    asking.on('response', resolve).on('error', reject)
    if (body === undefined) asking.end()
    else pipeline(body, asking).catch(reject)
  })
}
