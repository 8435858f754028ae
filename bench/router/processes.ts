// Programs that a benchmark starts: each on a port of loopback, with as many open files as the system grants, and all of them ended again, by pid.
import {type ChildProcess, spawn, spawnSync} from 'node:child_process'
import {once} from 'node:events'
import {closeSync, mkdtempSync, openSync, readFileSync, rmSync} from 'node:fs'
import {connect} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {treeOf} from '../stages/figures.ts'

export interface Start {
  readonly command: string
  readonly args: readonly string[]
  /** Listening there means started. */
  readonly port: number
  readonly env?: Readonly<Record<string, string>>
  /** Where its standard output goes; nowhere by default. */
  readonly outputFile?: string
}

const startMsMax = 20_000
/** Asked for; who may not raise the limit gets what there is. */
const filesWanted = 65_536
const withFiles = `ulimit -n ${filesWanted} 2>/dev/null`

/** What is started here, so that all of it ends. */
export class Processes {
  readonly #children: ChildProcess[] = []

  /** Starts a program, waits until it listens and returns its pid. */
  async start({command, args, port, env = {}, outputFile}: Start): Promise<number> {
    const output = outputFile === undefined ? 'ignore' : openSync(outputFile, 'a')
    const child = spawn('sh', ['-c', `${withFiles}; exec "$@"`, 'sh', command, ...args], {
      stdio: ['ignore', output, 'pipe'],
      env: {...process.env, ...env},
    })
    if (typeof output === 'number') closeSync(output)
    let complaint = ''
    child.stderr?.on('data', chunk => {
      complaint = `${complaint}${chunk}`.slice(-2_000)
    })
    child.on('error', error => {
      complaint += error.message
    })
    this.#children.push(child)
    await listens(port, () => (child.exitCode === null && child.pid !== undefined ? undefined : `${command} ended: ${complaint}`))
    return child.pid ?? 0
  }

  /** Ends everything at once, workers included; also when the benchmark itself is about to end. */
  kill(): void {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue
      for (const pid of treeOf(child.pid)) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // It ended by itself in between.
        }
      }
    }
  }

  async end(): Promise<void> {
    this.kill()
    for (const child of this.#children)
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    this.#children.length = 0
  }
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

const listens = async (port: number, fault: () => string | undefined): Promise<void> => {
  const deadline = Date.now() + startMsMax
  while (!(await isOpen(port))) {
    const why = fault() ?? (Date.now() > deadline ? `nothing listens on port ${port}` : undefined)
    if (why !== undefined) throw new Error(why)
    await sleep(50)
  }
}

/** Whether a program can be started by this name. */
export const isInstalled = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

/** How many files this process, and one that {@link Processes} starts, may have open. */
export const openFilesMax = (): {readonly ours: number; readonly theirs: number} => {
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  const theirs = spawnSync('sh', ['-c', `${withFiles}; ulimit -n`], {encoding: 'utf8'}).stdout.trim()
  const number = (text: string | undefined): number => (Number(text) > 0 ? Number(text) : filesWanted)
  return {ours: number(soft), theirs: number(theirs)}
}

/** Runs `work`, and ends what was started however it ends, interrupted by a signal too. */
export const during = async <T>(started: readonly Processes[], work: () => Promise<T>): Promise<T> => {
  const interrupted = (): void => {
    for (const processes of started) processes.kill()
    process.exit(130)
  }
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted)
  try {
    return await work()
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    for (const processes of started) await processes.end()
  }
}

/** A new folder that goes when this process ends, however that is. */
export const temporaryFolder = (prefix: string): string => {
  const folder = mkdtempSync(join(tmpdir(), prefix))
  process.once('exit', () => rmSync(folder, {recursive: true, force: true}))
  return folder
}
