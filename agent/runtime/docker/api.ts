// Speaks to one Docker engine over its socket: requests, JSON, streams (Docker Engine API). Knows no paths but those a caller names. Over node:http, since
// undici would take 30 MB more of every agent.
import {Agent, type ClientRequest, type IncomingMessage, request} from 'node:http'
import type {Duplex, Readable} from 'node:stream'

/** The newest version of the API this was written for; an older engine is spoken to in its own. */
const versionMax = '1.47'
const callTimeoutMs = 30_000
const answerBytesMax = 16 * 1_048_576

/** The engine does not answer: nothing is known of what it runs. */
export class EngineUnreachable extends Error {}

/** The engine answered that it will not. `message` is its own. */
export class EngineRefusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

type Method = 'GET' | 'POST' | 'DELETE'

export interface CallOptions {
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON; a stream is sent as it is. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** Until the answer is complete (of a stream: until it begins). */
  readonly timeoutMs?: number
}

/** Whether version `a` comes before `b`. */
const isBefore = (a: string, b: string): boolean => {
  const [[majorA = 0, minorA = 0], [majorB = 0, minorB = 0]] = [a.split('.').map(Number), b.split('.').map(Number)]
  return majorA === majorB ? minorA < minorB : majorA < majorB
}

const complaintIn = (text: string, status: number): string => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string') return value.message
  } catch {
    // Not the engine's own form: what it says is all there is.
  }
  return text.trim() === '' ? `answered ${status}` : text.trim()
}

const readAll = async (body: Readable): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > answerBytesMax) throw new Error(`the engine's answer is longer than ${answerBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const isStream = (body: unknown): body is Readable => typeof body === 'object' && body !== null && 'pipe' in body

export class EngineApi {
  readonly socketPath: string
  readonly #agent = new Agent({keepAlive: true, maxFreeSockets: 8})
  #prefix: Promise<string> | undefined

  constructor(socketPath: string) {
    this.socketPath = socketPath
  }

  /** The answer as JSON, undefined when it is empty. Throws {@link EngineRefusal}, {@link EngineUnreachable}, or the signal's reason. */
  async call<T>(method: Method, path: string, options: CallOptions = {}): Promise<T> {
    const {timeoutMs = callTimeoutMs, signal} = options
    const deadline = AbortSignal.timeout(timeoutMs)
    const both = signal === undefined ? deadline : AbortSignal.any([signal, deadline])
    const answer = await this.#versioned(method, path, {...options, signal: both})
    const text = await readAll(answer).catch(error => {
      throw signal?.aborted ? signal.reason : this.#unreachable(error)
    })
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  /** The answer as a stream that goes on for as long as the engine wants; throws like {@link call}. */
  async stream(method: Method, path: string, options: CallOptions = {}): Promise<Readable> {
    const {timeoutMs = callTimeoutMs, signal} = options
    const opening = new AbortController()
    const timer = setTimeout(() => opening.abort(new Error('no answer in time')), timeoutMs)
    try {
      return await this.#versioned(method, path, {
        ...options,
        signal: signal === undefined ? opening.signal : AbortSignal.any([signal, opening.signal]),
      })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Takes a connection over (Docker Engine API, “Hijacking” of ContainerAttach): from here on it carries a command's own bytes, both ways. Throws like {@link call}. */
  async upgrade(path: string, {query, body, timeoutMs = callTimeoutMs}: Omit<CallOptions, 'signal' | 'headers'>): Promise<Duplex> {
    const prefix = await this.#version(AbortSignal.timeout(timeoutMs))
    const headers = {connection: 'Upgrade', upgrade: 'tcp'}
    const asked = this.#request('POST', `${prefix}${path}`, {headers, ...(query && {query}), ...(body !== undefined && {body})})
    const timer = setTimeout(() => asked.destroy(new Error('no answer in time')), timeoutMs)
    try {
      return await this.#takenOver(asked, body)
    } finally {
      clearTimeout(timer)
    }
  }

  #takenOver(asked: ClientRequest, body: unknown): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      asked.once('upgrade', (_, socket, head) => {
        if (head.length > 0) socket.unshift(head)
        resolve(socket)
      })
      asked.once('response', answer => {
        const status = answer.statusCode ?? 0
        readAll(answer).then(text => reject(new EngineRefusal(status, complaintIn(text, status))), reject)
      })
      asked.once('error', error => reject(this.#unreachable(error)))
      asked.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  /** Ends everything under way. */
  close(): void {
    this.#agent.destroy()
  }

  async #versioned(method: Method, path: string, options: CallOptions): Promise<Readable> {
    const prefix = await this.#version(options.signal)
    const answer = await this.#send(method, `${prefix}${path}`, options)
    // 304: it is so already (started, stopped).
    if ((answer.statusCode ?? 0) < 400) return answer
    throw new EngineRefusal(answer.statusCode ?? 0, complaintIn(await readAll(answer), answer.statusCode ?? 0))
  }

  // Asked once; an engine that is upgraded meanwhile speaks the old version too.
  #version(signal: AbortSignal | undefined): Promise<string> {
    this.#prefix ??= this.#ping(signal).catch(error => {
      this.#prefix = undefined
      throw error
    })
    return this.#prefix
  }

  async #ping(signal: AbortSignal | undefined): Promise<string> {
    const answer = await this.#send('GET', '/_ping', signal === undefined ? {} : {signal})
    answer.resume()
    const version = answer.headers['api-version']
    if (answer.statusCode !== 200 || typeof version !== 'string')
      throw new EngineUnreachable(`what listens at ${this.socketPath} is no Docker engine`)
    return `/v${isBefore(version, versionMax) ? version : versionMax}`
  }

  #request(method: Method, path: string, {query = {}, body, headers = {}, signal}: CallOptions): ClientRequest {
    const search = new URLSearchParams(query).toString()
    const type = body === undefined || isStream(body) ? {} : {'content-type': 'application/json'}
    return request({
      socketPath: this.socketPath,
      agent: this.#agent,
      method,
      path: search === '' ? path : `${path}?${search}`,
      headers: {host: 'docker', ...type, ...headers},
      ...(signal === undefined ? {} : {signal}),
    })
  }

  #send(method: Method, path: string, options: CallOptions): Promise<IncomingMessage> {
    const {body} = options
    return new Promise((resolve, reject) => {
      const asked = this.#request(method, path, options)
      asked.once('response', resolve)
      asked.once('error', error => reject(this.#unreachable(error)))
      if (isStream(body)) body.pipe(asked)
      else asked.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  #unreachable(error: Error): EngineUnreachable {
    const why = error.name === 'AbortError' ? 'not in time' : ((error as NodeJS.ErrnoException).code ?? error.message)
    return new EngineUnreachable(`the Docker engine at ${this.socketPath} does not answer (${why})`, {cause: error})
  }
}
