// One function as Lambda runs it: its bundle in a process of its own, driven through the Runtime API, frozen while it has nothing to do. With AWS's runtime
// interface client where `npm install --prefix dist/ric aws-lambda-ric` was run, else with a small one of our own.
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {startRuntimeApi} from './runtime-api.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const officialClient = `${root}dist/ric/node_modules/aws-lambda-ric/bin/index.mjs`
const minimalClient = fileURLToPath(new URL('minimal-client.ts', import.meta.url))

/** Which runtime interface client drives the functions. */
export const clientName = existsSync(officialClient) ? 'aws-lambda-ric' : 'our own minimal client'

export interface FunctionOptions {
  readonly name: string
  /** Has `index.mjs`. */
  readonly folder: string
  /** What it exports as this function; `handler` by default. */
  readonly handler?: string
  /** What its template sets, and nothing of ours. */
  readonly env: Readonly<Record<string, string>>
  readonly memoryMib: number
}

export interface RunningFunction {
  readonly pid: number
  readonly invoke: (event: unknown, timeoutMs?: number) => Promise<unknown>
  /** From the start of the process until it asked for an event. */
  readonly initMs: number
  /** Resident, in MiB: now, and at most so far. */
  readonly memory: () => {readonly now: number; readonly peak: number}
  /** What it wrote to its log. */
  readonly log: () => string
  readonly stop: () => Promise<void>
}

/** What Lambda sets itself: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html */
const reservedEnv = ({name, folder, handler = 'handler', memoryMib}: FunctionOptions, address: string): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  LANG: 'en_US.UTF-8',
  TZ: ':UTC',
  _HANDLER: `index.${handler}`,
  LAMBDA_TASK_ROOT: folder,
  AWS_LAMBDA_RUNTIME_API: address,
  AWS_LAMBDA_FUNCTION_NAME: name,
  AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMib),
  AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
  AWS_REGION: 'eu-west-1',
  AWS_ACCESS_KEY_ID: name,
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_SESSION_TOKEN: 'session',
})

const programOf = ({handler = 'handler'}: FunctionOptions): string[] => [
  ...(existsSync(officialClient) ? [officialClient] : ['--disable-warning=ExperimentalWarning', minimalClient]),
  `index.${handler}`,
]

const memoryOf = ({pid}: ChildProcess) => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mib = (field: string): number => Math.round(Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1_024)
  return {now: mib('VmRSS'), peak: mib('VmHWM')}
}

/** Starts a function; rejects with what it said when it can not start. */
export const startFunction = async (options: FunctionOptions): Promise<RunningFunction> => {
  let child: ChildProcess | undefined
  const api = await startRuntimeApi({
    functionName: options.name,
    thaw: () => child?.kill('SIGCONT'),
    freeze: () => child?.kill('SIGSTOP'),
  })
  const startedAt = performance.now()
  let log = ''
  child = spawn(process.execPath, programOf(options), {
    cwd: options.folder,
    env: {...reservedEnv(options, api.address), ...options.env},
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const running = child
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (log += text))
  const exited = once(child, 'exit')
  const stop = async (): Promise<void> => {
    running.kill('SIGKILL')
    await Promise.all([exited, api.stop()])
  }
  try {
    await Promise.race([api.ready, exited.then(([code]) => Promise.reject(new Error(`${options.name} ended with ${code}: ${log}`)))])
  } catch (error) {
    await stop()
    throw error
  }
  const initMs = performance.now() - startedAt
  return {pid: running.pid ?? 0, invoke: api.invoke, initMs, memory: () => memoryOf(running), log: () => log, stop}
}
