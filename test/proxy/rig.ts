// A feed, instances and a router or proxy on loopback sockets, for the tests of this folder. Real HTTP everywhere; only the control plane is hand-made.
import {randomBytes} from 'node:crypto'
import {createServer, request as httpRequest, type IncomingMessage, type RequestListener, type Server} from 'node:http'
import {type AddressInfo, connect, type Socket} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'
import {closeAdmin, createAdmin} from '#proxy/admin.ts'
import {type DataPlane, type DataPlaneOptions, startDataPlane} from '#proxy/data-plane.ts'
import {limitsDefault} from '#proxy/limits.ts'
import {listen} from '#proxy/listener.ts'
import {createClient} from '#shared/client.ts'
import type {RouteOptions} from '#shared/domain/route-options.ts'
import type {Traffic} from '#shared/domain/traffic.ts'
import {createLogger} from '#shared/log.ts'

const waitMsMax = 10_000

/** Waits for a condition, not for a time. */
export const until = async (condition: () => boolean | Promise<boolean>, what: string): Promise<void> => {
  const deadline = Date.now() + waitMsMax
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`)
    await sleep(10)
  }
}

export interface Closer {
  readonly after: (close: () => Promise<unknown> | unknown) => void
}

/** Every open connection of a server, upgraded ones too. */
const connections = new WeakMap<Server, Set<Socket>>()

const listening = (server: Server, port = 0): Promise<number> =>
  new Promise((resolve, reject) => {
    const open = new Set<Socket>()
    connections.set(server, open)
    server.on('connection', socket => {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    })
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })

const closed = (server: Server): Promise<void> =>
  new Promise(resolve => {
    server.close(() => resolve())
    for (const socket of connections.get(server) ?? []) socket.destroy()
  })

/** A real HTTP server standing in for an instance. */
export const startInstance = async (
  t: Closer,
  listener: RequestListener,
): Promise<{port: number; server: Server; close: () => Promise<void>}> => {
  const server = createServer(listener)
  const port = await listening(server)
  const close = () => closed(server)
  t.after(close)
  return {port, server, close}
}

export interface Entry {
  service: string
  id: string
  host: string
  ports: Record<string, number>
  release?: number
  expiresInMs?: number
}
/** An endpoint on loopback whose port 80 is `port`. */
export const entry = (service: string, id: string, port: number, more: Partial<Entry> = {}): Entry => ({
  service,
  id,
  host: '127.0.0.1',
  ports: {'80': port},
  ...more,
})

/** The control plane as far as the data plane sees it: `POST /v1/discovery`, with versions. */
export class Feed {
  readonly asked: {formations: Record<string, number>; routes?: number}[] = []
  readonly #formations = new Map<string, {version: number; endpoints: Entry[]; traffic?: Record<string, Traffic>}>()
  #routes: {version: number; routes: unknown[]} = {version: 0, routes: []}
  #server: Server | undefined
  #port = 0

  async start(t?: Closer): Promise<void> {
    this.#server = createServer((request, response) => void this.#answer(request).then(body => response.end(JSON.stringify(body))))
    this.#port = await listening(this.#server, this.#port)
    t?.after(() => this.stop())
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) await closed(server)
  }

  get api(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  announce(formation: string, ...endpoints: Entry[]): void {
    const known = this.#formations.get(formation)
    this.#formations.set(formation, {...known, version: (known?.version ?? 0) + 1, endpoints})
  }

  traffic(formation: string, traffic: Record<string, Traffic>): void {
    const {version = 0, endpoints = []} = this.#formations.get(formation) ?? {}
    this.#formations.set(formation, {version: version + 1, endpoints, traffic})
  }

  route(...rules: [domain: string, path: string, target: string][]): void {
    const routes = rules.map(([domain, path, target], index) => ({name: `route-${index + 1}`, domain, path, target}))
    this.#routes = {version: this.#routes.version + 1, routes}
  }

  /** Routes with options; `route` is for those without. */
  routeWith(options: RouteOptions, domain: string, path: string, target: string): void {
    const routes = [...this.#routes.routes, {name: `route-${this.#routes.routes.length + 1}`, domain, path, target, options}]
    this.#routes = {version: this.#routes.version + 1, routes}
  }

  async #answer(request: IncomingMessage): Promise<unknown> {
    let text = ''
    for await (const chunk of request) text += chunk
    const asked = JSON.parse(text) as {formations: Record<string, number>; routes?: number}
    this.asked.push(asked)
    const formations: Record<string, unknown> = {}
    for (const [name, held] of Object.entries(asked.formations)) {
      const known = this.#formations.get(name)
      if (known !== undefined && known.version !== held) formations[name] = known
    }
    const isNew = asked.routes !== undefined && asked.routes !== this.#routes.version
    return {formations, nextPollMs: 100, ...(isNew ? {routes: this.#routes} : {})}
  }
}

export interface Plane extends DataPlane {
  readonly url: string
  readonly port: number
  readonly admin: (path: string) => Promise<{status: number; text: string}>
  readonly logged: string[]
}

/** A router or proxy that lives on `feed`. */
export const startPlane = async (t: Closer, role: 'router' | 'proxy', feed: Feed, more: Partial<DataPlaneOptions> = {}): Promise<Plane> => {
  const logged: string[] = []
  const client = createClient({api: feed.api, token: 'test'})
  const plane = await startDataPlane({
    role,
    place: {host: '127.0.0.1', port: 0},
    pseudonym: `gilliam-${role}-${randomBytes(6).toString('hex')}`,
    outside: 'allow',
    accessLog: 'all',
    accessLogSink: (text, done) => {
      logged.push(...text.split(/(?<=\n)/))
      done()
    },
    tracesSampledShare: 1,
    discover: (asked, signal) => client.call('discover', {body: asked}, {triesMax: 1, signal}),
    log: createLogger(role, {destination: {write: line => void logged.push(line)}}),
    now: Date.now,
    random: Math.random,
    ...more,
    limits: {...limitsDefault, drainTimeoutMs: 200, ...more.limits},
  })
  const adminServer = createAdmin(plane)
  const {port: adminPort} = await listen(adminServer, {host: '127.0.0.1', port: 0})
  t.after(async () => {
    await plane.stop()
    await closeAdmin(adminServer)
  })
  const admin = async (path: string): Promise<{status: number; text: string}> => {
    const answer = await call(adminPort, {path})
    return {status: answer.status, text: answer.text}
  }
  return {...plane, url: `http://127.0.0.1:${plane.address.port}`, port: plane.address.port, admin, logged}
}

/** Feed and router with routes in place, ready. */
export const startRouter = async (
  t: Closer,
  setup: (feed: Feed) => void,
  more: Partial<DataPlaneOptions> = {},
): Promise<{feed: Feed; router: Plane}> => {
  const feed = new Feed()
  setup(feed)
  await feed.start(t)
  const router = await startPlane(t, 'router', feed, more)
  await until(async () => (await router.admin('/readyz')).status === 200, 'router ready')
  return {feed, router}
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: string[]
  readonly text: string
  readonly body: Buffer
  readonly problem: Record<string, unknown>
}

export interface CallOptions {
  readonly path?: string
  readonly method?: string
  readonly headers?: Record<string, string | string[]>
  readonly body?: string | Buffer
}

/** One request on a connection of its own, exactly as given: no redirects, no decoding. */
export const call = (port: number, {path = '/', method = 'GET', headers = {}, body}: CallOptions = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const outgoing = httpRequest({host: '127.0.0.1', port, path, method, headers, agent: false}, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const whole = Buffer.concat(chunks)
        const text = whole.toString()
        const isProblem = response.headers['content-type'] === 'application/problem+json' && text !== ''
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          rawHeaders: response.rawHeaders,
          text,
          body: whole,
          problem: isProblem ? JSON.parse(text) : {},
        })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })

/** Sends bytes as they are and returns everything that comes back until the other side closes. */
export const rawCall = (port: number, text: string | Buffer): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(text))
    let received = ''
    socket.on('data', chunk => {
      received += chunk.toString('latin1')
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
  })

/** A port nobody listens on. */
export const closedPort = async (): Promise<number> => {
  const server = createServer()
  const port = await listening(server)
  await closed(server)
  return port
}
