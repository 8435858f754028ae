// Brings a stage up, step by step, starting only what is missing; and ends again what it started when a step fails.
import {setTimeout as sleep} from 'node:timers/promises'
import {configDir} from '#cli/config.ts'
import type {Client} from '#shared/client.ts'
import {type Environment, read} from '#shared/config.ts'
import {transfer} from '#shared/exchange.ts'
import {ensureBundles} from './bundle.ts'
import {adminClient, ensureTokenFile} from './credentials.ts'
import {findDatabase, stopDatabase} from './database.ts'
import {readJson, replaceFile} from './files.ts'
import {BootstrapError, type BootstrapOptions, loopback, type StageSettings, urlOf, urlsOf} from './options.ts'
import type {StagePaths} from './paths.ts'
import {checkMachine, checkPorts, prepareHome, thisMachine} from './preflight.ts'
import {lastError, type ProcessRecord} from './processes.ts'
import {packDataPlane} from './slug.ts'
import {
  executorIds,
  findAgent,
  findControlPlane,
  startAgent,
  startControlPlane,
  stopAgent,
  stopControlPlane,
  waitForHealth,
} from './start.ts'
import {dataPlaneServices, ensureDataPlane, platformFormation} from './turtles.ts'
import {createGuardedLook, partsOf} from './watch.ts'

const pollMs = 50
const agentTimeoutMs = 30_000
const dataPlaneTimeoutMs = 90_000
const answerTimeoutMs = 1_000

export interface Context {
  readonly options: BootstrapOptions
  readonly paths: StagePaths
  readonly env: Environment
  /** Aborted when the user wants to stop. */
  readonly signal: AbortSignal
  readonly progress: (text: string) => void
  /** A line that stays. */
  readonly say: (text: string) => void
}

/** What one bootstrap started itself, to be ended again by it. */
export interface Started {
  controlPlane?: ProcessRecord
  readonly agents: ProcessRecord[]
}

export interface RunningStage {
  readonly client: Client
  readonly controlPlane: ProcessRecord
}

/** Brings up what is missing and waits until all of it answers; adds to `started` what it started. Throws BootstrapError. */
export const bringUp = async (context: Context, started: Started): Promise<RunningStage> => {
  const {options, paths, env, signal, progress, say} = context
  await checkPlace(context)
  const bundles = ensureBundles()
  const slug = bundles.proxy.then(packDataPlane)
  slug.catch(() => undefined)
  const controlPlane = await ensureControlPlane(context, started, bundles['control-plane'])
  signal.throwIfAborted()
  const client = await adminClient({
    stage: options.stage,
    urls: urlsOf(options),
    configFolder: configDir(env),
    database: await databaseOf(context),
    now: Date.now,
    say,
  })
  await ensureTokenFile({client, file: paths.joinToken, name: 'agents of this machine', scope: 'join', now: Date.now})
  await ensureTokenFile({client, file: paths.discoveryToken, name: 'router and proxy', scope: 'discovery', now: Date.now})
  progress('agent')
  await bundles.agent
  const agents = await ensureAgents(context, started)
  await waitForAgents(context, client, agents)
  progress('router and proxy')
  await ensureDataPlane(client, options, paths, await slug)
  await waitForDataPlane(context, client)
  await Promise.all(Object.values(bundles))
  return {client, controlPlane}
}

/** Checks the machine and makes the home folder. */
export const prepare = ({paths, env}: Context): void => {
  checkMachine(thisMachine(env))
  prepareHome(paths)
}

/** Checks what can be checked without starting anything. */
const checkPlace = async ({options, paths}: Context): Promise<void> => {
  const controlPlane = await findControlPlane(paths)
  if (controlPlane !== undefined) await checkSettings(options, paths)
  checkPorts(options, controlPlane)
}

/** What is kept of the options for the next start. */
export const settingsOf = ({stage, apiPort, routerPort, proxyPort, listen, agents}: StageSettings): StageSettings => ({
  stage,
  apiPort,
  routerPort,
  proxyPort,
  listen,
  agents,
})

/** Ports of a running stage can not change under it. */
const checkSettings = async (options: BootstrapOptions, paths: StagePaths): Promise<void> => {
  const running = (await readJson(paths.stage)) as StageSettings | undefined
  if (running === undefined) return
  for (const [name, port] of [
    ['api', 'apiPort'],
    ['router', 'routerPort'],
    ['proxy', 'proxyPort'],
  ] as const) {
    if (running[port] === options[port]) continue
    throw new BootstrapError(
      `the stage in ${options.home} runs with --${name}-port ${running[port]}; end it with --stop before you change that`,
    )
  }
  if ((running.listen ?? loopback) !== options.listen)
    throw new BootstrapError(
      `the stage in ${options.home} listens on ${running.listen ?? loopback}; end it with --stop before you change that`,
    )
}

const ensureControlPlane = async (
  {options, paths, env, progress}: Context,
  started: Started,
  program: Promise<unknown>,
): Promise<ProcessRecord> => {
  const running = await findControlPlane(paths)
  progress('control plane')
  await program
  if (running === undefined) started.controlPlane = await startControlPlane(options, paths, env)
  else await waitForHealth(running, options, paths)
  replaceFile(paths.stage, `${JSON.stringify(settingsOf(options), null, 2)}\n`)
  return running ?? (started.controlPlane as ProcessRecord)
}

const databaseOf = async ({options, paths, env}: Context) => {
  const own = read(env, 'GILLIAM_DYNAMODB_ENDPOINT')
  const table = read(env, 'GILLIAM_TABLE', `gilliam-${options.stage}`)
  if (own !== '') return {endpoint: own, table, ownCredentials: env.AWS_ACCESS_KEY_ID !== undefined}
  const running = await findDatabase(paths.database)
  if (running?.port === undefined) throw new BootstrapError('the embedded database does not run; see db/dynoxide.log in the home folder')
  return {endpoint: urlOf(running.port), table, ownCredentials: false}
}

const ensureAgents = async ({options, paths, env}: Context, started: Started): Promise<readonly string[]> => {
  const executors = executorIds(options.agents)
  for (const executor of executors) {
    if ((await findAgent(paths, executor)) !== undefined) continue
    started.agents.push(await startAgent(options, paths, env, executor))
  }
  return executors
}

const waitForAgents = async ({paths, signal}: Context, client: Client, executors: readonly string[]): Promise<void> => {
  let absent = executors
  for (let waitedMs = 0; waitedMs < agentTimeoutMs; waitedMs += pollMs) {
    signal.throwIfAborted()
    const {items} = await client.call('listExecutors')
    const alive = new Set(items.filter(each => each.state !== 'lost' && each.leaseExpiresAt > Date.now()).map(each => each.id))
    absent = executors.filter(executor => !alive.has(executor))
    if (absent.length === 0) return
    for (const executor of absent) {
      if ((await findAgent(paths, executor)) === undefined)
        throw new BootstrapError(
          `agent ${executor} ended at start: ${lastError(paths.agent(executor).log)} (see ${paths.agent(executor).log})`,
        )
    }
    await sleep(pollMs)
  }
  throw new BootstrapError(
    `agent ${absent.join(', ')} did not join within ${agentTimeoutMs / 1_000} s; see ${paths.agent(absent[0] ?? '').log}`,
  )
}

/** Whether something that speaks HTTP answers; what it says does not matter. */
const answers = async (url: string): Promise<boolean> => {
  try {
    const answer = await transfer(`${url}/`, {method: 'GET', idleMs: answerTimeoutMs})
    answer.destroy()
    return true
  } catch {
    return false
  }
}

/** Services of the data plane with a running instance, as the control plane knows. */
const runningServices = async (client: Client): Promise<ReadonlySet<string>> => {
  const {items} = await client.call('listInstances', {params: {formation: platformFormation}})
  return new Set(items.filter(each => each.state === 'running').map(each => each.service))
}

const waitForDataPlane = async ({options, signal}: Context, client: Client): Promise<void> => {
  const {router, proxy} = urlsOf(options)
  for (let waitedMs = 0; waitedMs < dataPlaneTimeoutMs; waitedMs += pollMs) {
    signal.throwIfAborted()
    const isAnswering = (await answers(router)) && (await answers(proxy))
    if (isAnswering && (await runningServices(client)).size === dataPlaneServices.length) return
    await sleep(pollMs)
  }
  const {items} = await client.call('listInstances', {params: {formation: platformFormation}, query: {all: 'true'}})
  const states = items.map(each => `${each.service} ${each.state}${each.reason === undefined ? '' : ` (${each.reason})`}`)
  throw new BootstrapError(`router and proxy are not up after ${dataPlaneTimeoutMs / 1_000} s: ${states.join(', ') || 'no instances'}`)
}

/** Waits until somebody else has brought the stage up. Throws BootstrapError when nobody does. */
export const waitUntilUp = async (options: BootstrapOptions, signal: AbortSignal): Promise<void> => {
  const {api, router, proxy} = urlsOf(options)
  for (let waitedMs = 0; waitedMs < dataPlaneTimeoutMs; waitedMs += pollMs) {
    signal.throwIfAborted()
    if ((await answers(api)) && (await answers(router)) && (await answers(proxy))) return
    await sleep(pollMs)
  }
  throw new BootstrapError(`the stage is not up after ${dataPlaneTimeoutMs / 1_000} s; see journalctl`)
}

/** What starts again what died, and remembers it as this bootstrap's own. */
export const createMending = (context: Context, started: Started, say: (text: string) => void): (() => Promise<void>) => {
  const look = createGuardedLook(context.paths, {now: () => performance.now(), say})
  const parts = partsOf(context, {
    controlPlane: record => {
      started.controlPlane = record
    },
    agent: record => started.agents.push(record),
  })
  return () => look(parts)
}

/** Ends what this bootstrap started; the database goes with the control plane. */
export const endStarted = async ({paths}: Context, started: Started): Promise<void> => {
  await Promise.all(started.agents.map(agent => stopAgent(agent, true)))
  if (started.controlPlane === undefined) return
  await stopControlPlane(started.controlPlane)
  await stopDatabase(paths.database)
}
