// Findings of cdk-nag that we know of and leave as they are, each with its reason, on the smallest construct that it holds for.
import {Validations} from 'aws-cdk-lib'
import type {IConstruct} from 'constructs'
import type {PlatformStack} from './platform-stack.ts'
import type {StateStack} from './state-stack.ts'

export interface Acknowledgement {
  /** Path of the construct below its stack; '' is the stack itself. */
  readonly at: string
  /** `{state}` stands for the name of the state stack, `{stage}` for that of the stage. */
  readonly id: string
  readonly reason: string
}

const state: readonly Acknowledgement[] = [
  {
    at: 'Slugs/Bucket',
    id: 'AwsSolutions::AwsSolutions-S1',
    reason:
      'Slugs are reached by URLs that the artifacts function signs, one request each, which its own log names; a second bucket of logs tells nothing more.',
  },
]

/** ARNs as cdk-nag writes them, with the logical ids of what they refer to. */
const bucketArn = '{state}:ExportsOutputFnGetAttSlugsBucket94743D81Arn9A7541CA'
const [slugsArn, dumpsArn] = [`${bucketArn}/slugs/*`, `${bucketArn}/backups/*`]
const groupArn =
  'arn:<AWS::Partition>:autoscaling:<AWS::Region>:<AWS::AccountId>:autoScalingGroup:*:autoScalingGroupName/<ExecutorsMachinesASG5B69B26C>'
const parametersArn = 'arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter/gilliam/{stage}/*'
const secretsArn = 'arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:gilliam/{stage}/*'
const imagesArn = 'arn:<AWS::Partition>:ecr:<AWS::Region>:<AWS::AccountId>:repository/*'
const definitionsArn = 'arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>:task-definition/gilliam_{stage}_fargate_*:*'
const tasksArn = 'arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>:task/<FargateCluster03BAFB94>/*'
const taskSecretsArn = 'arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter/gilliam-tasks/{stage}/fargate/*'
const slugReason = 'Slugs are named by their digest: a role can not name the ones to come. It is bound to the prefix slugs/ of this bucket.'
const dumpReason = 'Dumps are named by backups to come. The role is bound to the prefix backups/ of this bucket.'
const outsideReason = 'What formations keep outside is theirs to name; the role is bound to the prefix of this stage.'
const requestReason =
  'Answers requests of API Gateway or its URL only, which wait: a failure is the caller’s answer, and there is no event to keep.'
const requestFunctions = ['access', 'artifacts', 'executors', 'formations', 'logs', 'registry', 'routing', 'sync']

const platform: readonly Acknowledgement[] = [
  {
    at: 'Api/Http',
    id: 'AwsSolutions::AwsSolutions-APIG4',
    reason:
      'The functions’ own middleware authenticates and authorises every request by the endpoint table, the same code on AWS and at home; test/cdk checks that no endpoint but the listed ones is public.',
  },
  {
    at: '',
    id: 'Serverless::Serverless-LambdaTracing',
    reason:
      'Every line of a function’s log has the request id, which the API’s access log has too; X-Ray would cost more than an idle stage does.',
  },
  ...requestFunctions.map(at => ({at, id: 'Serverless::Serverless-LambdaDLQ', reason: requestReason})),
  {
    at: 'setup',
    id: 'Serverless::Serverless-LambdaDLQ',
    reason: 'Called by CloudFormation only, which hears of a failure and rolls back.',
  },
  ...(['scheduler', 'reconciler', 'capacity'] as const).map(at => ({
    at,
    id: 'Serverless::Serverless-LambdaDLQ',
    reason: 'It has a failure destination, which takes the place of a dead-letter queue and tells the reason too.',
  })),
  ...(['artifacts', 'formations'] as const).map(at => ({
    at,
    id: `AwsSolutions::AwsSolutions-IAM5[Resource::${slugsArn}]`,
    reason: slugReason,
  })),
  ...(['artifacts', 'reconciler'] as const).map(at => ({
    at,
    id: `AwsSolutions::AwsSolutions-IAM5[Resource::${dumpsArn}]`,
    reason: dumpReason,
  })),
  {
    at: 'capacity',
    id: `AwsSolutions::AwsSolutions-IAM5[Resource::${groupArn}]`,
    reason: 'The ARN of an Auto Scaling group has an id that only AWS knows; the group’s name, which follows it, is exact.',
  },
  {
    at: 'capacity',
    id: 'AwsSolutions::AwsSolutions-IAM5[Resource::*]',
    reason: 'autoscaling:DescribeAutoScalingGroups can not be bound to a group.',
  },
  ...['executors', 'sync'].flatMap(at =>
    [parametersArn, secretsArn].map(arn => ({at, id: `AwsSolutions::AwsSolutions-IAM5[Resource::${arn}]`, reason: outsideReason})),
  ),
  ...(['StreamDeadLetters', 'TimerDeadLetters'] as const).map(at => ({
    at,
    id: 'Serverless::Serverless-SQSRedrivePolicy',
    reason: 'It is the dead-letter queue of others.',
  })),
  {
    at: 'StreamDeadLetters',
    id: 'AwsSolutions::AwsSolutions-SQS3',
    reason: 'It is the failure destination of the stream’s event source mappings, which the rule does not look at.',
  },
  ...(['Wakes/Source', 'Drains/Source'] as const).map(at => ({
    at,
    id: 'Serverless::Serverless-LambdaEventSourceMappingDestination',
    reason: 'Lambda has no failure destination for SQS; the queue itself has a dead-letter queue.',
  })),
  {
    at: 'Alarms/Topic',
    id: 'Serverless::Serverless-SNSRedrivePolicy',
    reason: 'Its subscribers are people’s addresses; what rings is still to be seen in CloudWatch.',
  },
  {
    at: 'DataPlane/Cluster',
    id: 'AwsSolutions::AwsSolutions-ECS4',
    reason: 'Router, proxy and relay have metrics of their own (docs/data-plane.md); Container Insights costs per task.',
  },
  ...(['router', 'proxy', 'relay'] as const).flatMap(role => [
    {
      at: `DataPlane/${role}-task`,
      id: 'AwsSolutions::AwsSolutions-ECS2',
      reason: 'Ports, addresses and names, no secret: the token comes from an encrypted parameter, and the relay has none.',
    },
    {
      at: `DataPlane/${role}-task/ExecutionRole`,
      id: 'AwsSolutions::AwsSolutions-IAM5[Resource::*]',
      reason: 'ecr:GetAuthorizationToken, added by CDK, can not be bound to a resource.',
    },
  ]),
  {
    at: 'Fargate/Cluster',
    id: 'AwsSolutions::AwsSolutions-ECS4',
    reason: 'The agent watches its tasks itself; Container Insights costs per task.',
  },
  {
    at: 'Fargate/Agent',
    id: 'AwsSolutions::AwsSolutions-ECS2',
    reason: 'Names, addresses and sizes, no secret: the agent joins by its role.',
  },
  ...(['Fargate/Agent/ExecutionRole', 'Fargate/ExecutionPolicy'] as const).map(at => ({
    at,
    id: 'AwsSolutions::AwsSolutions-IAM5[Resource::*]',
    reason: 'ecr:GetAuthorizationToken can not be bound to a resource.',
  })),
  {
    at: 'Fargate/ExecutionPolicy',
    id: `AwsSolutions::AwsSolutions-IAM5[Resource::${imagesArn}]`,
    reason: 'Images are those of the services that will be deployed, from whatever repository of this account their teams keep them in.',
  },
  ...(['Fargate/Policy', 'Fargate/ExecutionPolicy'] as const).map(at => ({
    at,
    id: `AwsSolutions::AwsSolutions-IAM5[Resource::${taskSecretsArn}]`,
    reason: 'Secrets of services that will be deployed, a parameter each; they are bound to the path of this stage and executor.',
  })),
  {
    at: 'Fargate/Policy',
    id: 'AwsSolutions::AwsSolutions-IAM5[Resource::*]',
    reason:
      'ecs:ListTasks is bound to the cluster by a condition; actions on task definitions can not be bound. iam:PassRole names its roles.',
  },
  {
    at: 'Fargate/Policy',
    id: `AwsSolutions::AwsSolutions-IAM5[Resource::${definitionsArn}]`,
    reason: 'The agent registers definitions of services that will be deployed; they are bound to the prefix of this stage and executor.',
  },
  {
    at: 'Fargate/Policy',
    id: `AwsSolutions::AwsSolutions-IAM5[Resource::${tasksArn}]`,
    reason: 'Tasks are named when they are started; they are bound to the cluster of this executor.',
  },
  {
    at: 'Router/FrontGroup',
    id: 'AwsSolutions::AwsSolutions-EC23',
    reason: 'The router is the way in for everybody; this group is the load balancer’s alone, and lets one port in.',
  },
  {
    at: 'Router/Balancer',
    id: 'AwsSolutions::AwsSolutions-ELB2',
    reason: 'The router logs requests itself (GILLIAM_ACCESS_LOG); a network load balancer knows connections only.',
  },
  {
    at: 'Relay/FrontGroup',
    id: 'AwsSolutions::AwsSolutions-EC23',
    reason: 'Agents and clients come from anywhere, with tickets; this group is the load balancer’s alone, and lets one port in.',
  },
  {
    at: 'Relay/Balancer',
    id: 'AwsSolutions::AwsSolutions-ELB2',
    reason: 'Sessions are in the audit log; a network load balancer knows connections only.',
  },
  {
    at: 'Executors/Machines',
    id: 'AwsSolutions::AwsSolutions-EC26',
    reason: 'The rule can not read the reference to the launch template, whose disk is encrypted; test/cdk checks that.',
  },
]

export const acknowledgements = {state, platform}

const find = (stack: IConstruct, path: string): IConstruct | undefined =>
  path === '' ? stack : path.split('/').reduce<IConstruct | undefined>((at, id) => at?.node.tryFindChild(id), stack)

/** Acknowledges what of the list is in the stacks: options leave parts out. */
export const acknowledge = (stage: string, stacks: {readonly state: StateStack; readonly platform: PlatformStack}): void => {
  for (const name of ['state', 'platform'] as const) {
    for (const {at, id, reason} of acknowledgements[name]) {
      const construct = find(stacks[name], at)
      if (construct !== undefined)
        Validations.of(construct).acknowledge({id: id.replace('{state}', stacks.state.stackName).replace('{stage}', stage), reason})
    }
  }
}
