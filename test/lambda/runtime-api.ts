// Lambda's side of the Runtime API, for one function: hands out events one at a time and takes the answers. What AWS documents, and no more:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
import {randomUUID} from 'node:crypto'
import {once} from 'node:events'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'

const prefix = '/2018-06-01/runtime/'

interface Invocation {
  readonly id: string
  readonly event: unknown
  readonly timeoutMs: number
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
}

/** What a function throws or fails to start with, as it told the API. */
export class FunctionError extends Error {}

export interface RuntimeApi {
  /** `host:port`, for AWS_LAMBDA_RUNTIME_API. */
  readonly address: string
  /** Resolves when the runtime first asks for an event; rejects when it says that it can not start. */
  readonly ready: Promise<void>
  /** One event after the other: a second one waits until the first is answered. Rejects with FunctionError, or after `timeoutMs`. */
  readonly invoke: (event: unknown, timeoutMs?: number) => Promise<unknown>
  readonly stop: () => Promise<void>
}

export interface RuntimeApiOptions {
  readonly functionName: string
  /** Called before an event is handed over, and after it was answered: Lambda freezes what has nothing to do. */
  readonly thaw?: () => void
  readonly freeze?: () => void
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const headersOf = ({id, timeoutMs}: Invocation, functionName: string): Record<string, string> => ({
  'content-type': 'application/json',
  'lambda-runtime-aws-request-id': id,
  'lambda-runtime-deadline-ms': String(Date.now() + timeoutMs),
  'lambda-runtime-invoked-function-arn': `arn:aws:lambda:eu-west-1:111122223333:function:${functionName}`,
  'lambda-runtime-trace-id': 'Root=1-00000000-000000000000000000000000;Sampled=0',
})

const createQueue = ({functionName, thaw, freeze}: RuntimeApiOptions) => {
  const waiting: Invocation[] = []
  let running: Invocation | undefined
  let asking: ServerResponse | undefined

  const hand = (): void => {
    if (asking === undefined || running !== undefined) return
    running = waiting.shift()
    if (running === undefined) return
    thaw?.()
    asking.writeHead(200, headersOf(running, functionName)).end(JSON.stringify(running.event))
    asking = undefined
  }

  return {
    ask: (response: ServerResponse): void => {
      asking = response
      hand()
      if (running === undefined) freeze?.()
    },
    add: (invocation: Invocation): void => {
      waiting.push(invocation)
      hand()
    },
    /** Ends the running invocation. */
    end: (id: string, how: (invocation: Invocation) => void): boolean => {
      if (running?.id !== id) return false
      const ended = running
      running = undefined
      how(ended)
      return true
    },
  }
}

const errorOf = (text: string): FunctionError => {
  const {errorType, errorMessage} = JSON.parse(text) as {errorType?: string; errorMessage?: string}
  return new FunctionError(`${errorType}: ${errorMessage}`)
}

/** Starts the API for one function on a port of 127.0.0.1. */
export const startRuntimeApi = async (options: RuntimeApiOptions): Promise<RuntimeApi> => {
  const queue = createQueue(options)
  const ready = Promise.withResolvers<void>()
  ready.promise.catch(() => undefined)

  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url?.slice(prefix.length) ?? ''
    if (request.method === 'GET' && path === 'invocation/next') {
      ready.resolve()
      return queue.ask(response)
    }
    const text = await bodyOf(request)
    const [, id = '', kind] = /^invocation\/([^/]+)\/(response|error)$/.exec(path) ?? []
    if (path === 'init/error') ready.reject(errorOf(text))
    else if (kind === 'error') queue.end(id, ({reject}) => reject(errorOf(text)))
    else if (kind === 'response') queue.end(id, ({resolve}) => resolve(text === '' ? undefined : JSON.parse(text)))
    else return void response.writeHead(404).end()
    response.writeHead(202, {'content-type': 'application/json'}).end('{"status":"OK"}')
  }

  const server = createServer((request, response) => void take(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    ready: ready.promise,
    invoke: (event, timeoutMs = 30_000) =>
      new Promise((resolve, reject) => {
        const id = randomUUID()
        const tooLong = new Error(`${options.functionName} did not answer within ${timeoutMs} ms`)
        const timer = setTimeout(() => queue.end(id, () => reject(tooLong)), timeoutMs)
        const done =
          <T>(how: (value: T) => void) =>
          (value: T): void => {
            clearTimeout(timer)
            how(value)
          }
        queue.add({id, event, timeoutMs, resolve: done(resolve), reject: done(reject)})
      }),
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
