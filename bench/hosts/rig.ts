// The hosts that faults strike: a stage, three hosts with processes, one with containers, and who looks at them. Owns what can be done to them; knows no fault.
import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {engineMissing, type HostEngine, networkName, startEngineIn} from '#test/docker/engine.ts'
import type {Host} from '#test/hosts/network.ts'
import {HostedStage} from '#test/hosts/stage.ts'
import {until} from '#test/platform/stage.ts'
import {type Desired, Invariants, isWanted} from './invariants.ts'
import {type InstanceProcess, instanceProcesses} from './processes.ts'
import {containerTag, plainTag, scales, writeBox, writeShop} from './project.ts'
import {type SeenInstance, type View, Witness} from './witness.ts'

/** Hosts of processes; the last has a disk of its own, and few ports. */
export const plainHosts = ['h1', 'h2', 'h3'] as const
export const smallHost = 'h3'
export const containerHost = 'c1'
export const ports = {first: 20_000, last: 20_019} as const
/** Well above what executors need to get something new. */
export const diskMib = 512
const processesEveryMs = 400
/** What a service manager waits before it starts an agent again. */
const restartMs = 2_000

const attributesOf = (name: string, tag: string) => ({
  GILLIAM_EXECUTOR_ATTRIBUTES: JSON.stringify({zone: name, tags: [tag], cpuMilli: 4_000, memoryMib: 4_096}),
})

const kill = (pid: number, signal: NodeJS.Signals = 'SIGKILL'): void => {
  try {
    process.kill(pid, signal)
  } catch {
    // ended meanwhile
  }
}

export class Rig {
  readonly hosted: HostedStage
  readonly formations: {readonly shop: string; readonly box: string}
  readonly projects: {readonly shop: string; readonly box: string}
  readonly desired: Desired
  readonly invariants: Invariants
  #engine: HostEngine | undefined
  #witness: Witness | undefined
  #watching: NodeJS.Timeout | undefined
  readonly #programs = new Set<ChildProcess>()
  readonly #undoing: (() => void)[] = []
  /** What a fault said, for whoever reads the run. */
  readonly said: string[] = []
  readonly #mounts: string[] = []

  private constructor(hosted: HostedStage, services: readonly string[]) {
    this.hosted = hosted
    this.desired = new Map(services.map(service => [service, scales[service] ?? 0]))
    this.invariants = new Invariants(this.desired)
    const id = process.pid.toString(36)
    this.formations = {shop: `shop-${id}`, box: `box-${id}`}
    const {folder} = hosted.stage
    this.projects = {shop: writeShop(join(folder, 'shop'), this.formations.shop), box: writeBox(join(folder, 'box'), this.formations.box)}
  }

  /** Everything up, deployed and looked at. Without a Docker engine on this machine there are no containers, and no service `box`. */
  static async start(withContainers: boolean): Promise<Rig> {
    const rig = new Rig(await HostedStage.start(), withContainers ? ['web', 'till', 'box'] : ['web', 'till'])
    try {
      for (const name of plainHosts) await rig.#addPlain(name)
      await rig.hosted.stage.must(['deploy'], rig.projects.shop)
      if (withContainers) await rig.#addContainers()
      rig.#look(withContainers)
      return rig
    } catch (error) {
      await rig.close()
      throw error
    }
  }

  async #addPlain(name: string): Promise<void> {
    if (name === smallHost) {
      const home = join(this.hosted.stage.folder, 'hosts', name)
      mkdirSync(home, {recursive: true})
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMib}m,mode=700`, 'gilliam-faults', home])
      this.#mounts.push(home)
    }
    const range: Record<string, string> = name === smallHost ? {GILLIAM_PORT_RANGE: `${ports.first}-${ports.last}`} : {}
    await this.hosted.addExecutor(name, {settings: {...attributesOf(name, plainTag), ...range}})
  }

  async #addContainers(): Promise<void> {
    const settings: Record<string, string> = {
      ...attributesOf(containerHost, containerTag),
      GILLIAM_RUNTIMES: 'docker',
      GILLIAM_DOCKER_NETWORK: networkName(),
      GILLIAM_STACK_IMAGE: 'gilliam-test:stack',
    }
    const prepare = async (host: Host): Promise<void> => {
      this.#engine = await startEngineIn(host.prefix)
      settings.GILLIAM_DOCKER_SOCKET = this.#engine.socketPath
      await this.#engine.importStack()
    }
    await this.hosted.addExecutor(containerHost, {settings, prepare})
    await this.hosted.stage.must(['deploy'], this.projects.box)
  }

  #look(withContainers: boolean): void {
    const {shop, box} = this.formations
    const config = join(this.hosted.stage.folder, 'config/gilliam/config.json')
    const seen = (view: View): void => this.invariants.seeView(view)
    this.#witness = new Witness(this.hosted.client.prefix, config, withContainers ? [shop, box] : [shop], seen)
    this.#watching = setInterval(() => this.invariants.seeProcesses(this.processes()), processesEveryMs)
  }

  get witness(): Witness {
    if (this.#witness === undefined) throw new Error('nobody looks yet')
    return this.#witness
  }

  get engine(): HostEngine {
    if (this.#engine === undefined) throw new Error('there is no engine')
    return this.#engine
  }

  host(name: string): Host {
    return this.hosted.executor(name).host
  }

  home(name: string): string {
    return this.hosted.executor(name).home
  }

  processes(): InstanceProcess[] {
    return instanceProcesses(new Set(Object.values(this.formations)))
  }

  /** The program of one of a host's instances. */
  mainOf(host: string, service: string): InstanceProcess {
    const found = this.processes().find(each => each.isMain && each.executor === host && each.service === service)
    if (found === undefined) throw new Error(`${service} does not run on ${host}`)
    return found
  }

  /** Wanted instances of a service, as the control plane last said. */
  instances(service: string): readonly SeenInstance[] {
    return (this.witness.views.at(-1)?.instances ?? []).filter(each => each.service === service && isWanted(each))
  }

  /** What is not as it should be: one line, or undefined. What was seen before `since` does not count. */
  lacking(since: number): string | undefined {
    const view = this.witness.views.at(-1)
    if (view === undefined || view.at < since) return 'the control plane does not answer'
    const away = Object.entries(view.executors).find(([, state]) => state !== 'ready' && state !== 'cordoned')
    if (away !== undefined) return `${away[0]} is ${away[1]}`
    const mains = this.processes().filter(({isMain}) => isMain)
    for (const [service, desired] of this.desired) {
      const listed = this.instances(service)
      const running = listed.filter(({state}) => state === 'running')
      if (listed.length !== desired || running.length !== desired) return `${running.length} of ${desired} ${service} run`
      const ids = new Set(listed.map(({id}) => id))
      const own = mains.filter(each => each.service === service)
      if (own.length !== desired || own.some(({id}) => !ids.has(id))) return `${own.length} processes of ${service}, not ${desired}`
    }
    return undefined
  }

  /** Sets how many of a service are desired, and waits until as many are wanted, whether they run or not. */
  async scale(service: string, count: number): Promise<void> {
    this.desired.set(service, Math.max(count, this.desired.get(service) ?? 0))
    await this.hosted.stage.must(['scale', `${service}=${count}`, '-f', this.formations.shop, '--no-wait'])
    await until(`${count} ${service} to be wanted`, async () => this.instances(service).length === count)
    this.desired.set(service, count)
  }

  /** Whether each host of processes has as many of a service as any other. */
  isSpread(service: string): boolean {
    const counts = plainHosts.map(host => this.instances(service).filter(({executor}) => executor === host).length)
    return new Set(counts).size === 1
  }

  /** Makes all instances of a service anew. */
  async spread(service: string): Promise<void> {
    const count = this.desired.get(service) ?? 0
    await this.scale(service, 0)
    await until('all to end', async () => this.processes().every(each => each.service !== service))
    await this.scale(service, count)
  }

  killAgent(host: string): Promise<void> {
    return this.hosted.endAgent(host, 'SIGKILL')
  }

  /** As its service manager would, a little later. */
  async startAgent(host: string, ...flags: string[]): Promise<void> {
    await sleep(restartMs)
    this.hosted.startAgent(host, ...flags)
  }

  /** Power off: nothing of it runs any more, and nothing goes in or out. */
  async powerOff(host: string): Promise<void> {
    this.host(host).unplug()
    await this.killAgent(host)
    const own = () => this.processes().filter(({executor}) => executor === host)
    await until('everything on it to end', async () => {
      const pids = [...this.hosted.instancePids(host), ...own().map(({pid}) => pid)]
      for (const pid of pids) kill(pid)
      return pids.length === 0
    })
  }

  /** It is on again, as another boot of the machine. */
  powerOn(host: string): void {
    const state = join(this.home(host), 'state.json')
    writeFileSync(state, readFileSync(state, 'utf8').replace(/"bootId":"[^"]*"/, '"bootId":"before"'))
    this.host(host).plug()
    this.hosted.startAgent(host)
  }

  /** The processes of the platform on the center, by their command. */
  killPlatform(command: RegExp): void {
    const pids = this.hosted.stage.pids(command)
    if (pids.length === 0) throw new Error(`nothing runs as ${command}`)
    for (const pid of pids) kill(pid)
  }

  async startPlatform(): Promise<void> {
    await this.hosted.stage.start('--listen', this.hosted.center.address)
  }

  /** Starts one of this folder's programs on a host, and waits until it says something; answers what ends it. */
  async program(host: string, file: string, ...args: readonly string[]): Promise<() => void> {
    const path = fileURLToPath(new URL(file, import.meta.url))
    const [first = '', ...rest] = [...this.host(host).prefix, process.execPath, path, ...args]
    const child = spawn(first, rest, {stdio: ['ignore', 'pipe', 'inherit'], env: {PATH: process.env.PATH ?? ''}})
    this.#programs.add(child)
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve())
      child.once('exit', () => reject(new Error(`${file} ended`)))
    })
    return () => void child.kill('SIGKILL')
  }

  /** To be done by {@link undo}. */
  later(undo: () => void): void {
    this.#undoing.push(undo)
  }

  undo(): void {
    for (const each of this.#undoing.splice(0)) each()
  }

  async close(): Promise<void> {
    clearInterval(this.#watching)
    this.#witness?.end()
    for (const child of this.#programs) child.kill('SIGKILL')
    for (const name of this.hosted.executors.keys()) await this.killAgent(name)
    await this.#engine?.remove()
    for (const {pid} of this.processes()) kill(pid)
    for (const place of this.#mounts) execFileSync('umount', ['-l', place])
    await this.hosted.close()
  }
}

/** Why there can be no containers; false when there can. */
export const containersMissing = engineMissing
