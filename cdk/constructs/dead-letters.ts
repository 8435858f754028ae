// A queue for what a function could not do after all retries: kept for two weeks, watched by an alarm.
import {Duration} from 'aws-cdk-lib'
import {PolicyStatement} from 'aws-cdk-lib/aws-iam'
import {type IQueue, Queue, QueueEncryption} from 'aws-cdk-lib/aws-sqs'
import {Construct} from 'constructs'
import type {PlatformFunction} from './platform-function.ts'

export class DeadLetters extends Construct {
  readonly queue: IQueue

  constructor(scope: Construct, id: string) {
    super(scope, id)
    this.queue = new Queue(this, 'Queue', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    })
  }

  get queueArn(): string {
    return this.queue.queueArn
  }

  grantSend(fn: PlatformFunction): void {
    fn.addStatement(new PolicyStatement({actions: ['sqs:SendMessage'], resources: [this.queueArn]}))
  }
}
