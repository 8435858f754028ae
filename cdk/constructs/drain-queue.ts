// Machines that are to end, from Auto Scaling to the capacity function: what is not drained yet comes again after a while.
import {Duration} from 'aws-cdk-lib'
import type {AutoScalingGroup} from 'aws-cdk-lib/aws-autoscaling'
import {Rule} from 'aws-cdk-lib/aws-events'
import {SqsQueue} from 'aws-cdk-lib/aws-events-targets'
import {PolicyStatement} from 'aws-cdk-lib/aws-iam'
import {CfnEventSourceMapping} from 'aws-cdk-lib/aws-lambda'
import {Queue, QueueEncryption} from 'aws-cdk-lib/aws-sqs'
import {Construct} from 'constructs'
import type {DeadLetters} from './dead-letters.ts'
import {drainMinutes} from './executors.ts'
import type {PlatformFunction} from './platform-function.ts'
import {queueReadActions} from './wake-queue.ts'

/** Between two looks at a machine that drains. */
const lookSeconds = 90

export interface DrainQueueProps {
  readonly group: AutoScalingGroup
  readonly capacity: PlatformFunction
  readonly deadLetters: DeadLetters
}

export class DrainQueue extends Construct {
  constructor(scope: Construct, id: string, {group, capacity, deadLetters}: DrainQueueProps) {
    super(scope, id)
    const queue = new Queue(this, 'Queue', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      visibilityTimeout: Duration.seconds(lookSeconds),
      retentionPeriod: Duration.hours(1),
      // Until the lifecycle hook ends the wait by itself, and a few more.
      deadLetterQueue: {queue: deadLetters.queue, maxReceiveCount: Math.ceil((drainMinutes * 60) / lookSeconds) + 5},
    })
    new Rule(this, 'Rule', {
      description: 'Machines of the stage that are to end',
      eventPattern: {
        source: ['aws.autoscaling'],
        detailType: ['EC2 Instance-terminate Lifecycle Action'],
        detail: {AutoScalingGroupName: [group.autoScalingGroupName]},
      },
      targets: [new SqsQueue(queue, {deadLetterQueue: deadLetters.queue})],
    })
    // The event names no group: the function knows its own machines.
    new Rule(this, 'SpotRule', {
      description: 'Machines that spot takes back in two minutes',
      eventPattern: {source: ['aws.ec2'], detailType: ['EC2 Spot Instance Interruption Warning']},
      targets: [new SqsQueue(queue, {deadLetterQueue: deadLetters.queue})],
    })
    capacity.addStatement(new PolicyStatement({actions: queueReadActions, resources: [queue.queueArn]}))
    capacity.addStatement(new PolicyStatement({actions: ['autoscaling:CompleteLifecycleAction'], resources: [group.autoScalingGroupArn]}))
    const mapping = new CfnEventSourceMapping(this, 'Source', {
      functionName: capacity.functionName,
      eventSourceArn: queue.queueArn,
      batchSize: 10,
      functionResponseTypes: ['ReportBatchItemFailures'],
      scalingConfig: {maximumConcurrency: 2},
    })
    mapping.node.addDependency(capacity.policy)
  }
}
