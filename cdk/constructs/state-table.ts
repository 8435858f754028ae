// The one table: created from the store's schema, or a restored one taken as it is. Owns how a function gets at it: IAM and environment together.
import {RemovalPolicy} from 'aws-cdk-lib'
import {type Attribute, AttributeType, BillingMode, type ITable, StreamViewType, Table, TableEncryption} from 'aws-cdk-lib/aws-dynamodb'
import {Effect, PolicyStatement} from 'aws-cdk-lib/aws-iam'
import {CfnEventSourceMapping} from 'aws-cdk-lib/aws-lambda'
import {Construct} from 'constructs'
import {tableSchema} from '#lambdas/store/schema.ts'
import {tableStatements} from '../grants.ts'
import {type StreamFilter, streamFilters} from '../stream-filters.ts'
import type {DeadLetters} from './dead-letters.ts'
import type {PlatformFunction} from './platform-function.ts'

const text = (name: string): Attribute => ({name, type: AttributeType.STRING})

/** Days that the table can be restored to any second of. */
const recoveryDays = 35
/** A batch is handled within one call of a function; more wait for the next. */
const recordsPerBatchMax = 100
const retriesMax = 8
/** Records older than this are given up: the next tick repairs what they would have. */
const recordAgeSecondsMax = 3_600

const createTable = (scope: Construct): Table => {
  const table = new Table(scope, 'Table', {
    partitionKey: text(tableSchema.partitionKey),
    sortKey: text(tableSchema.sortKey),
    billingMode: BillingMode.PAY_PER_REQUEST,
    timeToLiveAttribute: tableSchema.ttlAttribute,
    stream: StreamViewType[tableSchema.streamView],
    encryption: TableEncryption.AWS_MANAGED,
    pointInTimeRecoverySpecification: {pointInTimeRecoveryEnabled: true, recoveryPeriodInDays: recoveryDays},
    deletionProtection: true,
    removalPolicy: RemovalPolicy.RETAIN,
  })
  for (const [indexName, index] of Object.entries(tableSchema.indexes))
    table.addGlobalSecondaryIndex({indexName, partitionKey: text(index.partitionKey), sortKey: text(index.sortKey)})
  return table
}

export class StateTable extends Construct {
  readonly table: ITable

  constructor(scope: Construct, id: string, restored?: {readonly name: string; readonly streamArn: string}) {
    super(scope, id)
    this.table =
      restored === undefined
        ? createTable(this)
        : Table.fromTableAttributes(this, 'Table', {tableName: restored.name, tableStreamArn: restored.streamArn})
  }

  /** What cdk/grants.ts says this function may do, and the table's name. */
  grantAccess(fn: PlatformFunction): void {
    const {tableArn, tableName} = this.table
    for (const {on, actions, leadingKeys} of tableStatements(fn.name)) {
      fn.addStatement(
        new PolicyStatement({
          effect: Effect.ALLOW,
          actions: [...actions],
          resources: on === 'table' ? [tableArn] : Object.keys(tableSchema.indexes).map(index => `${tableArn}/index/${index}`),
          conditions: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': leadingKeys}},
        }),
      )
    }
    fn.addEnvironment('GILLIAM_TABLE', tableName)
  }

  /** Calls the function with batches of the stream that its filters let through. What fails again and again goes to `deadLetters`. */
  feed(fn: PlatformFunction, consumer: keyof typeof streamFilters, deadLetters: DeadLetters): void {
    const stream = this.table.tableStreamArn
    if (stream === undefined) throw new Error('the table has no stream')
    fn.addStatement(
      new PolicyStatement({
        actions: ['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator', 'dynamodb:ListStreams'],
        resources: [stream],
      }),
    )
    deadLetters.grantSend(fn)
    const mapping = new CfnEventSourceMapping(fn, 'Stream', {
      functionName: fn.functionName,
      eventSourceArn: stream,
      startingPosition: 'TRIM_HORIZON',
      batchSize: recordsPerBatchMax,
      bisectBatchOnFunctionError: true,
      maximumRetryAttempts: retriesMax,
      maximumRecordAgeInSeconds: recordAgeSecondsMax,
      functionResponseTypes: ['ReportBatchItemFailures'],
      filterCriteria: {filters: streamFilters[consumer].map((pattern: StreamFilter) => ({pattern: JSON.stringify(pattern)}))},
      destinationConfig: {onFailure: {destination: deadLetters.queueArn}},
    })
    mapping.node.addDependency(fn.policy)
  }
}
