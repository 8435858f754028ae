// One reader's way through a DynamoDB stream: which shards there are, in which order, and where in each the reader is. Protocol: DynamoDB Streams API
// (DescribeStream, GetShardIterator, GetRecords); records come in order within a shard, and a parent's come before its children's.
import {
  DescribeStreamCommand,
  type DynamoDBStreamsClient,
  GetShardIteratorCommand,
  type Shard,
  type _Record as StreamRecord,
} from '@aws-sdk/client-dynamodb-streams'
import type {Checkpoint} from './checkpoints.ts'
import type {StreamReads} from './stream-reads.ts'

export type {StreamRecord}

/** Fewer records than this in one read are all there are, as a rule; the next look finds what is not. */
const recordsWithMoreMin = 100
const listEveryMs = 30_000

export interface ShardReaderOptions {
  readonly client: DynamoDBStreamsClient
  readonly reads: StreamReads
  readonly stream: string
  readonly checkpoint: Checkpoint
  /** Where to begin in a shard without a checkpoint. */
  readonly from: 'TRIM_HORIZON' | 'LATEST'
  readonly now: () => number
}

/** Takes a batch of records; the reader moves on when it returns. */
export type Take = (records: readonly StreamRecord[]) => Promise<void>

/** Reads a stream from its checkpoints on. Throws what the API throws, having moved no further than what was taken. */
export class ShardReader {
  readonly #options: ShardReaderOptions
  /** Next iterator of each shard that is being read. */
  readonly #iterators = new Map<string, string>()
  /** Shards that were read to their end. */
  readonly #ended = new Set<string>()
  #shards: readonly Shard[] = []
  #listedAt = Number.NEGATIVE_INFINITY

  constructor(options: ShardReaderOptions) {
    this.#options = options
  }

  /** Reads every shard once, in order. True when there may be more right now. */
  async pass(take: Take): Promise<boolean> {
    await this.#refresh()
    let isMore = false
    for (const shard of this.#shards.filter(each => this.#isReadable(each))) {
      try {
        isMore = (await this.#read(shard, take)) || isMore
      } catch (error) {
        this.#iterators.delete(idOf(shard))
        if (!isExpired(error)) throw error
        isMore = true
      }
    }
    return isMore
  }

  async #refresh(): Promise<void> {
    const {client, stream, checkpoint, now} = this.#options
    if (now() - this.#listedAt < listEveryMs) return
    this.#shards = await listShards(client, stream)
    const listed = new Set(this.#shards.map(idOf))
    checkpoint.keep([...listed])
    for (const shard of this.#iterators.keys()) if (!listed.has(shard)) this.#iterators.delete(shard)
    for (const shard of this.#ended) if (!listed.has(shard)) this.#ended.delete(shard)
    this.#listedAt = now()
  }

  /** Not read to its end, and its parent was, or is gone. */
  #isReadable(shard: Shard): boolean {
    const parent = shard.ParentShardId
    if (this.#ended.has(idOf(shard))) return false
    return parent === undefined || this.#ended.has(parent) || !this.#shards.some(each => idOf(each) === parent)
  }

  async #read(shard: Shard, take: Take): Promise<boolean> {
    const id = idOf(shard)
    const iterator = this.#iterators.get(id) ?? (await this.#begin(shard))
    if (iterator === undefined) return false
    const {reads, checkpoint, from} = this.#options
    const answer = await reads.read(`${id} ${checkpoint.get(id) ?? from}`, iterator)
    const records = answer.Records ?? []
    if (records.length > 0) await take(records)
    const last = records.at(-1)?.dynamodb?.SequenceNumber
    if (last !== undefined) checkpoint.set(id, last)
    if (answer.NextShardIterator !== undefined) {
      this.#iterators.set(id, answer.NextShardIterator)
      return records.length >= recordsWithMoreMin
    }
    this.#iterators.delete(id)
    this.#ended.add(id)
    this.#listedAt = Number.NEGATIVE_INFINITY
    return true
  }

  /** An iterator after the checkpoint, or at the shard's beginning when there is none or what followed it is gone. */
  async #begin(shard: Shard): Promise<string | undefined> {
    const {client, stream, checkpoint, from} = this.#options
    const at = {StreamArn: stream, ShardId: idOf(shard)}
    const after = checkpoint.get(idOf(shard))
    const start = {...at, ShardIteratorType: shard.ParentShardId === undefined ? from : ('TRIM_HORIZON' as const)}
    const next = {...at, ShardIteratorType: 'AFTER_SEQUENCE_NUMBER' as const, SequenceNumber: after}
    try {
      return (await client.send(new GetShardIteratorCommand(after === undefined ? start : next))).ShardIterator
    } catch (error) {
      if (!isTrimmed(error)) throw error
      return (await client.send(new GetShardIteratorCommand({...at, ShardIteratorType: 'TRIM_HORIZON'}))).ShardIterator
    }
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
