// Reads the test database's real change stream, as an event source mapping would hand it to a function.
import {DescribeTableCommand} from '@aws-sdk/client-dynamodb'
import {DescribeStreamCommand, DynamoDBStreamsClient, GetRecordsCommand, GetShardIteratorCommand} from '@aws-sdk/client-dynamodb-streams'
import type {DynamoDBRecord} from 'aws-lambda'
import type {TestDatabase} from './database.ts'

export interface TestStream {
  /** What changed since the last call, or since the reader was made. */
  readonly next: () => Promise<DynamoDBRecord[]>
  readonly stop: () => void
}

/** Starts after what was written before. */
export const readStream = async ({client, clientConfig, table}: TestDatabase): Promise<TestStream> => {
  const streams = new DynamoDBStreamsClient(clientConfig)
  const arn = (await client.send(new DescribeTableCommand({TableName: table}))).Table?.LatestStreamArn
  const shards = (await streams.send(new DescribeStreamCommand({StreamArn: arn}))).StreamDescription?.Shards ?? []
  const iterators = await Promise.all(
    shards.map(async ({ShardId}) => {
      const start = {StreamArn: arn, ShardId, ShardIteratorType: 'LATEST' as const}
      return (await streams.send(new GetShardIteratorCommand(start))).ShardIterator
    }),
  )
  const next = async (): Promise<DynamoDBRecord[]> => {
    const all: DynamoDBRecord[] = []
    for (const [at, iterator] of iterators.entries()) {
      let from = iterator
      for (let more = true; more && from !== undefined; ) {
        const page = await streams.send(new GetRecordsCommand({ShardIterator: from}))
        all.push(...((page.Records ?? []) as DynamoDBRecord[]))
        more = (page.Records ?? []).length > 0
        from = page.NextShardIterator
      }
      iterators[at] = from
    }
    return all
  }
  return {next, stop: () => streams.destroy()}
}
