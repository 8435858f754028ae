// Makes the table and its client from the schema, for homes without CDK: one machine, and tests.
import {CreateTableCommand, DynamoDBClient, type DynamoDBClientConfig, ResourceInUseException} from '@aws-sdk/client-dynamodb'
import {DynamoDBDocumentClient} from '@aws-sdk/lib-dynamodb'
import {tableSchema} from './schema.ts'

/** The client every store takes: leaves out what is undefined. */
export const createClient = (config: DynamoDBClientConfig): DynamoDBDocumentClient =>
  DynamoDBDocumentClient.from(new DynamoDBClient(config), {marshallOptions: {removeUndefinedValues: true}})

/** Creates the table with its index and stream; answers false when it is there already. */
export const createTable = async (client: DynamoDBDocumentClient, table: string): Promise<boolean> => {
  const {partitionKey, sortKey, indexes, streamView} = tableSchema
  const attributes = [partitionKey, sortKey, ...Object.values(indexes).flatMap(index => [index.partitionKey, index.sortKey])]
  const keySchema = (hash: string, range: string) => [
    {AttributeName: hash, KeyType: 'HASH' as const},
    {AttributeName: range, KeyType: 'RANGE' as const},
  ]
  try {
    await client.send(
      new CreateTableCommand({
        TableName: table,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: attributes.map(name => ({AttributeName: name, AttributeType: 'S'})),
        KeySchema: keySchema(partitionKey, sortKey),
        GlobalSecondaryIndexes: Object.entries(indexes).map(([name, index]) => ({
          IndexName: name,
          KeySchema: keySchema(index.partitionKey, index.sortKey),
          Projection: {ProjectionType: 'ALL'},
        })),
        StreamSpecification: {StreamEnabled: true, StreamViewType: streamView},
      }),
    )
    return true
  } catch (error) {
    if (error instanceof ResourceInUseException) return false
    throw error
  }
}
