// Router, proxy and relay on Fargate, from one image: a cluster, and a service for each. Owns tasks and their environment; who reaches them is router.ts,
// forward-proxy.ts and relay.ts.
import {Duration} from 'aws-cdk-lib'
import {type SecurityGroup, SubnetType, type Vpc} from 'aws-cdk-lib/aws-ec2'
import {Platform} from 'aws-cdk-lib/aws-ecr-assets'
import {
  AwsLogDriver,
  type CloudMapOptions,
  Cluster,
  ContainerImage,
  ContainerInsights,
  CpuArchitecture,
  FargateService,
  type FargateServiceProps,
  FargateTaskDefinition,
  OperatingSystemFamily,
  Secret,
} from 'aws-cdk-lib/aws-ecs'
import type {ILogGroup} from 'aws-cdk-lib/aws-logs'
import {StringParameter} from 'aws-cdk-lib/aws-ssm'
import {Construct} from 'constructs'
import type {Variable} from '#shared/config.ts'
import type {FirstTokens} from './first-tokens.ts'

/** Where they answer for themselves: docs/data-plane.md. */
export const adminPort = 9000
/** Of one task: a quarter of a processor, and memory for some thousand connections. */
const taskCpu = 256
const taskMemoryMib = 512
const tasks = 2
/** Longer than the 8 s that router and proxy take to finish what is in flight. */
const stopSeconds = 15

export interface DataPlaneProps {
  readonly stage: string
  readonly vpc: Vpc
  readonly api: string
  readonly tokens: FirstTokens
  readonly log: ILogGroup
  /** Folder with the Dockerfile. */
  readonly imageFolder: string
}

export interface ServiceProps {
  readonly role: 'router' | 'proxy'
  readonly port: number
  readonly securityGroup: SecurityGroup
  readonly cloudMap?: CloudMapOptions
}

type Role = ServiceProps['role'] | 'relay'

interface TaskProps {
  readonly port: number
  readonly environment: Record<string, string>
  readonly secrets?: Record<string, Secret>
}

export class DataPlane extends Construct {
  readonly cluster: Cluster
  readonly #props: DataPlaneProps

  constructor(scope: Construct, id: string, props: DataPlaneProps) {
    super(scope, id)
    this.#props = props
    this.cluster = new Cluster(this, 'Cluster', {
      vpc: props.vpc,
      containerInsightsV2: ContainerInsights.DISABLED,
      defaultCloudMapNamespace: {name: `${props.stage}.gilliam.internal`},
    })
  }

  /** Starts two tasks in different zones, which ask for the table with the discovery token. */
  addService({role, port, securityGroup, cloudMap}: ServiceProps): FargateService {
    const secrets = {GILLIAM_TOKEN: Secret.fromSsmParameter(this.#token(role))}
    const environment = {...this.#environmentOf(port), GILLIAM_SNAPSHOT: '/tmp/gilliam-table.json', GILLIAM_ACCESS_LOG: 'sample'}
    const service = this.#start(role, this.#taskOf(role, {port, environment, secrets}), securityGroup, {
      desiredCount: tasks,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      ...(cloudMap !== undefined && {cloudMapOptions: cloudMap}),
    })
    service.node.addDependency(this.#props.tokens.made)
    return service
  }

  /** Starts one task and never two: both sides of a session must meet in the same one. What a relay asks of the API, anybody may. */
  addRelay({port, securityGroup}: Pick<ServiceProps, 'port' | 'securityGroup'>): FargateService {
    const task = this.#taskOf('relay', {port, environment: this.#environmentOf(port)})
    return this.#start('relay', task, securityGroup, {desiredCount: 1, minHealthyPercent: 0, maxHealthyPercent: 100})
  }

  /** A deployment that does not get healthy goes back. */
  #start(
    role: Role,
    taskDefinition: FargateTaskDefinition,
    securityGroup: SecurityGroup,
    how: Partial<FargateServiceProps>,
  ): FargateService {
    return new FargateService(this, `${role}-service`, {
      cluster: this.cluster,
      taskDefinition,
      circuitBreaker: {rollback: true},
      // Its way out: there is no NAT gateway. The security group lets in what its owner says.
      assignPublicIp: true,
      vpcSubnets: {subnetType: SubnetType.PUBLIC},
      securityGroups: [securityGroup],
      ...how,
    })
  }

  #taskOf(role: Role, {port, environment, secrets = {}}: TaskProps): FargateTaskDefinition {
    const {imageFolder, log} = this.#props
    const task = new FargateTaskDefinition(this, `${role}-task`, {
      cpu: taskCpu,
      memoryLimitMiB: taskMemoryMib,
      runtimePlatform: {cpuArchitecture: CpuArchitecture.ARM64, operatingSystemFamily: OperatingSystemFamily.LINUX},
    })
    const image = ContainerImage.fromAsset(imageFolder, {buildArgs: {PROGRAM: 'proxy'}, platform: Platform.LINUX_ARM64})
    task.addContainer(role, {
      image,
      command: [role],
      secrets,
      environment,
      portMappings: [{containerPort: port}, {containerPort: adminPort}],
      logging: new AwsLogDriver({logGroup: log, streamPrefix: role}),
      stopTimeout: Duration.seconds(stopSeconds),
    })
    return task
  }

  #token(role: string) {
    const parameterName = this.#props.tokens.nameOf('discovery')
    return StringParameter.fromSecureStringParameterAttributes(this, `${role}-token`, {parameterName})
  }

  #environmentOf(port: number): Record<string, string> {
    const {stage, api} = this.#props
    const own: Partial<Record<Variable, string>> = {GILLIAM_STAGE: stage, GILLIAM_API: api}
    return {...own, HOST: '0.0.0.0', PORT: String(port), PORT_9000: String(adminPort)}
  }
}
