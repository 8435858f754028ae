// A tiny control plane over loopback HTTP for the agent's tests: joins, answers syncs from what the test assigns, serves slugs, remembers what it was told.
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import type {AgentProgram, AgentWish} from '#shared/domain/agent.ts'
import type {Assignment, InstanceReport, LogLine} from '#shared/domain/assignment.ts'
import type {Chore, ChoreReport} from '#shared/domain/chore.ts'
import type {ImagePin} from '#shared/domain/image.ts'
import {until} from './wait.ts'

const readBody = async (request: IncomingMessage): Promise<unknown> => {
  let text = ''
  for await (const chunk of request) text += chunk
  return text === '' ? undefined : JSON.parse(text)
}

interface SyncBody {
  readonly assignmentVersion: number
  readonly reports: InstanceReport[]
  readonly logs: LogLine[]
  readonly agent?: AgentProgram
  readonly pins?: readonly ImagePin[]
  readonly chores?: readonly ChoreReport[]
}

export class ControlPlane {
  readonly #server: Server
  #assignments: readonly Assignment[] = []
  #version = 1
  #tokens = 0
  #token = ''
  #next: string | undefined
  /** Answers everything with this status, when set. */
  broken: number | undefined
  /** Takes what syncs tell, and answers none. */
  mute = false
  /** Another agent has joined under the id. */
  taken = false
  nextSyncMs = 100
  /** Where else syncs may go, and how long instances drain, when it says so. */
  syncUrl: string | undefined
  drainMs: number | undefined
  /** Which agent its ring wants, and what the agent said of itself last. */
  wish: AgentWish | undefined
  agent: AgentProgram | undefined
  /** An agent of this version is asked to wait for long. */
  slowVersion: string | undefined
  /** Of each sync. */
  readonly versions: (string | undefined)[] = []
  readonly joins: unknown[] = []
  syncs = 0
  readonly reports: InstanceReport[] = []
  readonly logs: LogLine[] = []
  /** What images of releases mean, by `FORMATION/RELEASE IMAGE`: as told first, or as set before. */
  pins = new Map<string, string>()
  /** What is to be done besides, told with the next assignments; and what was said of it. */
  chores: readonly Chore[] = []
  readonly choreReports: ChoreReport[] = []
  /** What the last sync said of the machine. */
  leaving: unknown
  readonly slugs = new Map<string, Buffer>()
  downloads = 0

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  static async start(port = 0): Promise<ControlPlane> {
    const plane = new ControlPlane()
    await new Promise<void>(resolve => plane.#server.listen(port, '127.0.0.1', resolve))
    return plane
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  assign(...assignments: Assignment[]): void {
    this.#assignments = assignments
    this.#version += 1
  }

  /** The next sync brings this credential, which alone is good from then on. */
  renewWith(token: string): void {
    this.#next = token
  }

  refuseCredential(): void {
    this.#token = 'nobody has this'
  }

  latest(id: string): InstanceReport | undefined {
    return this.reports.findLast(report => report.id === id)
  }

  /** Waits for the instance's newest report to be as wanted. */
  async reported(id: string, wanted: (report: InstanceReport) => boolean): Promise<InstanceReport> {
    await until(
      () => {
        const report = this.latest(id)
        return report !== undefined && wanted(report)
      },
      () => `last report of ${id}: ${JSON.stringify(this.latest(id))}`,
    )
    return this.latest(id) as InstanceReport
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? ''
    const body = await readBody(request)
    const send = (status: number, value: unknown) => {
      response.writeHead(status, {'content-type': 'application/json'})
      response.end(JSON.stringify(value))
    }
    if (url.startsWith('/blobs/')) return this.#blob(url.slice(7), response)
    if (this.broken !== undefined) return send(this.broken, {})
    if (url === '/v1/executors' && this.taken)
      return send(409, {type: '', title: '', status: 409, code: 'executor_taken', detail: 'another agent has it'})
    if (url === '/v1/executors' || url === '/v1/join/role') {
      this.joins.push(body)
      this.#token = `executor-token-${++this.#tokens}`
      return send(201, {executor: (body as {id: string}).id, token: this.#token, leaseMs: 45_000, syncUrl: this.syncUrl})
    }
    if (request.headers.authorization !== `Bearer ${this.#token}`)
      return send(401, {type: '', title: '', status: 401, code: 'unauthenticated', detail: 'no such token'})
    if (url.startsWith('/v1/artifacts/'))
      return send(200, {sha256: url.slice(14), bytes: 1, stored: true, downloadUrl: `${this.url}/blobs/${url.slice(14)}`})
    this.leaving = (body as {leaving?: unknown}).leaving
    const answer = this.#sync(body as SyncBody)
    return this.mute ? send(503, {}) : send(200, answer)
  }

  #pinned(pins: readonly ImagePin[]): readonly ImagePin[] {
    return pins.map(pin => {
      const key = `${pin.formation}/${pin.release} ${pin.image}`
      const digest = this.pins.get(key) ?? pin.digest
      this.pins.set(key, digest)
      return {...pin, digest}
    })
  }

  #sync({assignmentVersion, reports, logs, agent, pins, chores = []}: SyncBody): unknown {
    this.choreReports.push(...chores)
    this.syncs += 1
    this.agent = agent
    this.versions.push(agent?.version)
    this.reports.push(...reports)
    this.logs.push(...logs)
    const over = new Set(reports.filter(({state}) => state === 'stopped' || state === 'failed').map(({id}) => id))
    if (over.size > 0) this.assign(...this.#assignments.filter(({id}) => !over.has(id)))
    const token = this.#next
    this.#token = token ?? this.#token
    this.#next = undefined
    return {
      ...(token === undefined ? {} : {token}),
      assignmentVersion: this.#version,
      ...(assignmentVersion === this.#version ? {} : {assignments: this.#assignments, chores: this.chores}),
      nextSyncMs: agent !== undefined && agent.version === this.slowVersion ? 20_000 : this.nextSyncMs,
      leaseMs: 45_000,
      syncUrl: this.syncUrl,
      drainMs: this.drainMs,
      agent: this.wish,
      ...(pins !== undefined && {pins: this.#pinned(pins)}),
    }
  }

  #blob(sha256: string, response: ServerResponse): void {
    this.downloads += 1
    const blob = this.slugs.get(sha256)
    response.writeHead(blob === undefined ? 404 : 200)
    response.end(blob)
  }
}
