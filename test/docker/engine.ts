// A Docker engine of the tests' own: started in a temporary folder, ended by its process, with an image made of busybox on the spot. Touches no other engine.
import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {accessSync, constants, mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import {after, before} from 'node:test'
import {type Pack, pack} from 'tar-stream'
import {EngineApi} from '#agent/runtime/docker/api.ts'
import {until} from '#test/agent/wait.ts'

const startMsMax = 60_000

const pathOf = (program: string): string | undefined =>
  `${process.env.PATH ?? ''}:/usr/sbin:/sbin`
    .split(delimiter)
    .map(folder => join(folder, program))
    .find(path => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })

/** Why these tests can not run here; false when they can. */
export const engineMissing = (): string | false => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a Docker engine of one’s own wants root on Linux'
  const lacking = [
    ['dockerd', 'docker.io'],
    ['busybox', 'busybox-static'],
  ].filter(([program = '']) => pathOf(program) === undefined)
  return lacking.length === 0
    ? false
    : `${lacking.map(([program]) => program).join(', ')} not installed (Debian: apt-get install ${lacking.map(each => each[1]).join(' ')})`
}

/** Why a test that starts this program can not run here; false when it can. */
export const programMissing = (program: string, debianPackage: string): string | false =>
  pathOf(program) === undefined ? `${program} not installed (Debian: apt-get install ${debianPackage})` : false

const programs = [
  'sh',
  'basename',
  'cat',
  'chmod',
  'dd',
  'echo',
  'env',
  'false',
  'grep',
  'head',
  'httpd',
  'id',
  'kill',
  'ls',
  'mkdir',
  'nc',
  'rm',
  'sleep',
]
const morePrograms = ['tail', 'touch', 'true', 'ulimit', 'wget', 'wc', 'yes', 'tr', 'seq', 'mount', 'cut', 'sync']

/** The files of a root file system: busybox under its many names. */
export const busyboxFiles = async (archive: Pack): Promise<void> => {
  archive.entry({name: 'bin/', type: 'directory', mode: 0o755})
  archive.entry({name: 'tmp/', type: 'directory', mode: 0o1777})
  archive.entry({name: 'etc/', type: 'directory', mode: 0o755})
  archive.entry({name: 'etc/passwd'}, 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n')
  archive.entry({name: 'bin/busybox', mode: 0o755}, await readFile(pathOf('busybox') ?? ''))
  for (const program of [...programs, ...morePrograms]) archive.entry({name: `bin/${program}`, type: 'symlink', linkname: 'busybox'})
}

/** A name that nobody else's bridge has. */
let networks = 0
export const networkName = (): string => `gt${process.pid.toString(36)}n${networks++}`

export interface Engine {
  readonly api: EngineApi
  readonly socketPath: string
  /** The image of busybox, as a stack image would be: the engine's id of it. */
  readonly stackId: string
  /** `flags`: of this start, after its usual ones. */
  readonly start: (...flags: string[]) => Promise<void>
  /** Ends the engine with a signal, and waits until it is gone. */
  readonly end: (signal: NodeJS.Signals) => Promise<void>
  readonly log: () => string
}

/** An engine that is a host's own. */
export interface HostEngine extends Engine {
  /** Where all that is its own is; what it starts names it in its arguments. */
  readonly folder: string
  readonly remove: () => Promise<void>
  readonly importStack: () => Promise<void>
}

const unmount = (place: string): void => {
  try {
    execFileSync(pathOf('umount') ?? '', ['-l', place], {stdio: 'ignore'})
  } catch {
    // It went with another one meanwhile; what is left keeps the folder from being removed, which says so.
  }
}

class OwnEngine implements HostEngine {
  readonly folder = mkdtempSync(join(tmpdir(), 'gilliam-docker-'))
  readonly socketPath = join(this.folder, 'docker.sock')
  readonly api = new EngineApi(this.socketPath)
  stackId = ''
  readonly #flags: readonly string[]
  readonly #prefix: readonly string[]
  #process: ChildProcess | undefined
  #log = ''

  constructor(flags: readonly string[], prefix: readonly string[] = []) {
    this.#flags = flags
    this.#prefix = prefix
  }

  log(): string {
    return this.#log.slice(-4_000)
  }

  start = async (...more: string[]): Promise<void> => {
    const at = (name: string) => join(this.folder, name)
    // Of an engine that was killed. Where nobody collects dead processes, its containerd counts as alive by this number.
    rmSync(at('exec/containerd/containerd.pid'), {force: true})
    const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid'), '-H', `unix://${this.socketPath}`]
    const [first = '', ...rest] = [...this.#prefix, pathOf('dockerd') ?? '', ...places, '--ip6tables=false', ...this.#flags, ...more]
    const child = spawn(first, rest, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`},
    })
    this.#process = child
    child.stderr?.on('data', text => {
      this.#log += text
    })
    const answers = () =>
      this.api.call('GET', '/info').then(
        () => true,
        () => child.exitCode !== null,
      )
    await until(answers, () => this.log(), startMsMax)
    if (child.exitCode !== null) throw new Error(`dockerd can not run here: ${this.log()}`)
  }

  end = async (signal: NodeJS.Signals): Promise<void> => {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill(signal)
    await gone
  }

  async importStack(): Promise<void> {
    const archive = pack()
    const filling = busyboxFiles(archive).then(() => archive.finalize())
    const answer = await this.api.stream('POST', '/images/create', {
      query: {fromSrc: '-', repo: 'gilliam-test', tag: 'stack'},
      headers: {'content-type': 'application/x-tar'},
      body: archive,
    })
    let text = ''
    for await (const chunk of answer) text += chunk
    await filling
    const {Id} = await this.api.call<{Id: string}>('GET', '/images/gilliam-test:stack/json').catch(() => {
      throw new Error(`no image: ${text}`)
    })
    this.stackId = Id
  }

  async remove(): Promise<void> {
    if (this.#process?.exitCode !== null || this.#process.signalCode !== null) await this.start().catch(() => undefined)
    const containers = await this.api.call<{Id: string}[]>('GET', '/containers/json', {query: {all: '1'}}).catch(() => [])
    for (const {Id} of containers) await this.api.call('DELETE', `/containers/${Id}`, {query: {force: '1', v: '1'}}).catch(() => undefined)
    const made = await this.api.call<{Id: string; Name: string}[]>('GET', '/networks').catch(() => [])
    for (const {Id, Name} of made.filter(({Name}) => !['none', 'host'].includes(Name)))
      await this.api.call('DELETE', `/networks/${Id}`).catch(() => Name)
    await this.end('SIGTERM')
    await this.end('SIGKILL')
    this.api.close()
    for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
      const [, place = ''] = line.split(' ')
      if (place.startsWith(`${this.folder}/`)) unmount(place)
    }
    rmSync(this.folder, {recursive: true, force: true, maxRetries: 5})
  }
}

/** Of an engine beside others on the machine's own network. */
const apart = ['--bridge', 'none', '--iptables=false']

/** An engine with the usual bridge and rules, for a network namespace of its own, which `prefix` runs a command in. Has no image. */
export const startEngineIn = async (prefix: readonly string[]): Promise<HostEngine> => {
  const engine = new OwnEngine([], prefix)
  await engine.start()
  return engine
}

/** An engine for whoever ends it. */
export const startEngine = async (...flags: string[]): Promise<Engine & {readonly remove: () => Promise<void>}> => {
  const engine = new OwnEngine([...apart, ...flags])
  await engine.start()
  await engine.importStack()
  return engine
}

/** An engine for the tests of this file, from the first to the last of them. `flags`: of dockerd. */
export const useEngine = (...flags: string[]): Engine => {
  const engine = new OwnEngine([...apart, ...flags])
  before(async () => {
    await engine.start()
    await engine.importStack()
  })
  after(() => engine.remove())
  return engine
}
