// The Fargate executor: an agent as an ECS service, and a cluster in which it runs instances as tasks. Owns who may do what there, and who reaches whom.
import {ArnFormat, Duration, Stack} from 'aws-cdk-lib'
import {Port, SecurityGroup, SubnetType, type Vpc} from 'aws-cdk-lib/aws-ec2'
import {Platform} from 'aws-cdk-lib/aws-ecr-assets'
import {
  AwsLogDriver,
  Cluster,
  ContainerImage,
  ContainerInsights,
  CpuArchitecture,
  FargateService,
  FargateTaskDefinition,
  OperatingSystemFamily,
} from 'aws-cdk-lib/aws-ecs'
import {Policy, PolicyStatement, Role, ServicePrincipal} from 'aws-cdk-lib/aws-iam'
import type {ILogGroup} from 'aws-cdk-lib/aws-logs'
import {Construct} from 'constructs'
import type {Variable} from '#shared/config.ts'
import type {FargateOptions} from '../options.ts'
import {firstPort, lastPort} from './executors.ts'

/** The executor that the agent serves; nobody else joins as it. */
export const fargateExecutor = 'fargate'
/** Of the agent: its instances run elsewhere. */
const agentCpu = 256
const agentMemoryMib = 512
const stopSeconds = 15
/** The least that ECS waits between two restarts of a container in its task. */
const restartSeconds = 60
/** With this the agent says that another one has its place (agent/ecs/main.ts). */
const exitTaken = 3

export interface FargateProps {
  readonly stage: string
  readonly vpc: Vpc
  readonly api: string
  readonly proxy?: string
  readonly options: FargateOptions
  /** Where instances write. */
  readonly services: ILogGroup
  /** Where the agent writes. */
  readonly log: ILogGroup
  /** Folder with the Dockerfile. */
  readonly imageFolder: string
}

const ecsTasks = (scope: Construct): ServicePrincipal =>
  new ServicePrincipal('ecs-tasks.amazonaws.com', {conditions: {StringEquals: {'aws:SourceAccount': Stack.of(scope).account}}})

export class Fargate extends Construct {
  /** What the agent proves to be when it joins. */
  readonly role: Role
  /** Of instances. */
  readonly tasksGroup: SecurityGroup
  readonly #cluster: Cluster
  readonly #executionRole: Role

  constructor(scope: Construct, id: string, props: FargateProps) {
    super(scope, id)
    const {vpc} = props
    this.#cluster = new Cluster(this, 'Cluster', {
      vpc,
      containerInsightsV2: ContainerInsights.DISABLED,
      enableFargateCapacityProviders: true,
    })
    this.tasksGroup = new SecurityGroup(this, 'TasksGroup', {vpc, description: 'instances on Fargate'})
    const agentGroup = new SecurityGroup(this, 'AgentGroup', {vpc, description: 'agent of the Fargate executor'})
    for (const callers of [this.tasksGroup, agentGroup]) this.allowFrom(callers)
    this.#executionRole = this.#createExecutionRole(props)
    this.role = this.#createRole(props)
    this.#createService(props, agentGroup)
  }

  /** Lets somebody reach the instances that run here. */
  allowFrom(callers: SecurityGroup): void {
    this.tasksGroup.addIngressRule(callers, Port.tcpRange(firstPort, lastPort), 'instances')
  }

  /** Where the agent keeps secrets of instances, for ECS to hand over (agent/ecs/definition.ts). */
  #parameters(stage: string): string {
    return Stack.of(this).formatArn({service: 'ssm', resource: 'parameter', resourceName: `gilliam-tasks/${stage}/${fargateExecutor}/*`})
  }

  /** What ECS does for an instance: pulls its image, of whatever repository of the account, and writes its log. */
  #createExecutionRole({services, stage}: FargateProps): Role {
    const role = new Role(this, 'ExecutionRole', {assumedBy: ecsTasks(this)})
    const repositories = Stack.of(this).formatArn({service: 'ecr', resource: 'repository', resourceName: '*'})
    const pull = ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer']
    new Policy(this, 'ExecutionPolicy', {
      roles: [role],
      statements: [
        new PolicyStatement({actions: ['ecr:GetAuthorizationToken'], resources: ['*']}),
        new PolicyStatement({actions: pull, resources: [repositories]}),
        new PolicyStatement({actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: [services.logGroupArn]}),
        new PolicyStatement({actions: ['ssm:GetParameters'], resources: [this.#parameters(stage)]}),
      ],
    })
    return role
  }

  #createRole({stage, services, options: {taskRole}}: FargateProps): Role {
    const role = new Role(this, 'Role', {assumedBy: ecsTasks(this)})
    const {clusterArn, clusterName} = this.#cluster
    const stack = Stack.of(this)
    const definitions = stack.formatArn({
      service: 'ecs',
      resource: 'task-definition',
      resourceName: `gilliam_${stage}_${fargateExecutor}_*:*`,
    })
    const tasks = stack.formatArn({
      service: 'ecs',
      resource: 'task',
      resourceName: `${clusterName}/*`,
      arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
    })
    const inCluster = {ArnEquals: {'ecs:cluster': clusterArn}}
    const passed = [this.#executionRole.roleArn, ...(taskRole === undefined ? [] : [taskRole])]
    new Policy(this, 'Policy', {
      roles: [role],
      statements: [
        new PolicyStatement({actions: ['ecs:RunTask'], resources: [definitions], conditions: inCluster}),
        new PolicyStatement({actions: ['ecs:StopTask', 'ecs:DescribeTasks'], resources: [tasks], conditions: inCluster}),
        new PolicyStatement({
          actions: ['ecs:TagResource'],
          resources: [tasks],
          conditions: {StringEquals: {'ecs:CreateAction': 'RunTask'}},
        }),
        // Bound to the cluster by condition: what it lists has no ARN that could be named.
        new PolicyStatement({actions: ['ecs:ListTasks'], resources: ['*'], conditions: inCluster}),
        // ECS binds none of these to a definition. What one could be abused for is bound by iam:PassRole.
        new PolicyStatement({actions: [...definitionActions], resources: ['*']}),
        new PolicyStatement({actions: ['logs:FilterLogEvents'], resources: [services.logGroupArn]}),
        new PolicyStatement({actions: ['ssm:PutParameter', 'ssm:DeleteParameters'], resources: [this.#parameters(stage)]}),
        new PolicyStatement({
          actions: ['iam:PassRole'],
          resources: passed,
          conditions: {StringEquals: {'iam:PassedToService': 'ecs-tasks.amazonaws.com'}},
        }),
      ],
    })
    return role
  }

  /** A new task runs before the former one ends, which finds its place taken and leaves: nothing is late for a lease in between. */
  #createService(props: FargateProps, agentGroup: SecurityGroup): void {
    const {imageFolder, log} = props
    const task = new FargateTaskDefinition(this, 'Agent', {
      cpu: agentCpu,
      memoryLimitMiB: agentMemoryMib,
      runtimePlatform: {cpuArchitecture: CpuArchitecture.ARM64, operatingSystemFamily: OperatingSystemFamily.LINUX},
      taskRole: this.role,
    })
    task.addContainer('agent', {
      image: ContainerImage.fromAsset(imageFolder, {buildArgs: {PROGRAM: 'agent-ecs'}, platform: Platform.LINUX_ARM64}),
      environment: this.#environmentOf(props),
      logging: new AwsLogDriver({logGroup: log, streamPrefix: 'fargate-agent'}),
      stopTimeout: Duration.seconds(stopSeconds),
      enableRestartPolicy: true,
      restartAttemptPeriod: Duration.seconds(restartSeconds),
      restartIgnoredExitCodes: [exitTaken],
    })
    new FargateService(this, 'Service', {
      cluster: this.#cluster,
      taskDefinition: task,
      desiredCount: 1,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: {rollback: true},
      // Its way out: there is no NAT gateway. Nothing is let in.
      assignPublicIp: true,
      vpcSubnets: {subnetType: SubnetType.PUBLIC},
      securityGroups: [agentGroup],
    })
  }

  #environmentOf(props: FargateProps): Record<string, string> {
    const {region} = Stack.of(this)
    const {stage, api, proxy, options} = props
    const {cores, memoryGib} = options
    const attributes = {
      zone: region,
      domain: fargateExecutor,
      network: `aws-${stage}`,
      tags: [fargateExecutor],
      cpuMilli: cores * 1_000,
      memoryMib: memoryGib * 1_024,
    }
    const own: Partial<Record<Variable, string>> = {
      GILLIAM_STAGE: stage,
      GILLIAM_API: api,
      GILLIAM_EXECUTOR: fargateExecutor,
      GILLIAM_EXECUTOR_ATTRIBUTES: Stack.of(this).toJsonString(attributes),
      GILLIAM_AGENT_HOME: '/tmp/gilliam',
      GILLIAM_JOIN: 'role',
      GILLIAM_FARGATE: Stack.of(this).toJsonString(this.#settingsOf(props)),
      ...(proxy !== undefined && {GILLIAM_PROXY: proxy}),
    }
    return own as Record<string, string>
  }

  /** As agent/ecs/settings.ts reads it. */
  #settingsOf({vpc, options: {spot, stackImage, taskRole}, services}: FargateProps): object {
    return {
      cluster: this.#cluster.clusterArn,
      subnets: vpc.publicSubnets.map(({subnetId}) => subnetId),
      securityGroups: [this.tasksGroup.securityGroupId],
      publicIp: true,
      executionRole: this.#executionRole.roleArn,
      ...(taskRole !== undefined && {taskRole}),
      logGroup: services.logGroupName,
      region: Stack.of(this).region,
      spot,
      ...(stackImage !== undefined && {stackImage}),
    }
  }
}

const definitionActions = [
  'ecs:RegisterTaskDefinition',
  'ecs:DescribeTaskDefinition',
  'ecs:DeregisterTaskDefinition',
  'ecs:ListTaskDefinitions',
  'ecs:ListTaskDefinitionFamilies',
] as const
