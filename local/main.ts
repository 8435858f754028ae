// The control plane of a local stage as one process: database, functions, gateway, event sources and timers put together. Started by ./bootstrap.
import {randomBytes} from 'node:crypto'
import {existsSync, mkdirSync, readFileSync} from 'node:fs'
import {readdir} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {parseArgs} from 'node:util'
import {createAskSts} from '#lambdas/executors/sts.ts'
import {createStore, createTable} from '#lambdas/store/index.ts'
import {slugBytesMax} from '#shared/api.ts'
import {read, readNumber} from '#shared/config.ts'
import {endpoints} from '#shared/endpoints.ts'
import {parseJoinRoles} from '#shared/join-proof.ts'
import {createLogger, type Logger} from '#shared/log.ts'
import {openBlobs} from './blobs.ts'
import {type Database, findDynoxide, startDatabase} from './database.ts'
import {connectDynamoDB, type DynamoDB} from './dynamodb.ts'
import {type EventSources, startEventSources} from './event-sources.ts'
import {replaceFile} from './files.ts'
import {createFunctions} from './functions.ts'
import {startGateway} from './gateway.ts'
import {createHolds} from './holds.ts'
import {openLogs} from './logs.ts'
import {loopback, urlOf} from './options.ts'
import {type StagePaths, stagePaths} from './paths.ts'
import {limitLog} from './processes.ts'
import {openSecretBox} from './secret-box.ts'
import {indexStream, trimStream} from './stream-upkeep.ts'
import {createSweeper} from './sweeper.ts'
import {startTimers, type Timers} from './timers.ts'

const nextPollMs = 500
/** How often to look for writes of others: nobody else writes to the embedded database, but another replica may write to a shared one. */
const ownPollMs = 1_000
const sharedPollMs = 200
const syncBusyMs = 100
const syncIdleMs = 500

const readOptions = () => {
  const {values} = parseArgs({
    options: {home: {type: 'string'}, stage: {type: 'string'}, listen: {type: 'string'}, 'api-port': {type: 'string'}},
  })
  const {home, stage, listen = loopback, 'api-port': port} = values
  if (home === undefined || stage === undefined || port === undefined) throw new Error('needs --home, --stage and --api-port')
  return {home, stage, listen, port: Number(port)}
}

/** The key that signs blob URLs: made once per stage. */
const blobSecret = (paths: StagePaths): string => {
  mkdirSync(paths.secrets, {recursive: true, mode: 0o700})
  const file = join(paths.secrets, 'blob-key')
  if (!existsSync(file)) replaceFile(file, randomBytes(32).toString('hex'))
  return readFileSync(file, 'utf8')
}

const openDatabase = async (paths: StagePaths, log: Logger): Promise<Database | undefined> => {
  if (read(process.env, 'GILLIAM_DYNAMODB_ENDPOINT') !== '') return undefined
  const binary = findDynoxide()
  if (binary === undefined) throw new Error('no dynoxide binary is installed and GILLIAM_DYNAMODB_ENDPOINT is not set')
  const database = await startDatabase({folder: paths.database, binary, log: log.child({part: 'database'})})
  indexStream(database.file)
  return database
}

const version = (): string => {
  const file = new URL('../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as {version: string}).version
}

/** What our processes write themselves; agents and database run on when this process starts anew, so nobody else can. */
const limitLogs = async (paths: StagePaths): Promise<void> => {
  const folder = dirname(paths.agent('any').log)
  const agents = (await readdir(folder).catch(() => [])).filter(name => name.endsWith('.log')).map(name => join(folder, name))
  for (const file of [paths.controlPlaneLog, join(paths.database, 'dynoxide.log'), ...agents]) await limitLog(file)
}

const compose = async (log: Logger) => {
  const {home, stage, listen, port} = readOptions()
  const paths = stagePaths(home)
  const table = read(process.env, 'GILLIAM_TABLE', `gilliam-${stage}`)
  const now = Date.now
  const database = await openDatabase(paths, log)
  const late: {events?: EventSources; timers?: Timers} = {}
  const poke = () => late.events?.poke()
  const endpoint = database?.endpoint ?? read(process.env, 'GILLIAM_DYNAMODB_ENDPOINT')
  const dynamo: DynamoDB = connectDynamoDB(endpoint, poke, process.env.AWS_ACCESS_KEY_ID !== undefined)
  await createTable(dynamo.client, table)
  const store = createStore({client: dynamo.client, table})
  const baseUrl = () => urlOf(port, listen)
  const blobs = await openBlobs({folder: paths.blobs, secret: blobSecret(paths), baseUrl, bytesMax: slugBytesMax, now, log})
  const logs = await openLogs({folder: paths.logs, now})
  const timing = {
    busyMs: readNumber(process.env, 'GILLIAM_SYNC_BUSY_MS', syncBusyMs, 10),
    idleMs: readNumber(process.env, 'GILLIAM_SYNC_IDLE_MS', syncIdleMs, 10),
  }
  const wakeAt = (formation: string, at: number) => late.timers?.wakeAt(formation, at)
  const box = openSecretBox(paths.secretKey)
  const proofs = {roles: parseJoinRoles(read(process.env, 'GILLIAM_JOIN_ROLES')), ask: createAskSts(fetch)}
  const kept = {store, blobs, dumps: blobs.dumps, logs, box, relay: read(process.env, 'GILLIAM_RELAY')}
  const functions = createFunctions({...kept, stage, version: version(), proofs, timing, nextPollMs, now, log, wakeAt})
  const holds = createHolds()
  const consumers = [functions.scheduler, functions.reconciler, holds.consumer]
  const api = {...functions.api, executors: holds.wrap(functions.api.executors), registry: holds.wrap(functions.api.registry)}
  const gateway = await startGateway({table: endpoints, functions: api, other: blobs.serve, host: listen, port, now, log})
  const idlePollMs = database === undefined ? sharedPollMs : ownPollMs
  const events = await startEventSources({...dynamo, table, checkpoints: paths.checkpoints, consumers, idlePollMs, now, log})
  late.events = events
  const sweeper = createSweeper(dynamo.client, table)
  const upkeep = async () => {
    await sweeper.pass(now())
    if (database !== undefined) trimStream(database.file, table, events.position())
    await limitLogs(paths)
  }
  late.timers = startTimers({ticks: functions.ticks, wake: functions.wake, upkeep, now, log})
  return async () => {
    holds.release()
    await gateway.close()
    await late.timers?.stop()
    await events.stop()
    await database?.close()
    dynamo.destroy()
  }
}

const log = createLogger('control-plane', {level: read(process.env, 'GILLIAM_LOG_LEVEL', 'info')})
const startedAt = Date.now()
let isStopping = false
const started = compose(log)
const stop = async (signal: NodeJS.Signals): Promise<void> => {
  if (isStopping) return
  isStopping = true
  log.info({signal}, 'stopping')
  const close = await started
  await close()
  process.exit(0)
}
process.on('SIGTERM', signal => void stop(signal))
process.on('SIGINT', signal => void stop(signal))
try {
  await started
  log.info({tookMs: Date.now() - startedAt}, 'the control plane is up')
} catch (error) {
  log.fatal({err: error}, 'the control plane can not start')
  process.exit(1)
}
