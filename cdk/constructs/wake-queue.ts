// The delay queue that brings the reconciler its ticks and wake-ups.
import {Duration} from 'aws-cdk-lib'
import {PolicyStatement} from 'aws-cdk-lib/aws-iam'
import {CfnEventSourceMapping} from 'aws-cdk-lib/aws-lambda'
import {Queue, QueueEncryption} from 'aws-cdk-lib/aws-sqs'
import {Construct} from 'constructs'
import type {DeadLetters} from './dead-letters.ts'
import type {PlatformFunction} from './platform-function.ts'

/** Tries of a message. Ticks that fail are made good by the next ones. */
const receivesMax = 5
/** Lambda's advice: six times the function's timeout. */
const timeoutsVisible = 6

export interface WakeQueueProps {
  readonly deadLetters: DeadLetters
  /** Of the function that reads it. */
  readonly timeoutSeconds: number
}

/** Actions of whoever a queue calls. */
export const queueReadActions = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ChangeMessageVisibility']

export class WakeQueue extends Construct {
  readonly queue: Queue

  constructor(scope: Construct, id: string, {deadLetters, timeoutSeconds}: WakeQueueProps) {
    super(scope, id)
    this.queue = new Queue(this, 'Queue', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      visibilityTimeout: Duration.seconds(timeoutsVisible * timeoutSeconds),
      retentionPeriod: Duration.hours(4),
      deadLetterQueue: {queue: deadLetters.queue, maxReceiveCount: receivesMax},
    })
  }

  /** May ask to be woken, and is called when the time has come. */
  grantWake(fn: PlatformFunction): void {
    const resources = [this.queue.queueArn]
    fn.addStatement(new PolicyStatement({actions: ['sqs:SendMessage', ...queueReadActions], resources}))
    fn.addEnvironment('GILLIAM_WAKE_QUEUE', this.queue.queueUrl)
    const mapping = new CfnEventSourceMapping(this, 'Source', {
      functionName: fn.functionName,
      eventSourceArn: this.queue.queueArn,
      batchSize: 10,
      functionResponseTypes: ['ReportBatchItemFailures'],
      scalingConfig: {maximumConcurrency: 2},
    })
    mapping.node.addDependency(fn.policy)
  }
}
