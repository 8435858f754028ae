// One function of lambdas/ with a role of its own, which names every action it may take: nothing comes with it but writing its own log.
import {Duration} from 'aws-cdk-lib'
import {Policy, PolicyStatement, Role, ServicePrincipal} from 'aws-cdk-lib/aws-iam'
import {
  ApplicationLogLevel,
  Architecture,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
  SystemLogLevel,
  Tracing,
} from 'aws-cdk-lib/aws-lambda'
import {SqsDestination} from 'aws-cdk-lib/aws-lambda-destinations'
import type {ILogGroup} from 'aws-cdk-lib/aws-logs'
import {Construct} from 'constructs'
import type {Variable} from '#shared/config.ts'
import type {DeadLetters} from './dead-letters.ts'

/** An event older than this comes too late. */
const eventAge = Duration.hours(1)

export interface PlatformFunctionProps {
  /** Of its folder in lambdas/. */
  readonly name: string
  readonly stage: string
  /** Folder of its bundle. */
  readonly code: string
  /** What the bundle exports as this function; `handler` by default. */
  readonly handler?: string
  readonly logGroup: ILogGroup
  readonly timeoutSeconds: number
  readonly memoryMib: number
  /** Calls at once, at most; none reserved when undefined. */
  readonly concurrency?: number
  /** Takes events that failed after all retries, of functions that nobody waits for. */
  readonly deadLetters?: DeadLetters
}

export class PlatformFunction extends Construct {
  readonly name: string
  readonly lambda: LambdaFunction
  readonly policy: Policy

  constructor(scope: Construct, id: string, props: PlatformFunctionProps) {
    super(scope, id)
    const {name, stage, logGroup, concurrency, deadLetters} = props
    this.name = name
    const role = new Role(this, 'Role', {assumedBy: new ServicePrincipal('lambda.amazonaws.com')})
    this.policy = new Policy(this, 'Policy', {roles: [role]})
    this.addStatement(new PolicyStatement({actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: [logGroup.logGroupArn]}))
    this.lambda = new LambdaFunction(this, 'Function', {
      description: `Gilliam ${stage}: ${name}`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: `index.${props.handler ?? 'handler'}`,
      code: Code.fromAsset(props.code),
      role: role.withoutPolicyUpdates(),
      logGroup,
      // No START, END and REPORT of each call. What a function writes is JSON of its own, which Lambda passes on; all of it, whatever level it reads there.
      loggingFormat: LoggingFormat.JSON,
      systemLogLevelV2: SystemLogLevel.WARN,
      applicationLogLevelV2: ApplicationLogLevel.TRACE,
      tracing: Tracing.DISABLED,
      timeout: Duration.seconds(props.timeoutSeconds),
      memorySize: props.memoryMib,
      ...(concurrency !== undefined && {reservedConcurrentExecutions: concurrency}),
      ...(deadLetters !== undefined && {onFailure: new SqsDestination(deadLetters.queue), maxEventAge: eventAge, retryAttempts: 2}),
    })
    deadLetters?.grantSend(this)
    this.lambda.node.addDependency(this.policy)
    this.addEnvironment('GILLIAM_STAGE', stage)
  }

  get functionName(): string {
    return this.lambda.functionName
  }

  /** Adds to what its role may do. */
  addStatement(statement: PolicyStatement): void {
    this.policy.addStatements(statement)
  }

  /** Only variables that shared/config.ts knows. */
  addEnvironment(name: Variable, value: string): void {
    this.lambda.addEnvironment(name, value)
  }
}
