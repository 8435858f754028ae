// A host with a Docker engine and an agent that can be started anew, as a machine is when its power goes: everything of it ends at once, and what was on its
// disk is there.
import {execFileSync} from 'node:child_process'
import {existsSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {type HostEngine, startEngineIn} from '#test/docker/engine.ts'
import type {HostedStage} from '#test/hosts/stage.ts'
import {type Archive, importImage} from './images.ts'

export interface Images {
  readonly stack: Archive
  readonly redis: Archive
}

/** Parents and command lines of all processes. */
const processes = (): ReadonlyMap<number, {readonly parent: number; readonly command: string}> => {
  const found = new Map<number, {readonly parent: number; readonly command: string}>()
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    try {
      // proc_pid_stat(5): the name may hold blanks and parentheses, the parent is the second field behind it.
      const [, parent = ''] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? []
      found.set(pid, {parent: Number(parent), command: readFileSync(`/proc/${pid}/cmdline`, 'latin1')})
    } catch {
      // ended meanwhile
    }
  }
  return found
}

/** All that was started by whose command names `folder`, and these themselves. */
const withDescendants = (folder: string): readonly number[] => {
  const all = processes()
  const mine = new Set([...all].filter(([, {command}]) => command.includes(`${folder}/`)).map(([pid]) => pid))
  for (let size = -1; size !== mine.size; ) {
    size = mine.size
    for (const [pid, {parent}] of all) if (mine.has(parent)) mine.add(pid)
  }
  mine.delete(process.pid)
  return [...mine]
}

export class Machine {
  readonly name: string
  readonly engine: HostEngine
  readonly #hosted: HostedStage

  private constructor(hosted: HostedStage, name: string, engine: HostEngine) {
    this.#hosted = hosted
    this.name = name
    this.engine = engine
  }

  /** Adds the host; waits until its agent has joined. */
  static async add(hosted: HostedStage, name: string, images: Images): Promise<Machine> {
    let engine: HostEngine | undefined
    const settings: Record<string, string> = {GILLIAM_RUNTIMES: 'docker'}
    await hosted.addExecutor(name, {
      settings,
      prepare: async host => {
        engine = await startEngineIn(host.prefix)
        importImage(engine.socketPath, images.redis, 'redis:8-alpine')
        settings.GILLIAM_STACK_IMAGE = importImage(engine.socketPath, images.stack, 'stack:here')
        settings.GILLIAM_DOCKER_SOCKET = engine.socketPath
      },
    })
    if (engine === undefined) throw new Error(`${name} has no engine`)
    return new Machine(hosted, name, engine)
  }

  docker(...args: readonly string[]): string {
    return execFileSync('docker', ['-H', `unix://${this.engine.socketPath}`, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()
  }

  /** Ends everything at once, agent first so that it sees nothing of it. */
  async cutPower(): Promise<void> {
    const {host, home} = this.#hosted.executor(this.name)
    host.unplug()
    await this.#hosted.endAgent(this.name, 'SIGKILL')
    for (const pid of withDescendants(this.engine.folder)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // ended with its parent
      }
    }
    await this.engine.end('SIGKILL')
    this.#forgetKernel()
    const state = join(home, 'state.json')
    if (existsSync(state)) writeFileSync(state, readFileSync(state, 'utf8').replace(/"bootId":"[^"]*"/, '"bootId":"before"'))
  }

  /** Mounts, networks of containers and rules do not outlive a kernel; left here, dead containers' networks would go on answering for their addresses. */
  #forgetKernel(): void {
    const {host} = this.#hosted.executor(this.name)
    const {folder} = this.engine
    for (const line of readFileSync('/proc/mounts', 'utf8').split('\n').reverse()) {
      const [, place = ''] = line.split(' ')
      if (place.startsWith(`${folder}/`)) execFileSync('umount', ['-l', place])
    }
    rmSync(join(folder, 'exec'), {recursive: true, force: true})
    host.run('ip', 'link', 'del', 'docker0')
    for (const table of ['filter', 'nat']) host.run('iptables', '-w', '-t', table, '-F')
  }

  /** What init does: the network, the engine, the agent. */
  async boot(): Promise<void> {
    this.#hosted.executor(this.name).host.plug()
    await this.engine.start()
    this.#hosted.startAgent(this.name)
  }
}
