// A whole stage for end-to-end tests: the real ./bootstrap on free ports with a home and a CLI configuration of its own, and what to look at it with.
// Everything it starts ends with it.
import assert from 'node:assert/strict'
import {type ChildProcess, type ExecFileException, execFile, spawn} from 'node:child_process'
import {cpSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync} from 'node:fs'
import {request} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {freePort} from '#test/examples/neighbours.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))
const commandTimeoutMs = 120_000
const waitTimeoutMs = 60_000
const pollMs = 50

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What a command printed and how it ended; never throws for an exit code. */
const runCommand = (file: string, args: readonly string[], options: {cwd: string; env: Record<string, string>}): Promise<Outcome> =>
  new Promise(resolve => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string): void =>
      resolve({code: error === null ? 0 : typeof error.code === 'number' ? error.code : 255, stdout, stderr})
    execFile(file, args, {...options, timeout: commandTimeoutMs, maxBuffer: 16_777_216}, done)
  })

/** Looks until `look` returns something else than undefined or false; throws what it waited for when that takes too long. */
export const until = async <T>(what: string, look: () => Promise<T | undefined | false>, timeoutMs = waitTimeoutMs): Promise<T> => {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`)
    await delay(pollMs)
  }
}

export interface Answer {
  readonly status: number
  readonly text: string
}

/** One GET on a connection of its own; status 0 when there was no answer. */
export const get = (url: string, headers: Record<string, string> = {}): Promise<Answer> =>
  new Promise(resolve => {
    const failed = (error: Error): void => resolve({status: 0, text: error.message})
    const asking = request(url, {headers, agent: false, timeout: 10_000}, response => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => (text += chunk))
      response.on('end', () => resolve({status: response.statusCode ?? 0, text}))
      response.on('error', failed)
    })
    asking.on('timeout', () => asking.destroy(new Error('no answer in time')))
    asking.on('error', failed)
    asking.end()
  })

export interface Process {
  readonly pid: number
  readonly command: string
  readonly cwd: string
  /** `NAME=value`, each ended by a NUL. */
  readonly environment: string
}

const readProcess = (pid: string): Process | undefined => {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    return {pid: Number(pid), command, cwd: readlinkSync(`/proc/${pid}/cwd`), environment: readFileSync(`/proc/${pid}/environ`, 'utf8')}
  } catch {
    return undefined // ended meanwhile, or not ours to look at
  }
}

/** What `ps --json` says of an instance. */
export interface Listed {
  readonly name: string
  readonly service: string
  readonly release: number
  readonly state: string
  readonly executor?: string
  readonly reason?: string
}

interface Started {
  readonly stage: string
  readonly api: string
  readonly router: string
  readonly proxy: string
  readonly home: string
  readonly pid: number
}

/** A stage in folders of its own. `folder` is also the working directory of the CLI, unless another is given. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'gilliam-platform-'))
  readonly home = join(this.folder, 'home')
  readonly #env: Record<string, string>
  #ports: readonly number[] = []
  #started: Started | undefined
  readonly #prefix: readonly string[]

  /** `settings`: variables for bootstrap and CLI. `prefix`: put before every command, to run it somewhere else. */
  constructor(settings: Readonly<Record<string, string>> = {}, prefix: readonly string[] = []) {
    this.#prefix = prefix
    const {PATH = '', LANG = 'C.UTF-8'} = process.env
    this.#env = {
      ...settings,
      PATH: `${root}node_modules/.bin:${PATH}`,
      LANG,
      HOME: this.folder,
      XDG_CONFIG_HOME: join(this.folder, 'config'),
    }
  }

  /** What the last bootstrap printed. */
  get urls(): Started {
    assert.ok(this.#started, 'the stage was never started')
    return this.#started
  }

  /** `./bootstrap` with this stage's home and ports. */
  async bootstrap(...flags: string[]): Promise<Outcome> {
    if (this.#ports.length === 0) this.#ports = [await freePort(), await freePort(), await freePort()]
    const [api, router, proxy] = this.#ports
    const ports = ['--api-port', `${api}`, '--router-port', `${router}`, '--proxy-port', `${proxy}`]
    return this.#run(join(root, 'bootstrap'), [...flags, '--home', this.home, ...ports], this.folder)
  }

  /** Starts the stage, or whatever of it is missing. */
  async start(...flags: string[]): Promise<Started> {
    const {code, stdout, stderr} = await this.bootstrap('--detach', '--no-watch', '--json', ...flags)
    assert.equal(code, 0, `bootstrap failed: ${stderr}${stdout}`)
    const started = JSON.parse(stdout) as Started
    this.#started = started
    return started
  }

  /** Ends the stage; instances are wanted again at the next start. */
  async stop(): Promise<void> {
    const {code, stdout, stderr} = await this.bootstrap('--stop')
    assert.equal(code, 0, `bootstrap --stop failed: ${stderr}${stdout}`)
  }

  #run(program: string, args: readonly string[], cwd: string): Promise<Outcome> {
    const [first = '', ...rest] = [...this.#prefix, program, ...args]
    return runCommand(first, rest, {cwd, env: this.#env})
  }

  /** Runs the real CLI. */
  gilliam(args: readonly string[], cwd = this.folder): Promise<Outcome> {
    return this.#run(join(root, 'node_modules/.bin/gilliam'), args, cwd)
  }

  /** Starts the real CLI, to be talked to; with `shell`, a script in a terminal of its own that gets it as `"$0" "$@"`. */
  spawn(args: readonly string[], shell?: string): ChildProcess {
    const program = join(root, 'node_modules/.bin/gilliam')
    const options = {cwd: this.folder, env: this.#env}
    if (shell === undefined) return spawn(program, args, options)
    const quoted = [shell, program, ...args].map(word => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
    return spawn('script', ['-qefc', `sh -c ${quoted}`, '/dev/null'], options)
  }

  /** The same for commands that must succeed. */
  async must(args: readonly string[], cwd = this.folder): Promise<Outcome> {
    const outcome = await this.gilliam(args, cwd)
    assert.equal(outcome.code, 0, `gilliam ${args.join(' ')}: exit code ${outcome.code}\n${outcome.stderr}${outcome.stdout}`)
    return outcome
  }

  /** A list command with `--json`. */
  async items<T>(args: readonly string[], cwd = this.folder): Promise<readonly T[]> {
    const {stdout} = await this.must([...args, '--json'], cwd)
    return (JSON.parse(stdout) as {items: readonly T[]}).items
  }

  /** Running instances of one service. */
  async running(formation: string, service: string): Promise<readonly Listed[]> {
    const all = await this.items<Listed>(['ps', '-f', formation])
    return all.filter(one => one.service === service && one.state === 'running')
  }

  /** A GET through the router. */
  route(host: string, path: string): Promise<Answer> {
    return get(`${this.urls.router}${path}`, {host})
  }

  /** A GET through the forward proxy, in absolute form. */
  through(url: string): Promise<Answer> {
    const {hostname, port} = new URL(this.urls.proxy)
    return new Promise(resolve => {
      const asking = request(
        {host: hostname, port, path: url, headers: {host: new URL(url).host}, agent: false, timeout: 10_000},
        response => {
          let text = ''
          response.setEncoding('utf8').on('data', chunk => (text += chunk))
          response.on('end', () => resolve({status: response.statusCode ?? 0, text}))
        },
      )
      asking.on('error', error => resolve({status: 0, text: error.message}))
      asking.end()
    })
  }

  /** Copies an example to the folder `as` of this stage, to be worked in; `files` are replaced. */
  project(example: string, as = example, files: Readonly<Record<string, string>> = {}): string {
    const folder = join(this.folder, as)
    cpSync(join(root, 'examples', example), folder, {recursive: true})
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
    return folder
  }

  /** Processes that belong to this stage: by working directory, arguments or environment. */
  processes(): Process[] {
    const mine = (text: string): boolean => text.includes(this.home)
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(readProcess)
      .filter(found => found !== undefined)
      .filter(({command, cwd, environment}) => mine(command) || mine(cwd) || mine(environment))
  }

  /** The processes whose command fits. */
  pids(command: RegExp): number[] {
    return this.processes()
      .filter(one => command.test(one.command))
      .map(one => one.pid)
  }

  /** The process ids of one instance, shim first. */
  instancePids(formation: string, name: string): number[] {
    const [service = '', id = ''] = name.split('.')
    return readdirSync('/proc')
      .filter(pid => /^\d+$/.test(pid))
      .map(readProcess)
      .filter(found => found !== undefined)
      .filter(({environment, cwd}) => {
        const variables = environment.split('\0')
        const named = [`GILLIAM_FORMATION=${formation}`, `GILLIAM_SERVICE=${service}`, `GILLIAM_INSTANCE=${id}`]
        return named.every(one => variables.includes(one)) && cwd.startsWith(this.folder)
      })
      .map(({pid}) => pid)
      .sort((a, b) => a - b)
  }

  /** Ends everything, whatever state it is in, and removes the folders. */
  async close(): Promise<void> {
    await this.bootstrap('--stop')
    for (const {pid} of this.processes()) process.kill(pid, 'SIGKILL')
    await until('the stage’s processes to end', async () => this.processes().length === 0)
    rmSync(this.folder, {recursive: true, force: true})
  }
}
