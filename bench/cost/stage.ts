// A control plane in this process, as a local stage has it, but with a meter on its DynamoDB client and no clocks: ticks happen when a scenario says so.
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {createStore} from '#lambdas/store/index.ts'
import {connectDynamoDB} from '#local/dynamodb.ts'
import {type Consumer, type EventSources, startEventSources} from '#local/event-sources.ts'
import {createFunctions} from '#local/functions.ts'
import {startGateway} from '#local/gateway.ts'
import {openLogs} from '#local/logs.ts'
import {openSecretBox} from '#local/secret-box.ts'
import {type Client, createClient} from '#shared/client.ts'
import type {ExecutorDescriptor} from '#shared/domain/executor.ts'
import {endpoints} from '#shared/endpoints.ts'
import {createLogger} from '#shared/log.ts'
import type {BlobStore} from '#shared/ports.ts'
import {memoryDumps} from '#test/lambdas/dumps.ts'
import {startDatabase} from '#test/store/database.ts'
import {type Consumption, installMeter, type Meter} from './meter.ts'

const quietMs = 600
const settleTimeoutMs = 30_000

export interface Measured extends Consumption {
  /** Requests of the HTTP API. */
  readonly apiCalls: number
  /** Batches of stream records handed to scheduler and reconciler. */
  readonly streamBatches: number
}

export interface MeteredStage {
  /** A client with a token of this scope. */
  readonly clientOf: (scope: 'admin' | 'discovery' | 'registry') => Promise<Client>
  readonly clientWith: (token: string) => Client
  readonly tick: () => Promise<void>
  /** Moves the control plane's clock on. */
  readonly skip: (ms: number) => void
  /** Joins executors that nobody serves, until there are so many. */
  readonly fill: (executors: number) => Promise<void>
  /** Runs `work`, waits until nothing more follows from it, and answers what it all cost. */
  readonly measure: (work: () => Promise<void>) => Promise<Measured>
  readonly stop: () => Promise<void>
}

/** An executor as ordinary as they come. */
const bystander = (at: number): ExecutorDescriptor => ({
  id: `i-${String(at).padStart(17, '0')}`,
  host: '10.0.0.1',
  zone: 'us-east-1a',
  domain: 'default',
  network: 'aws-prod',
  tags: ['ec2'],
  labels: {machine: 't4g.medium'},
  runtimes: ['process'],
  cpuMilli: 2_000,
  memoryMib: 4_096,
  pricePerHour: 0.0336,
})

/** Slugs are not uploaded here: every one is there already. */
const storedBlobs: BlobStore = {
  upload: async sha256 => ({url: `http://127.0.0.1/${sha256}`, headers: {}}),
  downloadUrl: async sha256 => `http://127.0.0.1/${sha256}`,
  size: async () => 1_000,
}

/** Waits until nothing was asked of the database for a while. */
const settle = async (meter: Meter): Promise<void> => {
  const deadline = Date.now() + settleTimeoutMs
  while (Date.now() - meter.lastAt() < quietMs && Date.now() < deadline) await sleep(50)
}

const counted = (consumer: Consumer, counts: {streamBatches: number}): Consumer => ({
  ...consumer,
  handle: event => {
    counts.streamBatches += 1
    return consumer.handle(event)
  },
})

export const startMeteredStage = async (): Promise<MeteredStage> => {
  const folder = await mkdtemp(join(tmpdir(), 'gilliam-cost-'))
  const log = createLogger('bench', {level: 'silent'})
  const database = await startDatabase()
  const late: {events?: EventSources} = {}
  const dynamo = connectDynamoDB(database.endpoint, () => late.events?.poke())
  const meter = installMeter(dynamo.client)
  const counts = {apiCalls: 0, streamBatches: 0}
  let skippedMs = 0
  const now = () => Date.now() + skippedMs
  const store = createStore({client: dynamo.client, table: database.table})
  const timing = {busyMs: 1_000, idleMs: 10_000}
  const options = {store, blobs: storedBlobs, stage: 'cost', version: '0', timing, nextPollMs: 1_000, now, log, wakeAt: () => undefined}
  const kept = {box: openSecretBox(join(folder, 'secret-key')), logs: await openLogs({folder: join(folder, 'logs'), now: Date.now})}
  const functions = createFunctions({...options, ...kept, dumps: memoryDumps()})
  const consumers = [functions.scheduler, functions.reconciler].map(each => counted(each, counts))
  const gateway = await startGateway({table: endpoints, functions: functions.api, port: 0, now, log})
  late.events = await startEventSources({...dynamo, table: database.table, checkpoints: join(folder, 'checkpoints'), consumers, now, log})

  const clientWith = (token: string): Client => {
    const client = createClient({api: `http://127.0.0.1:${gateway.port}`, token})
    return {
      call: (name, ...rest) => {
        counts.apiCalls += 1
        return client.call(name, ...rest)
      },
    }
  }

  return {
    clientWith,
    clientOf: async scope => clientWith((await store.tokens.create({name: scope, scope, ttlMs: 3_600_000}, now())).token),
    tick: async () => {
      await functions.ticks.reconciler()
      await functions.ticks.scheduler()
    },
    skip: ms => {
      skippedMs += ms
    },
    fill: async executors => {
      for (let at = (await store.executors.list()).length; at < executors; at++) await store.executors.join(bystander(at), now())
    },
    measure: async work => {
      await settle(meter)
      meter.take()
      Object.assign(counts, {apiCalls: 0, streamBatches: 0})
      await work()
      await settle(meter)
      return {...counts, ...meter.take()}
    },
    stop: async () => {
      await gateway.close()
      await late.events?.stop()
      dynamo.destroy()
      await database.stop()
      await rm(folder, {recursive: true, force: true})
    },
  }
}
