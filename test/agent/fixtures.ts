// What the agent's tests share: assignments, an agent as a process of its own, slugs, and looking at processes.
import {type ChildProcess, spawn} from 'node:child_process'
import {createHash} from 'node:crypto'
import {globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {TestContext} from 'node:test'
import {gzipSync} from 'node:zlib'
import {pack} from 'tar-stream'
import {openCgroup} from '#agent/runtime/cgroups.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import type {SlugReference} from '#shared/domain/release.ts'
import {ControlPlane} from './control-plane.ts'
import {until} from './wait.ts'

export const assignment = (id: string, change: Partial<Assignment> = {}): Assignment => ({
  formation: 'crm',
  service: 'users',
  id,
  release: 1,
  kind: 'process',
  script: 'exec sleep 1000',
  env: {},
  ports: [],
  resources: {cpuMilli: 100, memoryMib: 64},
  stopGraceMs: 2_000,
  stop: false,
  ...change,
})

/** A service on its port: answers its pid, and 500 on /healthz until the file `ready` is in its folder, when `gated`. */
export const httpScript = (gated = false): string =>
  `exec node -e '
const {existsSync} = require("node:fs")
const {createServer} = require("node:http")
createServer((request, response) => {
  const sick = ${gated} && request.url === "/healthz" && !existsSync("ready")
  response.writeHead(sick ? 500 : 200)
  response.end(String(process.pid))
}).listen(process.env.PORT, process.env.HOST)
process.on("SIGTERM", () => process.exit(0))
'`

export const health = (change: Partial<NonNullable<Assignment['health']>> = {}): NonNullable<Assignment['health']> => ({
  http: '/healthz',
  intervalMs: 100,
  timeoutMs: 2_000,
  startTimeoutMs: 30_000,
  ...change,
})

export const temporaryFolder = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-agent-'))
  t.after(() => rmSync(folder, {recursive: true, force: true, maxRetries: 5}))
  return folder
}

export const slugOf = async (files: Record<string, string>): Promise<{blob: Buffer; slug: SlugReference}> => {
  const archive = pack()
  for (const [name, content] of Object.entries(files)) archive.entry({name}, content)
  archive.finalize()
  const chunks: Uint8Array[] = []
  for await (const chunk of archive as AsyncIterable<Uint8Array>) chunks.push(chunk)
  const blob = gzipSync(Buffer.concat(chunks))
  return {blob, slug: {sha256: createHash('sha256').update(blob).digest('hex'), bytes: blob.length}}
}

/** Pids of live processes whose environment names the instance. */
export const processesOf = (id: string): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter(pid => {
      if (!Number.isInteger(pid)) return false
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`GILLIAM_INSTANCE=${id}`)
      } catch {
        return false
      }
    })

const killInstances = (home: string): void => {
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
      if (environment.some(entry => entry.startsWith(`HOME=${home}/`))) process.kill(pid, 'SIGKILL')
    } catch {
      // Gone, or not ours.
    }
  }
}

/** Agents that were killed left these. */
const removeCgroups = async (home: string): Promise<void> => {
  for (const note of globSync('instances/*/control/cgroup.*', {cwd: home})) {
    const group = openCgroup(readFileSync(join(home, note), 'utf8').trim().split('\n'))
    group?.kill()
    await group?.remove()
  }
}

export interface Machine {
  readonly plane: ControlPlane
  readonly home: string
  readonly agent: () => ChildProcess
  /** Starts an agent (again), after the shell command `before`, and waits for its first sync. */
  readonly start: (environment?: Record<string, string>, before?: string) => Promise<void>
  /** Ends the agent with a signal and waits until it is gone; returns its exit code. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | null>
  readonly output: () => string
}

/** A home, a control plane, and an agent in a process of its own; all gone after the test. */
export const machine = async (t: TestContext): Promise<Machine> => {
  const plane = await ControlPlane.start()
  // Cleaning up goes in the order it was asked for: what runs first, then its folder.
  t.after(async () => {
    await end('SIGKILL')
    killInstances(home)
    await removeCgroups(home)
    await plane.close()
  })
  const home = temporaryFolder(t)
  writeFileSync(join(home, 'join-token'), 'join me\n')
  let child: ChildProcess | undefined
  let output = ''
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const ending = child
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return ending?.exitCode ?? null
    const gone = new Promise<number | null>(resolve => ending.once('exit', resolve))
    ending.kill(signal)
    return gone
  }
  const start = async (environment: Record<string, string> = {}, before = ':'): Promise<void> => {
    const syncs = plane.syncs
    child = spawn('/bin/sh', ['-c', `${before}; exec "$0" agent/main.ts`, process.execPath], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH ?? '',
        SECRET_OF_THE_AGENT: 'hidden',
        GILLIAM_API: plane.url,
        GILLIAM_EXECUTOR: 'here',
        GILLIAM_AGENT_HOME: home,
        GILLIAM_JOIN_TOKEN_FILE: join(home, 'join-token'),
        GILLIAM_SYNC_BUSY_MS: '100',
        GILLIAM_LOG_LEVEL: 'debug',
        ...environment,
      },
    })
    child.stdout?.on('data', text => (output += text))
    child.stderr?.on('data', text => (output += text))
    await until(
      () => plane.syncs > syncs || child?.exitCode !== null,
      () => output,
    )
  }
  return {plane, home, agent: () => child as ChildProcess, start, end, output: () => output}
}
