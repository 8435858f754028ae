// The event source mappings of a local stage: hands the table's stream to each consumer, in order, at its own pace. On AWS, Lambda does this.

import {setTimeout as sleep} from 'node:timers/promises'
import {DescribeTableCommand, type DynamoDBClient} from '@aws-sdk/client-dynamodb'
import type {DynamoDBStreamsClient} from '@aws-sdk/client-dynamodb-streams'
import type {DynamoDBRecord, DynamoDBStreamEvent} from 'aws-lambda'
import {backoffMs} from '#shared/domain/backoff.ts'
import type {Logger} from '#shared/log.ts'
import {type Loop, startLoop} from '#shared/loop.ts'
import {type Checkpoint, openCheckpoint} from './checkpoints.ts'
import {ShardReader, type StreamRecord} from './shards.ts'
import {StreamReads} from './stream-reads.ts'

const idlePollMsDefault = 200
const recordsPerBatchMax = 100
/** Tries of one batch; then it is logged and left to the next tick, which looks at everything. */
const batchTriesMax = 8
/** After a batch a consumer rests as long as that took, at most this long: what happens meanwhile goes together, and others get their turn. */
const restMsMax = 200
const retryBaseMs = 100
const retryMaxMs = 5_000

export interface Consumer {
  readonly name: string
  /** Gets records whose item is of one of `types`. */
  readonly types: ReadonlySet<string>
  /** As a Lambda function: throws when the batch failed, or answers which records did (ReportBatchItemFailures). */
  readonly handle: (event: DynamoDBStreamEvent) => Promise<unknown>
}

export interface EventSourceOptions {
  readonly client: DynamoDBClient
  readonly streams: DynamoDBStreamsClient
  readonly table: string
  readonly checkpoints: string
  readonly consumers: readonly Consumer[]
  readonly from?: 'TRIM_HORIZON' | 'LATEST'
  /** How often to look for what others wrote; what this process writes is seen at once, by `poke`. 200 by default. */
  readonly idlePollMs?: number
  readonly log: Logger
  readonly now: () => number
}

export interface EventSources {
  /** Something was written just now: read at once. */
  readonly poke: () => void
  /** The position all consumers have passed; 0 when unknown. */
  readonly position: () => number
  readonly stop: () => Promise<void>
}

/** Starts reading the table's stream for every consumer. Throws when the table has no stream. */
export const startEventSources = async (options: EventSourceOptions): Promise<EventSources> => {
  const {Table} = await options.client.send(new DescribeTableCommand({TableName: options.table}))
  const stream = Table?.LatestStreamArn
  if (stream === undefined) throw new Error(`table ${options.table} has no stream`)
  const checkpoints = new Map<string, Checkpoint>()
  const positions = new Map<string, number>()
  const loops: Loop[] = []
  const reads = new StreamReads(options.streams)
  for (const consumer of options.consumers) {
    const checkpoint = await openCheckpoint(options.checkpoints, consumer.name, stream, options.now)
    checkpoints.set(consumer.name, checkpoint)
    loops.push(consume(consumer, {stream, checkpoint, reads}, options, position => positions.set(consumer.name, position)))
  }
  return {
    poke: () => {
      reads.written()
      for (const loop of loops) loop.wake()
    },
    position: () => (positions.size < options.consumers.length ? 0 : Math.min(...positions.values())),
    stop: async () => {
      await Promise.all(loops.map(loop => loop.stop()))
      for (const checkpoint of checkpoints.values()) checkpoint.save()
    },
  }
}

const consume = (
  consumer: Consumer,
  {stream, checkpoint, reads}: {readonly stream: string; readonly checkpoint: Checkpoint; readonly reads: StreamReads},
  options: EventSourceOptions,
  reached: (position: number) => void,
): Loop => {
  const log = options.log.child({consumer: consumer.name})
  const idlePollMs = options.idlePollMs ?? idlePollMsDefault
  const reader = new ShardReader({
    client: options.streams,
    reads,
    stream,
    checkpoint,
    from: options.from ?? 'TRIM_HORIZON',
    now: options.now,
  })
  return startLoop(
    async signal => {
      let workedMs = 0
      const isMore = await reader.pass(async records => {
        const startedAt = performance.now()
        await deliver(consumer, records.filter(isOf(consumer.types)), stream, signal, log)
        workedMs += performance.now() - startedAt
        reached(Number(records.at(-1)?.dynamodb?.SequenceNumber ?? 0))
      })
      checkpoint.saveNowAndThen()
      if (workedMs > 1) await sleep(Math.min(workedMs, restMsMax), undefined, {signal})
      return isMore ? 0 : idlePollMs
    },
    {intervalMs: idlePollMs, backoffMaxMs: retryMaxMs, onError: error => log.warn({err: error}, 'the stream can not be read')},
  )
}

const isOf =
  (types: ReadonlySet<string>) =>
  (record: StreamRecord): boolean => {
    const type = (record.dynamodb?.NewImage ?? record.dynamodb?.OldImage)?.type?.S
    return type !== undefined && types.has(type)
  }

/** Delivers records in order, in batches; what fails again and again is given up. Throws only when told to stop. */
const deliver = async (consumer: Consumer, records: readonly StreamRecord[], stream: string, signal: AbortSignal, log: Logger) => {
  let tries = 0
  for (let at = 0; at < records.length; ) {
    const batch = records.slice(at, at + recordsPerBatchMax)
    const failed = await attempt(consumer, batch, stream, log)
    at += failed ?? batch.length
    if (failed === undefined) {
      tries = 0
      continue
    }
    tries = failed > 0 ? 1 : tries + 1
    if (tries < batchTriesMax) {
      await sleep(backoffMs(tries, retryBaseMs, retryMaxMs), undefined, {signal})
      continue
    }
    log.error({records: batch.length - failed}, 'records given up; the next tick repairs what they would have')
    at += batch.length - failed
    tries = 0
  }
}

/** Undefined when the batch was handled; else how many of its records were. */
const attempt = async (consumer: Consumer, batch: readonly StreamRecord[], stream: string, log: Logger): Promise<number | undefined> => {
  try {
    const answer = await consumer.handle({Records: batch.map(record => toLambda(record, stream))})
    const failures = (answer as {batchItemFailures?: readonly {itemIdentifier: string}[]} | undefined)?.batchItemFailures ?? []
    if (failures.length === 0) return undefined
    const named = new Set(failures.map(failure => failure.itemIdentifier))
    return Math.max(
      0,
      batch.findIndex(record => named.has(record.dynamodb?.SequenceNumber ?? '')),
    )
  } catch (error) {
    log.warn({err: error}, 'a batch of records failed')
    return 0
  }
}

/** The Streams API's record as Lambda hands it to functions: times are epoch seconds. */
const toLambda = (record: StreamRecord, stream: string): DynamoDBRecord => {
  const {ApproximateCreationDateTime: at, ...dynamodb} = record.dynamodb ?? {}
  const times = at === undefined ? {} : {ApproximateCreationDateTime: at.getTime() / 1_000}
  return {...record, eventSourceARN: stream, dynamodb: {...dynamodb, ...times}} as DynamoDBRecord
}
