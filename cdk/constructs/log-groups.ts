// Log groups of a stage: one for what instances write, one per function, one for the API's access log, one for the data plane. They outlive the platform.
import {RemovalPolicy} from 'aws-cdk-lib'
import {PolicyStatement} from 'aws-cdk-lib/aws-iam'
import {LogGroup, type RetentionDays} from 'aws-cdk-lib/aws-logs'
import {Construct} from 'constructs'
import type {PlatformFunction} from './platform-function.ts'

export class LogGroups extends Construct {
  /** What instances write. */
  readonly services: LogGroup
  readonly accesses: LogGroup
  readonly dataPlane: LogGroup
  readonly network: LogGroup
  readonly #functions: ReadonlyMap<string, LogGroup>

  constructor(scope: Construct, id: string, functions: readonly string[], days: number) {
    super(scope, id)
    // RetentionDays is a list of the numbers that CloudWatch takes; options.ts checks for them.
    const create = (name: string): LogGroup =>
      new LogGroup(this, name, {retention: days as RetentionDays, removalPolicy: RemovalPolicy.RETAIN})
    this.services = create('Services')
    this.accesses = create('Accesses')
    this.dataPlane = create('DataPlane')
    this.network = create('Network')
    this.#functions = new Map(functions.map(name => [name, create(`function-${name}`)]))
  }

  of(name: string): LogGroup {
    const group = this.#functions.get(name)
    if (group === undefined) throw new Error(`no log group for the function ${name}`)
    return group
  }

  /** May keep lines of instances. */
  grantAppend(fn: PlatformFunction): void {
    fn.addStatement(new PolicyStatement({actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: [this.services.logGroupArn]}))
    fn.addEnvironment('GILLIAM_LOG_GROUP', this.services.logGroupName)
  }

  /** May read lines of instances. */
  grantRead(fn: PlatformFunction): void {
    fn.addStatement(new PolicyStatement({actions: ['logs:FilterLogEvents'], resources: [this.services.logGroupArn]}))
    fn.addEnvironment('GILLIAM_LOG_GROUP', this.services.logGroupName)
  }
}
