// Runs the CLI, with folders and a configuration of its own: inside the test's process, which is quick, or as the process users start.
import {spawn} from 'node:child_process'
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {Readable} from 'node:stream'
import {fileURLToPath} from 'node:url'
import {Interrupted} from '#cli/exit.ts'
import {run} from '#cli/run.ts'
import type {World} from '#cli/session.ts'
import {token} from './fake-control-plane.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))
const commandTimeoutMs = 60_000

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Ctrl-C once this shows up on stderr or stdout. */
  readonly interruptAt?: RegExp
  /** What is typed when it asks. Then standard input is a terminal; inside the test's process only. */
  readonly typed?: string
  /** Whether output goes to a terminal; inside the test's process only. */
  readonly isTty?: boolean
}

/** Collects output, and does something once it matches. */
const createOutput = (interruptAt: RegExp | undefined, interrupt: () => void) => {
  const text = {stdout: '', stderr: ''}
  let isInterrupted = false
  const write = (to: 'stdout' | 'stderr') => (chunk: unknown) => {
    text[to] += String(chunk)
    if (isInterrupted || interruptAt === undefined || !interruptAt.test(text.stdout + text.stderr)) return
    isInterrupted = true
    interrupt()
  }
  return {text, write}
}

export class Cli {
  readonly folder = mkdtempSync(join(tmpdir(), 'gilliam-cli-'))
  readonly config = join(this.folder, 'config')

  /** A project folder with these files. */
  project(name: string, files: Readonly<Record<string, string>>): string {
    const dir = join(this.folder, 'projects', name)
    mkdirSync(dir, {recursive: true})
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, path)), {recursive: true})
      writeFileSync(join(dir, path), text)
    }
    return dir
  }

  #env(api: string | undefined, options: RunOptions): Record<string, string | undefined> {
    const {PATH = ''} = process.env
    const access = api === undefined ? {} : {GILLIAM_API: api, GILLIAM_TOKEN: token}
    return {PATH, HOME: this.folder, LANG: 'C.UTF-8', GILLIAM_CONFIG: this.config, ...access, ...options.env}
  }

  /** One command inside this process. Without a control plane's URL, only the configuration says where it is. */
  async run(args: readonly string[], api?: string, options: RunOptions = {}): Promise<Outcome> {
    const interrupt = new AbortController()
    const {text, write} = createOutput(options.interruptAt, () => interrupt.abort(new Interrupted()))
    const isTty = options.isTty === true
    const world: World = {
      env: this.#env(api, options),
      cwd: options.cwd ?? this.folder,
      version: '1.2.3',
      bundles: join(root, 'dist'),
      execPath: process.execPath,
      uid: process.getuid?.(),
      now: Date.now,
      readIn: () => Promise.reject(new Error('nothing is piped in')),
      out: write('stdout'),
      err: write('stderr'),
      outIsTty: isTty,
      errIsTty: isTty,
      inIsTty: options.typed !== undefined,
      columns: 100,
      paintOut: (_, plain) => plain,
      paintErr: (_, plain) => plain,
      ask: async question => {
        write('stderr')(question)
        return options.typed ?? ''
      },
      interrupted: interrupt.signal,
      console: {
        input: Readable.from([]),
        write: async (to, bytes) => write(to)(Buffer.from(bytes)),
        size: () => undefined,
        onResize: () => () => undefined,
        setRaw: () => undefined,
        catchSignals: () => () => undefined,
      },
    }
    const code = await run(args, world)
    return {code, ...text}
  }

  /** One command as a process of its own: `program` is the launcher by default. */
  async start(args: readonly string[], api?: string, options: RunOptions & {program?: string} = {}): Promise<Outcome> {
    const program = options.program ?? join(root, 'cli/gilliam')
    const child = spawn(program, args, {cwd: options.cwd ?? this.folder, env: this.#env(api, options), timeout: commandTimeoutMs})
    const {text, write} = createOutput(options.interruptAt, () => child.kill('SIGINT'))
    child.stdout.on('data', write('stdout'))
    child.stderr.on('data', write('stderr'))
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', ended => resolve(ended ?? 255))
    })
    return {code, ...text}
  }

  close(): void {
    rmSync(this.folder, {recursive: true, force: true})
  }
}
