// A stage on several hosts: control plane, router and proxy on one, an agent on each of the others, and a client that is on none of them. Everything it
// starts ends with it.
import assert from 'node:assert/strict'
import {type ChildProcess, spawn} from 'node:child_process'
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {root, Stage, until} from '#test/platform/stage.ts'
import type {Asked} from './client.ts'
import {type Host, type Link, Network} from './network.ts'

const clientProgram = fileURLToPath(new URL('client.ts', import.meta.url))

/** A host that runs instances. */
export interface Executor {
  readonly host: Host
  /** The agent's home. */
  readonly home: string
  /** Variables of its agent, beside the usual ones. */
  readonly settings: Readonly<Record<string, string>>
}

export interface ExecutorOptions {
  readonly link?: Link
  readonly settings?: Readonly<Record<string, string>>
  /** Before its agent starts. */
  readonly prepare?: (host: Host) => Promise<void>
}

/** Asks one address all the time from the client's host. */
export class Load {
  readonly asked: Asked[] = []
  readonly #child: ChildProcess

  constructor(prefix: readonly string[], url: string, host: string, everyMs: number) {
    const [first = '', ...rest] = [...prefix, process.execPath, clientProgram, url, host, String(everyMs)]
    this.#child = spawn(first, rest, {stdio: ['ignore', 'pipe', 'inherit'], env: {PATH: process.env.PATH ?? ''}})
    if (this.#child.stdout !== null) createInterface(this.#child.stdout).on('line', line => this.asked.push(JSON.parse(line) as Asked))
  }

  /** What was not answered with 200. */
  get failed(): readonly Asked[] {
    return this.asked.filter(({status}) => status !== 200)
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = new Promise(resolve => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await gone
  }
}

/** Pids of processes whose environment fits. */
const processesWith = (fits: (environment: readonly string[]) => boolean): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter(pid => {
      try {
        return Number.isInteger(pid) && fits(readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0'))
      } catch {
        return false // ended meanwhile
      }
    })

export class HostedStage {
  readonly network: Network
  /** Where control plane, router and proxy are. */
  readonly center: Host
  readonly client: Host
  readonly stage: Stage
  readonly executors = new Map<string, Executor>()
  readonly #agents = new Map<string, ChildProcess>()
  readonly #loads: Load[] = []
  #joinToken = ''

  private constructor(network: Network, center: Host, client: Host) {
    this.network = network
    this.center = center
    this.client = client
    this.stage = new Stage({GILLIAM_SYNC_BUSY_MS: '100'}, center.prefix)
  }

  /** A network with a running stage and no executors but the one beside the control plane, which takes nothing but router and proxy. */
  static async start(): Promise<HostedStage> {
    const network = new Network()
    const hosted = new HostedStage(network, await network.add('center'), await network.add('client'))
    try {
      await hosted.stage.start('--listen', hosted.center.address)
      await hosted.stage.must(['executor', 'cordon', 'local'])
      const made = await hosted.stage.must(['token', 'create', 'hosts', '--scope', 'join', '--json'])
      hosted.#joinToken = (JSON.parse(made.stdout) as {token: string}).token
      return hosted
    } catch (error) {
      await hosted.close()
      throw error
    }
  }

  /** Adds a host and starts its agent; waits until it has joined. */
  async addExecutor(name: string, {link, settings = {}, prepare}: ExecutorOptions = {}): Promise<Executor> {
    const host = await this.network.add(name, link)
    await prepare?.(host)
    const home = join(this.stage.folder, 'hosts', name)
    mkdirSync(home, {recursive: true, mode: 0o700})
    writeFileSync(join(home, 'join-token'), `${this.#joinToken}\n`, {mode: 0o600})
    const executor = {host, home, settings}
    this.executors.set(name, executor)
    this.startAgent(name)
    await until(`${name} to join`, async () => (await this.states()).get(name) === 'ready')
    return executor
  }

  executor(name: string): Executor {
    return this.executors.get(name) ?? assert.fail(`no host ${name}`)
  }

  /** Starts the agent of a host, as its unit would. `before`: flags for node. */
  startAgent(name: string, ...before: readonly string[]): void {
    const {host, home, settings} = this.executor(name)
    const [first = '', ...rest] = [...host.prefix, process.execPath, ...before, join(root, 'dist/agent.mjs'), home]
    const child = spawn(first, rest, {
      cwd: home,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        PATH: process.env.PATH ?? '',
        LANG: 'C.UTF-8',
        GILLIAM_STAGE: this.stage.urls.stage,
        GILLIAM_API: this.stage.urls.api,
        GILLIAM_PROXY: this.stage.urls.proxy,
        GILLIAM_EXECUTOR: name,
        GILLIAM_EXECUTOR_HOST: host.address,
        GILLIAM_EXECUTOR_ATTRIBUTES: JSON.stringify({zone: name, cpuMilli: 4_000, memoryMib: 4_096}),
        GILLIAM_AGENT_HOME: home,
        GILLIAM_JOIN_TOKEN_FILE: join(home, 'join-token'),
        GILLIAM_SYNC_BUSY_MS: '100',
        GILLIAM_LOG_LEVEL: 'warn',
        ...settings,
      },
    })
    this.#agents.set(name, child)
  }

  /** Ends the agent of a host with a signal; SIGKILL leaves its instances running, SIGUSR2 ends them first. */
  async endAgent(name: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.#agents.get(name)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill(signal)
    await gone
  }

  /** Processes that a host's instances are, agents not counted. */
  instancePids(name: string): number[] {
    const home = `HOME=${this.executor(name).home}/instances/`
    return processesWith(environment => environment.some(line => line.startsWith(home)))
  }

  /** What executors are, by id. */
  async states(): Promise<ReadonlyMap<string, string>> {
    const items = await this.stage.items<{id: string; state: string}>(['executors'])
    return new Map(items.map(({id, state}) => [id, state]))
  }

  /** Asks the router for `host` from the client's host, until the stage is closed or the load ended. */
  load(host: string, everyMs = 100, path = '/'): Load {
    const load = new Load(this.client.prefix, `${this.stage.urls.router}${path}`, host, everyMs)
    this.#loads.push(load)
    return load
  }

  async close(): Promise<void> {
    for (const load of this.#loads) await load.end()
    for (const name of this.#agents.keys()) await this.endAgent(name, 'SIGKILL')
    for (const name of this.executors.keys()) for (const pid of this.instancePids(name)) process.kill(pid, 'SIGKILL')
    await this.stage.close()
    this.network.close()
    rmSync(this.stage.folder, {recursive: true, force: true})
  }
}
