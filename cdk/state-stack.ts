// What must outlive the platform: table, slugs, logs, and the key of secrets. Everything here is retained when the stack goes.
import {CfnOutput, Stack, type StackProps} from 'aws-cdk-lib'
import type {Construct} from 'constructs'
import {LogGroups} from './constructs/log-groups.ts'
import {SecretKey} from './constructs/secret-key.ts'
import {SlugBucket} from './constructs/slug-bucket.ts'
import {StateTable} from './constructs/state-table.ts'
import type {StageOptions} from './options.ts'

export interface StateStackProps extends StackProps {
  readonly options: StageOptions
  readonly functions: readonly string[]
}

export class StateStack extends Stack {
  readonly table: StateTable
  readonly slugs: SlugBucket
  readonly logs: LogGroups
  readonly secretKey: SecretKey | undefined

  constructor(scope: Construct, id: string, {options, functions, ...props}: StateStackProps) {
    super(scope, id, props)
    this.table = new StateTable(this, 'State', options.table)
    this.slugs = new SlugBucket(this, 'Slugs')
    this.secretKey = options.secretKey ? new SecretKey(this, 'Secrets', options.stage) : undefined
    this.logs = new LogGroups(this, 'Logs', functions, options.logDays)
    new CfnOutput(this, 'TableName', {value: this.table.table.tableName})
    new CfnOutput(this, 'SlugBucketName', {value: this.slugs.bucket.bucketName})
    new CfnOutput(this, 'ServiceLogGroup', {value: this.logs.services.logGroupName, description: 'what instances write'})
  }
}
