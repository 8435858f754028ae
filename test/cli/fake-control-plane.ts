// A control plane on loopback that answers what a test tells it to, held to the endpoint table: what the CLI sends must fit its schemas, and so must the
// answers. Keeps every call.
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import type {z} from 'zod'
import {type Endpoint, type EndpointName, endpoints, type OutputOf} from '#shared/endpoints.ts'
import {type ErrorCode, errorCodes, GilliamError, problem} from '#shared/errors.ts'

export const token = 'gil_admin_test'

export interface Call {
  readonly name: EndpointName
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies that were checked by their schema
  readonly body: any
  readonly headers: IncomingMessage['headers']
}

/** What the test answers; a GilliamError becomes a problem document. */
export type Answers = {[N in EndpointName]?: (call: Call) => OutputOf<N> | Promise<OutputOf<N>>}

const isEndpointName = (name: string): name is EndpointName => Object.hasOwn(endpoints, name)

const pattern = (endpoint: Endpoint): RegExp =>
  new RegExp(`^${endpoint.path.replace('.', '\\.').replace(/\{(\w+)\}/g, (_, name: string) => `(?<${name}>[^/]+)`)}$`)

const find = (method: string, path: string): {name: EndpointName; params: Record<string, string>} | undefined => {
  for (const [name, endpoint] of Object.entries(endpoints) as [EndpointName, Endpoint][]) {
    const match = endpoint.method === method ? pattern(endpoint).exec(path) : null
    if (match === null || !isEndpointName(name)) continue
    const params = Object.entries(match.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)])
    return {name, params: Object.fromEntries(params)}
  }
  return undefined
}

const check = (schema: z.ZodType | undefined, value: unknown, what: string): void => {
  const result = schema?.safeParse(value)
  if (result?.success === false) throw new GilliamError('invalid_request', `${what}: ${result.error.message}`)
}

const readAll = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

export class FakeControlPlane {
  readonly calls: Call[] = []
  /** Uploaded bodies by path. */
  readonly uploads = new Map<string, Buffer>()
  readonly uploadHeaders: IncomingMessage['headers'][] = []
  answers: Answers
  readonly #server = createServer((request, response) => void this.#serve(request, response))

  constructor(answers: Answers = {}) {
    this.answers = answers
  }

  async start(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  /** The calls of one endpoint. */
  of(name: EndpointName): Call[] {
    return this.calls.filter(call => call.name === name)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://host')
    const content = await readAll(request)
    try {
      if (url.pathname.startsWith('/upload/')) {
        this.uploads.set(url.pathname, content)
        this.uploadHeaders.push(request.headers)
        response.writeHead(200).end()
      } else await this.#answer(request, response, url, content)
    } catch (error) {
      const known = error instanceof GilliamError ? error : new GilliamError('internal', String(error))
      this.#problem(response, known.code, known)
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, url: URL, content: Buffer): Promise<void> {
    const found = find(request.method ?? '', url.pathname)
    if (found === undefined) throw new GilliamError('internal', `no endpoint ${request.method} ${url.pathname}`)
    const endpoint: Endpoint = endpoints[found.name]
    if (request.headers.authorization !== `Bearer ${token}`) throw new GilliamError('unauthenticated', 'No such token.')
    const body = content.length === 0 ? undefined : (JSON.parse(content.toString()) as unknown)
    const query = Object.fromEntries(url.searchParams)
    const call = {...found, query, body, headers: request.headers}
    this.calls.push(call)
    for (const [name, schema] of Object.entries(endpoint.params ?? {})) check(schema, found.params[name], `path ${name}`)
    check(endpoint.query, query, 'query')
    check(endpoint.request, body, 'body')
    const answer = this.answers[found.name]
    if (answer === undefined) throw new GilliamError('not_found', `The test has no answer for ${found.name}.`)
    const value: unknown = await answer(call)
    if (endpoint.response !== undefined && endpoint.response.safeParse(value).success === false)
      throw new GilliamError('internal', `the test's answer for ${found.name} does not fit: ${endpoint.response.safeParse(value).error}`)
    response.writeHead(endpoint.status, {'content-type': 'application/json'})
    response.end(value === undefined ? undefined : JSON.stringify(value))
  }

  #problem(response: ServerResponse, code: ErrorCode, error: GilliamError): void {
    response.writeHead(errorCodes[code].status, {'content-type': 'application/problem+json'})
    response.end(JSON.stringify(problem(code, error.message, error.errors === undefined ? {} : {errors: error.errors})))
  }
}
