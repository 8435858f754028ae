// What DynamoDB's TTL does on AWS and the embedded database does not: deletes items whose time is over. In the background, a bounded part at a time;
// no reader relies on it, they all filter on `expiresAt` themselves.
import {ConditionalCheckFailedException} from '@aws-sdk/client-dynamodb'
import {DeleteCommand, type DynamoDBDocumentClient, ScanCommand} from '@aws-sdk/lib-dynamodb'
import {tableSchema} from '#lambdas/store/schema.ts'

const itemsPerPassMax = 500

export interface Sweeper {
  /** Looks at the next 500 items of the table and deletes those that ended before `now` (epoch ms). Returns how many. */
  readonly pass: (now: number) => Promise<number>
}

/** Sweeps `table`, going round and round. */
export const createSweeper = (client: DynamoDBDocumentClient, table: string): Sweeper => {
  let from: Record<string, unknown> | undefined

  const remove = async (item: Record<string, unknown>): Promise<number> => {
    const {partitionKey, sortKey, ttlAttribute} = tableSchema
    try {
      await client.send(
        new DeleteCommand({
          TableName: table,
          Key: {[partitionKey]: item[partitionKey], [sortKey]: item[sortKey]},
          ConditionExpression: '#ttl = :ttl',
          ExpressionAttributeNames: {'#ttl': ttlAttribute},
          ExpressionAttributeValues: {':ttl': item[ttlAttribute]},
        }),
      )
      return 1
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return 0
      throw error
    }
  }

  return {
    pass: async now => {
      const page = await client.send(
        new ScanCommand({
          TableName: table,
          Limit: itemsPerPassMax,
          ExclusiveStartKey: from,
          FilterExpression: '#ttl < :now',
          ProjectionExpression: '#pk, #sk, #ttl',
          ExpressionAttributeNames: {'#ttl': tableSchema.ttlAttribute, '#pk': tableSchema.partitionKey, '#sk': tableSchema.sortKey},
          ExpressionAttributeValues: {':now': Math.floor(now / 1_000)},
        }),
      )
      let removed = 0
      for (const item of page.Items ?? []) removed += await remove(item)
      from = page.LastEvaluatedKey
      return removed
    },
  }
}
