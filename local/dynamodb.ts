// The DynamoDB clients of a local stage, for the embedded database or any other endpoint, and the hook that tells of every write made through them.
import {DynamoDBStreamsClient} from '@aws-sdk/client-dynamodb-streams'
import type {DynamoDBDocumentClient} from '@aws-sdk/lib-dynamodb'
import {createClient} from '#lambdas/store/index.ts'

const triesMax = 6

export interface DynamoDB {
  readonly client: DynamoDBDocumentClient
  readonly streams: DynamoDBStreamsClient
  readonly destroy: () => void
}

const writes = new Set([
  'PutItemCommand',
  'UpdateItemCommand',
  'DeleteItemCommand',
  'BatchWriteItemCommand',
  'TransactWriteItemsCommand',
  'PutCommand',
  'UpdateCommand',
  'DeleteCommand',
  'BatchWriteCommand',
  'TransactWriteCommand',
])

/**
 * Makes the clients. The embedded database takes any credentials; for another endpoint the SDK finds its own unless `ownCredentials` is false.
 * `onWrite` is called after each write that succeeded.
 */
export const connectDynamoDB = (endpoint: string, onWrite: () => void, ownCredentials = false): DynamoDB => {
  const credentials = ownCredentials ? {} : {region: 'local', credentials: {accessKeyId: 'local', secretAccessKey: 'local'}}
  const config = {endpoint, maxAttempts: triesMax, ...credentials}
  const client = createClient(config)
  client.middlewareStack.add(
    (next, context) => async args => {
      const answer = await next(args)
      if (context.commandName !== undefined && writes.has(context.commandName)) onWrite()
      return answer
    },
    {step: 'initialize', name: 'noticeWrites'},
  )
  const streams = new DynamoDBStreamsClient(config)
  return {
    client,
    streams,
    destroy: () => {
      client.destroy()
      streams.destroy()
    },
  }
}
