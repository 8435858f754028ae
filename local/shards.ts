// One reader's way through a DynamoDB stream: which shards there are, in which order, and where in each the reader is. Protocol: DynamoDB Streams API
// (DescribeStream, GetShardIterator, GetRecords); records come in order within a shard, and a parent's come before its children's.
import {
  DescribeStreamCommand,
  type DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
  type Shard,
  type _Record as StreamRecord,
} from '@aws-sdk/client-dynamodb-streams'
import type {Checkpoint} from './checkpoints.ts'

export type {StreamRecord}

/** Records asked for at once. */
const recordsPerReadMax = 1_000
const listEveryMs = 30_000

export interface ShardReader {
  /** Hands each batch to `handle` in order and moves on when it returns. True when there may be more right now. */
  readonly pass: (handle: (records: readonly StreamRecord[]) => Promise<void>) => Promise<boolean>
}

export interface ShardReaderOptions {
  readonly client: DynamoDBStreamsClient
  readonly stream: string
  readonly checkpoint: Checkpoint
  /** Where to begin in a shard without a checkpoint. */
  readonly from: 'TRIM_HORIZON' | 'LATEST'
  readonly now: () => number
}

/** Reads a stream from its checkpoints on. Throws what the API throws, having moved no further than what was handled. */
export const createShardReader = ({client, stream, checkpoint, from, now}: ShardReaderOptions): ShardReader => {
  /** Shard → next iterator; undefined once its end was reached. */
  const iterators = new Map<string, string | undefined>()
  let shards: readonly Shard[] = []
  let listedAt = Number.NEGATIVE_INFINITY

  const refresh = async (): Promise<void> => {
    if (now() - listedAt < listEveryMs) return
    shards = await listShards(client, stream)
    checkpoint.keep(shards.map(idOf))
    for (const shard of iterators.keys()) if (!shards.some(each => idOf(each) === shard)) iterators.delete(shard)
    listedAt = now()
  }

  const iteratorOf = async (shard: string, type: 'TRIM_HORIZON' | 'LATEST'): Promise<string | undefined> => {
    const after = checkpoint.get(shard)
    const position =
      after === undefined ? {ShardIteratorType: type} : {ShardIteratorType: 'AFTER_SEQUENCE_NUMBER' as const, SequenceNumber: after}
    try {
      return (await client.send(new GetShardIteratorCommand({StreamArn: stream, ShardId: shard, ...position}))).ShardIterator
    } catch (error) {
      if (!isTrimmed(error)) throw error
      const start = {StreamArn: stream, ShardId: shard, ShardIteratorType: 'TRIM_HORIZON' as const}
      return (await client.send(new GetShardIteratorCommand(start))).ShardIterator
    }
  }

  const readShard = async (shard: Shard, handle: (records: readonly StreamRecord[]) => Promise<void>): Promise<boolean> => {
    const id = idOf(shard)
    if (iterators.has(id) && iterators.get(id) === undefined) return false
    const parent = shard.ParentShardId
    if (
      parent !== undefined &&
      shards.some(each => idOf(each) === parent) &&
      !(iterators.has(parent) && iterators.get(parent) === undefined)
    )
      return false
    const iterator = iterators.get(id) ?? (await iteratorOf(id, parent === undefined ? from : 'TRIM_HORIZON'))
    if (iterator === undefined) return false
    const answer = await client.send(new GetRecordsCommand({ShardIterator: iterator, Limit: recordsPerReadMax}))
    const records = answer.Records ?? []
    if (records.length > 0) {
      await handle(records)
      const last = records.at(-1)?.dynamodb?.SequenceNumber
      if (last !== undefined) checkpoint.set(id, last)
    }
    iterators.set(id, answer.NextShardIterator)
    if (answer.NextShardIterator === undefined) listedAt = Number.NEGATIVE_INFINITY
    return records.length > 0 || answer.NextShardIterator === undefined
  }

  return {
    pass: async handle => {
      await refresh()
      let isMore = false
      for (const shard of shards) {
        try {
          isMore = (await readShard(shard, handle)) || isMore
        } catch (error) {
          iterators.delete(idOf(shard))
          if (!isExpired(error)) throw error
          isMore = true
        }
      }
      return isMore
    },
  }
}

const idOf = (shard: Shard): string => shard.ShardId ?? ''

const isTrimmed = (error: unknown): boolean => error instanceof Error && error.name === 'TrimmedDataAccessException'

const isExpired = (error: unknown): boolean => error instanceof Error && (error.name === 'ExpiredIteratorException' || isTrimmed(error))

/** All shards, parents before children. */
const listShards = async (client: DynamoDBStreamsClient, stream: string): Promise<readonly Shard[]> => {
  const shards: Shard[] = []
  let from: string | undefined
  do {
    const page = (await client.send(new DescribeStreamCommand({StreamArn: stream, ExclusiveStartShardId: from}))).StreamDescription
    shards.push(...(page?.Shards ?? []))
    from = page?.LastEvaluatedShardId
  } while (from !== undefined)
  return parentsFirst(shards)
}

/** Orders shards so that each comes after its parent, if that is listed. */
export const parentsFirst = (shards: readonly Shard[]): readonly Shard[] => {
  const ordered: Shard[] = []
  const left = new Set(shards)
  while (left.size > 0) {
    const ready = [...left].filter(shard => ![...left].some(other => other !== shard && idOf(other) === shard.ParentShardId))
    const next = ready.length > 0 ? ready : [...left]
    for (const shard of next) {
      ordered.push(shard)
      left.delete(shard)
    }
  }
  return ordered
}
