// Executors on EC2: an Auto Scaling group of machines that install the agent, join by their role, and are drained before they end.
import {Duration} from 'aws-cdk-lib'
import {
  AutoScalingGroup,
  DefaultResult,
  GroupMetrics,
  LifecycleTransition,
  OnDemandAllocationStrategy,
  SpotAllocationStrategy,
} from 'aws-cdk-lib/aws-autoscaling'
import {
  AmazonLinuxCpuType,
  BlockDeviceVolume,
  EbsDeviceVolumeType,
  InstanceType,
  LaunchTemplate,
  LaunchTemplateHttpTokens,
  MachineImage,
  Port,
  SecurityGroup,
  SubnetType,
  UserData,
  type Vpc,
} from 'aws-cdk-lib/aws-ec2'
import {Policy, PolicyStatement, Role, ServicePrincipal} from 'aws-cdk-lib/aws-iam'
import {Asset} from 'aws-cdk-lib/aws-s3-assets'
import type {ITopic} from 'aws-cdk-lib/aws-sns'
import {Construct} from 'constructs'
import {userData} from '../user-data.ts'
import type {PlatformFunction} from './platform-function.ts'

/** Host ports that instances get; router and proxy reach them, and executors each other. */
export const firstPort = 20_000
export const lastPort = 29_999
const diskGib = 20
/** A machine that ends waits so long for its instances to be replaced. */
export const drainMinutes = 15
const graceMinutes = 5

export interface ExecutorsProps {
  readonly stage: string
  readonly vpc: Vpc
  /** Machines at least, and at most. */
  readonly count: number
  readonly countMax: number
  readonly machines: readonly string[]
  readonly spot: boolean
  readonly api: string
  readonly proxy?: string
  /** The agent's bundle. */
  readonly agentFile: string
  /** Hears of every start and end of a machine. */
  readonly topic: ITopic
}

export class Executors extends Construct {
  readonly group: AutoScalingGroup
  readonly securityGroup: SecurityGroup
  /** What its machines prove to be when they join. */
  readonly role: Role

  constructor(scope: Construct, id: string, props: ExecutorsProps) {
    super(scope, id)
    const {vpc, count, countMax, machines, spot, topic} = props
    const agent = new Asset(this, 'Agent', {path: props.agentFile})
    this.role = this.#role(agent)
    this.securityGroup = new SecurityGroup(this, 'Group', {vpc, description: 'executors'})
    this.#allow(this.securityGroup)
    this.group = new AutoScalingGroup(this, 'Machines', {
      vpc,
      vpcSubnets: {subnetType: SubnetType.PUBLIC},
      minCapacity: count,
      maxCapacity: countMax,
      mixedInstancesPolicy: {
        launchTemplate: this.#launchTemplate(props, agent),
        launchTemplateOverrides: machines.map(machine => ({instanceType: new InstanceType(machine)})),
        instancesDistribution: {
          onDemandPercentageAboveBaseCapacity: spot ? 0 : 100,
          onDemandAllocationStrategy: OnDemandAllocationStrategy.PRIORITIZED,
          spotAllocationStrategy: SpotAllocationStrategy.PRICE_CAPACITY_OPTIMIZED,
        },
      },
      capacityRebalance: spot,
      groupMetrics: [GroupMetrics.all()],
      defaultInstanceWarmup: Duration.minutes(graceMinutes),
      notifications: [{topic}],
    })
    this.group.addLifecycleHook('Drain', {
      lifecycleTransition: LifecycleTransition.INSTANCE_TERMINATING,
      heartbeatTimeout: Duration.minutes(drainMinutes),
      defaultResult: DefaultResult.CONTINUE,
    })
  }

  /** Lets somebody reach the instances that run here. */
  allowFrom(callers: SecurityGroup): void {
    this.#allow(callers)
  }

  /** May look at the group, change how many machines it has, and end one. */
  grantScale(fn: PlatformFunction): void {
    const actions = ['autoscaling:SetDesiredCapacity', 'autoscaling:TerminateInstanceInAutoScalingGroup']
    fn.addStatement(new PolicyStatement({actions, resources: [this.group.autoScalingGroupArn]}))
    // Auto Scaling has no descriptions that could be bound to a group.
    fn.addStatement(new PolicyStatement({actions: ['autoscaling:DescribeAutoScalingGroups'], resources: ['*']}))
    fn.addEnvironment('GILLIAM_MACHINE_GROUP', this.group.autoScalingGroupName)
  }

  #allow(callers: SecurityGroup): void {
    this.securityGroup.addIngressRule(callers, Port.tcpRange(firstPort, lastPort), 'instances')
  }

  #launchTemplate({stage, api, proxy, machines}: ExecutorsProps, agent: Asset): LaunchTemplate {
    const script = UserData.forLinux()
    const {s3BucketName: bucket, s3ObjectKey: key} = agent
    const portRange = `${firstPort}-${lastPort}`
    script.addCommands(...userData({stage, api, proxy, agent: {bucket, key}, portRange}))
    return new LaunchTemplate(this, 'Template', {
      role: this.role,
      machineImage: MachineImage.latestAmazonLinux2023({cpuType: AmazonLinuxCpuType.ARM_64}),
      instanceType: new InstanceType(machines[0] ?? 't4g.medium'),
      securityGroup: this.securityGroup,
      userData: script,
      requireImdsv2: true,
      httpTokens: LaunchTemplateHttpTokens.REQUIRED,
      httpPutResponseHopLimit: 1,
      associatePublicIpAddress: true,
      detailedMonitoring: false,
      blockDevices: [
        {deviceName: '/dev/xvda', volume: BlockDeviceVolume.ebs(diskGib, {encrypted: true, volumeType: EbsDeviceVolumeType.GP3})},
      ],
    })
  }

  #role(agent: Asset): Role {
    const role = new Role(this, 'Role', {assumedBy: new ServicePrincipal('ec2.amazonaws.com')})
    new Policy(this, 'Policy', {
      roles: [role],
      statements: [new PolicyStatement({actions: ['s3:GetObject'], resources: [agent.bucket.arnForObjects(agent.s3ObjectKey)]})],
    })
    return role
  }
}
