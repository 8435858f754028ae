// One HTTP request and its whole answer, over pooled connections of node:http: undici's fetch takes 30 MB more of each process that makes a few small calls.
import {Agent, request as httpRequest, type IncomingMessage, type RequestOptions} from 'node:http'

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
  const plain = {request: httpRequest, agent: new Agent({keepAlive: true})}
  // TLS is loaded by those who use it.
  let secure: Promise<{request: Request; agent: Agent}> | undefined
  const loadSecure = async () => {
    const https = await import('node:https')
    return {request: https.request, agent: new https.Agent({keepAlive: true})}
  }
  return async (url, {method, headers, body, signal}) => {
    if (url.startsWith('https:')) secure ??= loadSecure()
    const {request, agent} = url.startsWith('https:') && secure !== undefined ? await secure : plain
    const length = body === undefined ? {} : {'content-length': String(Buffer.byteLength(body))}
    return exchangeOnce(request, url, {method, headers: {...headers, ...length}, agent, signal}, body)
  }
}
