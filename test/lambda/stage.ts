// A stage on AWS in processes of this machine: every bundled function behind the Runtime API, with the environment that its template gives it, over the
// embedded DynamoDB; called by a gateway, by the table's stream through the template's filters, by a queue, and by schedules, in AWS's own shapes.
import {randomUUID} from 'node:crypto'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {DynamoDBStreamsClient} from '@aws-sdk/client-dynamodb-streams'
import type {APIGatewayProxyStructuredResultV2, DynamoDBRecord, SQSBatchResponse} from 'aws-lambda'
import {type Bundles, functionNames, makeBundles} from '#cdk/bundles.ts'
import {exportedBy, functionSizes} from '#cdk/functions.ts'
import {streamFilters} from '#cdk/stream-filters.ts'
import {startEventSources} from '#local/event-sources.ts'
import {type GatewayFunction, startGateway} from '#local/gateway.ts'
import {endpoints, type FunctionName} from '#shared/endpoints.ts'
import {createLogger} from '#shared/log.ts'
import {startLoop} from '#shared/loop.ts'
import {createOpenapi} from '#shared/openapi.ts'
import {matches} from '#test/cdk/patterns.ts'
import {everything, ofType, resourcesOf} from '#test/cdk/stage.ts'
import {startDatabase, type TestDatabase} from '#test/store/database.ts'
import {type RunningFunction, startFunction} from './function.ts'
import {startFunctionUrl} from './function-url.ts'
import {type Services, startServices} from './services.ts'

const queueArn = 'arn:aws:sqs:eu-west-1:111122223333:wakes'
const queuePollMs = 100

/** Names of the variables that a stage's templates give each function. */
const variablesByFunction = async (): Promise<ReadonlyMap<string, readonly string[]>> => {
  const resources = await resourcesOf(everything)
  return new Map(
    ofType(resources, 'AWS::Lambda::Function').map(([, {Properties}]) => [
      /: (\w+)$/.exec(Properties.Description)?.[1] ?? '',
      Object.keys(Properties.Environment?.Variables ?? {}),
    ]),
  )
}

/** The event that EventBridge's schedule calls with. */
export const scheduled = () => ({
  version: '0',
  id: randomUUID(),
  'detail-type': 'Scheduled Event',
  source: 'aws.events',
  account: '111122223333',
  time: new Date().toISOString(),
  region: 'eu-west-1',
  resources: ['arn:aws:events:eu-west-1:111122223333:rule/every-minute'],
  detail: {},
})

/** Messages as an event source mapping hands them over. */
const queued = (messages: Services['messages']) => ({
  Records: messages.map(({id, body}) => ({
    messageId: id,
    receiptHandle: id,
    body,
    attributes: {ApproximateReceiveCount: '1', SentTimestamp: '0', SenderId: 'x', ApproximateFirstReceiveTimestamp: '0'},
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: 'eu-west-1',
  })),
})

/** Makes every bundle in a folder of its own. */
export const makeTestBundles = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gilliam-lambda-'))
  const bundles = await makeBundles(folder, createOpenapi({version: '0.0.0'}))
  return {...bundles, remove: () => rmSync(folder, {recursive: true, force: true})}
}

const startQueue = (services: Services, reconciler: RunningFunction, count: {queue: number}) =>
  startLoop(
    async () => {
      const due = services.messages.filter(({visibleAt}) => visibleAt <= Date.now()).slice(0, 10)
      if (due.length === 0) return queuePollMs
      count.queue += 1
      const {batchItemFailures} = (await reconciler.invoke(queued(due))) as SQSBatchResponse
      const failed = new Set(batchItemFailures.map(({itemIdentifier}) => itemIdentifier))
      for (const message of due) if (!failed.has(message.id)) services.messages.splice(services.messages.indexOf(message), 1)
      return 0
    },
    {intervalMs: queuePollMs},
  )

/** What templates give the functions of a stage, between them. */
export const stageVariables = (stage: string, database: TestDatabase, services: Services): Readonly<Record<string, string>> => ({
  GILLIAM_STAGE: stage,
  GILLIAM_TABLE: database.table,
  GILLIAM_SLUG_BUCKET: 'slug-bucket',
  GILLIAM_LOG_GROUP: 'services',
  GILLIAM_WAKE_QUEUE: `${services.url}/111122223333/wakes`,
  GILLIAM_TOKEN_PATH: `/gilliam-tokens/${stage}`,
  GILLIAM_SECRET_KEY: 'key',
  GILLIAM_MACHINE_GROUP: 'machines',
})

const startFunctions = async (
  database: TestDatabase,
  services: Services,
  bundles: Bundles,
  syncUrl: string,
): Promise<ReadonlyMap<string, RunningFunction>> => {
  const variables = await variablesByFunction()
  const values: Readonly<Record<string, string>> = {...stageVariables('test', database, services), GILLIAM_SYNC_URL: syncUrl}
  const envOf = (name: string): Record<string, string> => ({
    ...Object.fromEntries((variables.get(name) ?? []).map(variable => [variable, values[variable] ?? ''])),
    // Instances drain for little longer.
    GILLIAM_POLL_IDLE_MS: '100',
    GILLIAM_DYNAMODB_ENDPOINT: database.endpoint,
    AWS_ENDPOINT_URL: services.url,
  })
  const functions = new Map<string, RunningFunction>()
  for (const name of [...functionNames, 'sync']) {
    const memoryMib = functionSizes[name]?.memoryMib ?? 0
    const {bundle, handler} = exportedBy[name] ?? {bundle: name, handler: 'handler'}
    functions.set(name, await startFunction({name, folder: bundles.functionFolder(bundle), handler, env: envOf(name), memoryMib}))
  }
  return functions
}

type Find = (name: string) => RunningFunction

const startApi = (of: Find) => {
  const byGateway = (name: FunctionName): GatewayFunction => {
    return async event => (await of(name).invoke(event)) as APIGatewayProxyStructuredResultV2
  }
  const names = [...new Set(Object.values(endpoints).map(each => each.function))]
  const functions = Object.fromEntries(names.map(name => [name, byGateway(name)])) as Record<FunctionName, GatewayFunction>
  return startGateway({table: endpoints, functions, port: 0, now: Date.now, log: createLogger('test', {level: 'silent'})})
}

/** Records that each consumer could have heard of, and how often it was called. */
const createCounts = () => ({scheduler: {stream: 0, queue: 0, records: 0}, reconciler: {stream: 0, queue: 0, records: 0}})

const startStream = async (database: TestDatabase, of: Find, counts: ReturnType<typeof createCounts>) => {
  const checkpoints = mkdtempSync(join(tmpdir(), 'gilliam-checkpoints-'))
  const streams = new DynamoDBStreamsClient(database.clientConfig)
  const everyType = {has: () => true} as unknown as ReadonlySet<string>
  const consumers = (['scheduler', 'reconciler'] as const).map(name => ({
    name,
    types: everyType,
    handle: async ({Records}: {Records: DynamoDBRecord[]}) => {
      const passed = Records.filter(record => streamFilters[name].some(filter => matches(filter, record)))
      counts[name].records += Records.length
      if (passed.length === 0) return undefined
      counts[name].stream += 1
      return of(name).invoke({Records: passed}, 60_000)
    },
  }))
  const {client, table} = database
  const log = createLogger('test', {level: 'silent'})
  const events = await startEventSources({client, streams, table, checkpoints, consumers, idlePollMs: 50, log, now: Date.now})
  return {
    stop: async () => {
      await events.stop()
      streams.destroy()
      rmSync(checkpoints, {recursive: true, force: true})
    },
  }
}

/** Starts the stage. Its API listens on a port of 127.0.0.1. */
export const startLambdaStage = async () => {
  const [database, services, bundles] = await Promise.all([startDatabase(), startServices(), makeTestBundles()])
  const syncUrl = await startFunctionUrl(event => of('sync').invoke(event))
  const functions = await startFunctions(database, services, bundles, syncUrl.url)
  const of: Find = name => functions.get(name) as RunningFunction
  const counts = createCounts()
  const gateway = await startApi(of)
  const stream = await startStream(database, of, counts)
  const queue = startQueue(services, of('reconciler'), counts.reconciler)
  return {
    api: `http://127.0.0.1:${gateway.port}`,
    database,
    services,
    functions,
    counts,
    syncUrl,
    stop: async () => {
      await gateway.close()
      await syncUrl.stop()
      await queue.stop()
      await stream.stop()
      await Promise.all([...functions.values()].map(each => each.stop()))
      await Promise.all([database.stop(), services.stop()])
      bundles.remove()
    },
  }
}

export type LambdaStage = Awaited<ReturnType<typeof startLambdaStage>>
