// The DynamoDB clients of a local stage, for the embedded database or any other endpoint, and the hook that tells of every write made through them.
import {DynamoDBStreamsClient} from '@aws-sdk/client-dynamodb-streams'
import type {DynamoDBDocumentClient} from '@aws-sdk/lib-dynamodb'
import {createClient} from '#lambdas/store/index.ts'

const triesMax = 6

/** The embedded database wants to be shown a signature and does not check it; making one for every request costs a tenth of the control plane's time. */
const authorization =
  'AWS4-HMAC-SHA256 Credential=local/20000101/local/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=unchecked'
const unsigned = {
  sign: async <T extends object>(request: T): Promise<T> => {
    if ('headers' in request) Object.assign(request.headers as object, {authorization, 'x-amz-date': '20000101T000000Z'})
    return request
  },
}

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
  const credentials = ownCredentials
    ? {}
    : {region: 'local', credentials: {accessKeyId: 'local', secretAccessKey: 'local'}, signer: unsigned}
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
  // It copies every request and answer for a logger that there is not.
  for (const {middlewareStack} of [client, streams]) middlewareStack.remove('loggerMiddleware')
  return {
    client,
    streams,
    destroy: () => {
      client.destroy()
      streams.destroy()
    },
  }
}
