// Router and proxy as they are deployed, for tests: one bundled file under plain node, its environment and its output.
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {build} from 'esbuild'
import {type Closer, call, closedPort, type Feed, until} from './rig.ts'

export interface Program {
  readonly folder: string
  readonly file: string
  readonly remove: () => Promise<void>
}

/** Bundles the program into a folder of its own. */
export const bundleProgram = async (): Promise<Program> => {
  const folder = await mkdtemp(join(tmpdir(), 'gilliam-program-'))
  const file = join(folder, 'program.mjs')
  await build({
    entryPoints: [fileURLToPath(new URL('../../proxy/main.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    banner: {js: "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);"},
    outfile: file,
    logLevel: 'silent',
  })
  return {folder, file, remove: () => rm(folder, {recursive: true, force: true})}
}

export interface Run {
  readonly child: ChildProcess
  readonly output: () => string
}

/** Starts the program with nothing in its environment but `env`; it is killed when the test ends. */
export const run = (t: Closer, {file, folder}: Program, role: string, env: Record<string, string>): Run => {
  const child = spawn(process.execPath, [file, role], {cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe']})
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', chunk => {
      output += chunk
    })
  }
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return {child, output: () => output}
}

export interface WorkerView {
  readonly id: number
  readonly pid: number
  readonly state: string
}

export interface RunningRouter extends Run {
  readonly port: number
  readonly admin: number
  readonly env: Record<string, string>
  /** As `/readyz` tells; none while it does not answer. */
  readonly workers: () => Promise<readonly WorkerView[]>
  /** SIGHUP, until as many new workers are ready as there were. */
  readonly reload: () => Promise<void>
}

/** Starts a router on `feed` and waits until all its workers are ready. */
export const runRouter = async (t: Closer, program: Program, feed: Feed, more: Record<string, string> = {}): Promise<RunningRouter> => {
  const [port, admin] = [await closedPort(), await closedPort()]
  const env = {PORT: String(port), PORT_9000: String(admin), GILLIAM_API: feed.api, GILLIAM_TOKEN: 'test', GILLIAM_WORKERS: '2', ...more}
  const running = run(t, program, 'router', env)
  const workers = async (): Promise<readonly WorkerView[]> => {
    const answer = await call(admin, {path: '/readyz'}).catch(() => undefined)
    return answer === undefined ? [] : (JSON.parse(answer.text) as {workers: WorkerView[]}).workers
  }
  const ready = async () => (await workers()).filter(({state}) => state === 'ready')
  await until(async () => (await ready()).length === Number(env.GILLIAM_WORKERS), `all workers ready: ${running.output()}`)
  const reload = async (): Promise<void> => {
    const before = new Set((await ready()).map(({id}) => id))
    running.child.kill('SIGHUP')
    const isNew = async () => {
      const now = await ready()
      return now.length === before.size && now.every(({id}) => !before.has(id))
    }
    await until(isNew, `reloaded: ${running.output()}`)
  }
  return {...running, port, admin, env, workers, reload}
}
