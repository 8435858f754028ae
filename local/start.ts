// Starts the processes of a stage that are missing: control plane and agents. Each is of its own session and outlives whoever started it.
import {mkdir} from 'node:fs/promises'
import {availableParallelism, totalmem} from 'node:os'
import {dirname} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {createClient} from '#shared/client.ts'
import type {Environment} from '#shared/config.ts'
import {agentFlags, agentMalloc} from '#shared/host/unit.ts'
import {bundleOf} from './bundle.ts'
import {stopDatabase} from './database.ts'
import {BootstrapError, type BootstrapOptions, urlOf} from './options.ts'
import type {StagePaths} from './paths.ts'
import {endProcess, findProcess, isAlive, lastError, type ProcessRecord, startProcess} from './processes.ts'

/** node:sqlite warns of itself. A small young generation (MiB) saves some 20 MB per process, for a little more work collecting it. */
const nodeFlags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=4']

const readyTimeoutMs = 30_000
const readyPollMs = 25
const stopTimeoutMs = 30_000
/** Instances may take as long as their grace to stop. */
const agentStopTimeoutMs = 300_000

/** Host ports of all agents of a stage; each gets its own part. */
const hostPorts = {first: 20_000, last: 29_999}

/** Names of the executors on this machine: `local`, `local-2`, … */
export const executorIds = (agents: number): readonly string[] =>
  Array.from({length: agents}, (_, index) => (index === 0 ? 'local' : `local-${index + 1}`))

export const findControlPlane = (paths: StagePaths): Promise<ProcessRecord | undefined> => findProcess(paths.controlPlanePid, paths.home)

export const findAgent = (paths: StagePaths, executor: string): Promise<ProcessRecord | undefined> =>
  findProcess(paths.agent(executor).pid, paths.agent(executor).home)

/** What a process of ours inherits: nothing of the platform, no secrets, no proxies. */
const inherited = (env: Environment): Record<string, string | undefined> => ({
  PATH: [dirname(process.execPath), env.PATH ?? '/usr/local/bin:/usr/bin:/bin'].join(':'),
  HOME: env.HOME,
  LANG: env.LANG,
  TZ: env.TZ,
  NODE_COMPILE_CACHE: env.NODE_COMPILE_CACHE,
  // A relay elsewhere may have a certificate of an authority of one's own.
  NODE_EXTRA_CA_CERTS: env.NODE_EXTRA_CA_CERTS,
  GILLIAM_LOG_LEVEL: env.GILLIAM_LOG_LEVEL,
})

/** What agents are told of containers. */
const containerVariables = (env: Environment): Record<string, string | undefined> => ({
  GILLIAM_RUNTIMES: env.GILLIAM_RUNTIMES,
  GILLIAM_DOCKER_SOCKET: env.GILLIAM_DOCKER_SOCKET,
  GILLIAM_DOCKER_NETWORK: env.GILLIAM_DOCKER_NETWORK,
  GILLIAM_STACK_IMAGE: env.GILLIAM_STACK_IMAGE,
  GILLIAM_REGISTRY_CREDENTIALS: env.GILLIAM_REGISTRY_CREDENTIALS,
  GILLIAM_UNUSED_BYTES_MAX: env.GILLIAM_UNUSED_BYTES_MAX,
})

const databaseVariables = (env: Environment): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) => name === 'GILLIAM_DYNAMODB_ENDPOINT' || name === 'GILLIAM_TABLE' || name.startsWith('AWS_')),
  )

/** Starts the control plane and waits until it answers. Throws BootstrapError with the end of its log when it does not. */
export const startControlPlane = async (options: BootstrapOptions, paths: StagePaths, env: Environment): Promise<ProcessRecord> => {
  const {home, stage, listen, apiPort} = options
  const record = await startProcess({
    command: process.execPath,
    args: [...nodeFlags, bundleOf('control-plane'), '--home', home, '--stage', stage, '--listen', listen, '--api-port', String(apiPort)],
    env: {
      ...inherited(env),
      ...databaseVariables(env),
      GILLIAM_RELAY: env.GILLIAM_RELAY,
      GILLIAM_SYNC_BUSY_MS: env.GILLIAM_SYNC_BUSY_MS,
      GILLIAM_SYNC_IDLE_MS: env.GILLIAM_SYNC_IDLE_MS,
    },
    logFile: paths.controlPlaneLog,
    pidFile: paths.controlPlanePid,
  })
  try {
    await waitForHealth(record, options, paths)
    return record
  } catch (error) {
    await endProcess(record, 'SIGTERM', stopTimeoutMs)
    await stopDatabase(paths.database)
    throw error
  }
}

/** Waits until the control plane answers as this stage. */
export const waitForHealth = async (
  record: ProcessRecord,
  {apiPort, listen, stage}: BootstrapOptions,
  paths: StagePaths,
): Promise<void> => {
  const client = createClient({api: urlOf(apiPort, listen)})
  for (let waitedMs = 0; waitedMs < readyTimeoutMs; waitedMs += readyPollMs) {
    const health = await client.call('getHealth', {}, {triesMax: 1, timeoutMs: 2_000}).catch(() => undefined)
    if (health?.ok === true && health.stage === stage) return
    if (!isAlive(record))
      throw new BootstrapError(`the control plane ended at start: ${lastError(paths.controlPlaneLog)} (see ${paths.controlPlaneLog})`)
    await sleep(readyPollMs)
  }
  throw new BootstrapError(
    `the control plane does not answer on port ${apiPort} after ${readyTimeoutMs / 1_000} s; see ${paths.controlPlaneLog}`,
  )
}

/** Several agents on one machine each have their part of it, unless they are told what they have. What is no object is left for the agent to refuse. */
export const attributesOf = (agents: number, given: string | undefined): string | undefined => {
  if (agents === 1) return given
  const part = {
    cpuMilli: Math.floor((availableParallelism() * 1_000) / agents),
    memoryMib: Math.floor(totalmem() / 1_048_576 / agents),
  }
  try {
    return JSON.stringify({...part, ...JSON.parse(given || '{}')})
  } catch {
    return given
  }
}

/** Starts one agent; it joins by itself. */
export const startAgent = async (
  options: BootstrapOptions,
  paths: StagePaths,
  env: Environment,
  executor: string,
): Promise<ProcessRecord> => {
  const own = paths.agent(executor)
  await mkdir(own.home, {recursive: true, mode: 0o700})
  const index = executorIds(options.agents).indexOf(executor)
  const share = Math.floor((hostPorts.last - hostPorts.first + 1) / options.agents)
  const first = hostPorts.first + index * share
  return startProcess({
    command: process.execPath,
    // It takes no arguments; its home tells it from others in a list of processes.
    args: [...nodeFlags, ...agentFlags, bundleOf('agent'), own.home],
    env: {
      ...inherited(env),
      ...agentMalloc,
      ...containerVariables(env),
      GILLIAM_STAGE: options.stage,
      GILLIAM_API: urlOf(options.apiPort, options.listen),
      GILLIAM_SYNC_BUSY_MS: env.GILLIAM_SYNC_BUSY_MS ?? '100',
      GILLIAM_PROXY: urlOf(options.proxyPort, options.listen),
      GILLIAM_EXECUTOR: executor,
      GILLIAM_EXECUTOR_HOST: options.listen,
      GILLIAM_EXECUTOR_ATTRIBUTES: attributesOf(options.agents, env.GILLIAM_EXECUTOR_ATTRIBUTES),
      GILLIAM_AGENT_HOME: own.home,
      // What services reserve need not hold on a machine that one works on.
      GILLIAM_LIMITS: env.GILLIAM_LIMITS ?? 'pids,files',
      GILLIAM_JOIN_TOKEN_FILE: paths.joinToken,
      GILLIAM_PORT_RANGE: `${first}-${first + share - 1}`,
    },
    logFile: own.log,
    pidFile: own.pid,
  })
}

/** Ends an agent: at once (its instances run on), or with its instances. False when it had to be killed. */
export const stopAgent = (record: ProcessRecord, withInstances: boolean): Promise<boolean> =>
  endProcess(record, withInstances ? 'SIGUSR2' : 'SIGTERM', withInstances ? agentStopTimeoutMs : stopTimeoutMs)

export const stopControlPlane = (record: ProcessRecord): Promise<boolean> => endProcess(record, 'SIGTERM', stopTimeoutMs)
