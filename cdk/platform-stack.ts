// The platform: functions, API, timers, and what the stage's options ask for of router, proxy and executors. Holds no state; may be destroyed and deployed
// anew beside the same state stack.
import {CfnOutput, Duration, Stack, type StackProps} from 'aws-cdk-lib'
import type {Vpc} from 'aws-cdk-lib/aws-ec2'
import {Rule, Schedule} from 'aws-cdk-lib/aws-events'
import {LambdaFunction} from 'aws-cdk-lib/aws-events-targets'
import type {Construct} from 'constructs'
import type {Bundles} from './bundles.ts'
import {Api} from './constructs/api.ts'
import {DataPlane} from './constructs/data-plane.ts'
import {DeadLetters} from './constructs/dead-letters.ts'
import {DrainQueue} from './constructs/drain-queue.ts'
import {Executors} from './constructs/executors.ts'
import {Fargate, fargateExecutor} from './constructs/fargate.ts'
import {FirstTokens} from './constructs/first-tokens.ts'
import {ForwardProxy} from './constructs/forward-proxy.ts'
import {Network} from './constructs/network.ts'
import {PlatformFunction} from './constructs/platform-function.ts'
import {Relay, type RelayProps} from './constructs/relay.ts'
import {Router} from './constructs/router.ts'
import {grantOutsideSecrets} from './constructs/secret-key.ts'
import {SyncUrl} from './constructs/sync-url.ts'
import {WakeQueue} from './constructs/wake-queue.ts'
import {AlarmTopic, Watch} from './constructs/watch.ts'
import {exportedBy, functionSizes, isNeeded} from './functions.ts'
import {type FargateOptions, needsNetwork, type StageOptions} from './options.ts'
import type {StateStack} from './state-stack.ts'

/** What EventBridge does not get rid of within an hour goes to the dead letters. */
const eventAge = Duration.hours(1)

export interface PlatformStackProps extends StackProps {
  readonly options: StageOptions
  readonly state: StateStack
  readonly functions: readonly string[]
  readonly bundles: Bundles
  /** Folder with the Dockerfile and the programs it takes. */
  readonly imageFolder: string
}

/** Called by the stream and by the schedule. */
const tickedNames = ['scheduler', 'reconciler'] as const
/** Called by events that nobody waits for. */
const isScheduled = (name: string): boolean => name === 'capacity' || tickedNames.some(each => each === name)

/** What router, proxy and executors are made of. */
interface Edge {
  readonly network: Network
  readonly dataPlane?: DataPlane
  readonly router?: Router
  readonly proxy?: ForwardProxy
  readonly relay?: Relay
  readonly executors?: Executors
}

/** Where executors are. */
interface Place {
  readonly vpc: Vpc
  readonly api: string
  readonly proxy: ForwardProxy | undefined
}

export class PlatformStack extends Stack {
  readonly functions: ReadonlyMap<string, PlatformFunction>
  readonly #props: PlatformStackProps
  readonly #deadLetters: {readonly stream: DeadLetters; readonly timers: DeadLetters}
  readonly #topic: AlarmTopic

  constructor(scope: Construct, id: string, props: PlatformStackProps) {
    super(scope, id, props)
    const {options, state} = props
    this.#props = props
    this.#deadLetters = {stream: new DeadLetters(this, 'StreamDeadLetters'), timers: new DeadLetters(this, 'TimerDeadLetters')}
    this.#topic = new AlarmTopic(this, 'Alarms', {email: options.alarmEmail})
    this.functions = this.#createFunctions()
    this.#addTimers()
    const {stage, corsOrigins, tokens: text} = options
    const api = new Api(this, 'Api', {stage, functions: this.functions, accessLog: state.logs.accesses, corsOrigins})
    const tokens = new FirstTokens(this, 'Tokens', {stage, setup: this.#function('setup'), tokens: text})
    const edge = needsNetwork(options) ? this.#createEdge(api.url, tokens) : undefined
    this.#watch(api, edge)
    new CfnOutput(this, 'ApiUrl', {value: api.url})
    new CfnOutput(this, 'AdminToken', {value: tokens.nameOf('admin'), description: 'name of the parameter with the first admin token'})
  }

  #function(name: string): PlatformFunction {
    const fn = this.functions.get(name)
    if (fn === undefined) throw new Error(`no function ${name}`)
    return fn
  }

  #createFunctions(): Map<string, PlatformFunction> {
    const {options, state, bundles, functions: names} = this.#props
    const made = new Map<string, PlatformFunction>()
    for (const name of names.filter(each => isNeeded(each, options.executors))) {
      const size = functionSizes[name]
      if (size === undefined) throw new Error(`cdk/functions.ts does not say how large lambdas/${name} is`)
      const {timeoutSeconds, memoryMib, concurrency} = size
      const fn = new PlatformFunction(this, name, {
        name,
        stage: options.stage,
        code: bundles.functionFolder(exportedBy[name]?.bundle ?? name),
        handler: exportedBy[name]?.handler,
        logGroup: state.logs.of(name),
        timeoutSeconds,
        memoryMib,
        ...(options.reserve && concurrency !== undefined && {concurrency}),
        ...(isScheduled(name) && {deadLetters: this.#deadLetters.timers}),
      })
      state.table.grantAccess(fn)
      made.set(name, fn)
    }
    const of = (name: string): PlatformFunction => made.get(name) as PlatformFunction
    state.slugs.grantRead(of('formations'))
    state.slugs.grantSign(of('artifacts'))
    state.slugs.grantRemove(of('reconciler'))
    state.logs.grantRead(of('logs'))
    state.secretKey?.grantSeal(of('access'))
    for (const fn of [of('executors'), ...(options.syncUrl ? [of('sync')] : [])]) {
      state.logs.grantAppend(fn)
      state.secretKey?.grantOpen(fn)
      grantOutsideSecrets(fn, options.stage)
    }
    if (options.syncUrl) new SyncUrl(this, 'SyncUrl', of('sync')).tell(of('executors'))
    for (const name of tickedNames) state.table.feed(of(name), name, this.#deadLetters.stream)
    return made
  }

  /** A schedule each minute; the reconciler makes shorter ones of it by the queue. */
  #addTimers(): void {
    const {timers} = this.#deadLetters
    const reconciler = this.#function('reconciler')
    const wakes = new WakeQueue(this, 'Wakes', {deadLetters: timers, timeoutSeconds: functionSizes.reconciler?.timeoutSeconds ?? 60})
    wakes.grantWake(reconciler)
    const target = (fn: PlatformFunction) =>
      new LambdaFunction(fn.lambda, {deadLetterQueue: timers.queue, maxEventAge: eventAge, retryAttempts: 2})
    const capacity = this.functions.get('capacity')
    new Rule(this, 'EveryMinute', {
      description: 'Ticks of scheduler, reconciler and capacity',
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [target(reconciler), target(this.#function('scheduler')), ...(capacity === undefined ? [] : [target(capacity)])],
    })
  }

  #createEdge(api: string, tokens: FirstTokens): Edge {
    const {options, state, imageFolder} = this.#props
    const {stage, certificate} = options
    const network = new Network(this, 'Network', state.logs.network)
    const {vpc} = network
    const log = state.logs.dataPlane
    const isNeeded = options.router || options.proxy || options.relay !== undefined
    const dataPlane = isNeeded ? new DataPlane(this, 'DataPlane', {stage, vpc, api, tokens, log, imageFolder}) : undefined
    const router = options.router && dataPlane ? new Router(this, 'Router', {vpc, dataPlane, certificate}) : undefined
    const proxy = options.proxy && dataPlane ? new ForwardProxy(this, 'Proxy', {stage, vpc, dataPlane}) : undefined
    if (router !== undefined) new CfnOutput(this, 'RouterAddress', {value: router.balancer.loadBalancerDnsName})
    const relay = options.relay && dataPlane ? this.#createRelay({vpc, dataPlane, options: options.relay}, router) : undefined
    const executors = options.executors === 0 ? undefined : this.#createExecutors({vpc, api, proxy})
    const fargate = options.fargate === undefined ? undefined : this.#createFargate({vpc, api, proxy}, options.fargate)
    const callers = [router, proxy].flatMap(caller => (caller === undefined ? [] : [caller.securityGroup]))
    for (const caller of callers) for (const called of [executors, fargate]) called?.allowFrom(caller)
    if (executors !== undefined && fargate !== undefined) {
      executors.allowFrom(fargate.tasksGroup)
      fargate.allowFrom(executors.securityGroup)
    }
    // Nobody else has these roles.
    const roles = [executors?.role.roleName, fargate && `${fargate.role.roleName}:${fargateExecutor}`].filter(role => role !== undefined)
    const joining = roles.map(role => `${this.account}/${role}`).join(',')
    if (joining !== '') this.#function('executors').addEnvironment('GILLIAM_JOIN_ROLES', joining)
    return {network, dataPlane, router, proxy, relay, executors}
  }

  #createRelay(props: RelayProps, router: Router | undefined): Relay {
    const relay = new Relay(this, 'Relay', {...props, ...(router && {front: {balancer: router.balancer, group: router.front}})})
    relay.tell(this.#function('formations'))
    new CfnOutput(this, 'RelayAddress', {value: relay.balancer.loadBalancerDnsName})
    return relay
  }

  #createExecutors({vpc, api, proxy}: Place): Executors {
    const {options, bundles} = this.#props
    const {stage, executors: count, executorsMax: countMax, machines, spot} = options
    const agentFile = `${bundles.programFolder}/agent.mjs`
    const {topic} = this.#topic
    const all = {stage, vpc, count, countMax, machines, spot, api, agentFile, topic}
    const executors = new Executors(this, 'Executors', {...all, proxy: proxy?.url})
    proxy?.allowFrom(executors.group)
    const capacity = this.#function('capacity')
    executors.grantScale(capacity)
    new DrainQueue(this, 'Drains', {group: executors.group, capacity, deadLetters: this.#deadLetters.timers})
    return executors
  }

  #createFargate({vpc, api, proxy}: Place, options: FargateOptions): Fargate {
    const {state, imageFolder} = this.#props
    const {stage} = this.#props.options
    const {services, dataPlane: log} = state.logs
    const fargate = new Fargate(this, 'Fargate', {stage, vpc, api, proxy: proxy?.url, options, services, log, imageFolder})
    proxy?.allowFrom(fargate.tasksGroup)
    return fargate
  }

  #watch(api: Api, edge: Edge | undefined): void {
    const {options, state} = this.#props
    const {stage, dashboard} = options
    const names = Object.fromEntries([...this.functions].map(([name, fn]) => [name, fn.functionName]))
    const {router, relay, executors} = edge ?? {}
    const {stream, timers} = this.#deadLetters
    new Watch(this, 'Watch', {
      stage,
      dashboard,
      topic: this.#topic.topic,
      watched: {
        apiId: api.api.apiId,
        functions: names,
        table: state.table.table.tableName,
        deadLetters: {stream: stream.queue.queueName, timers: timers.queue.queueName},
        ...(router && {
          router: {balancer: router.balancer.loadBalancerFullName, targets: router.targets.targetGroupFullName, tasks: 2},
        }),
        ...(relay && {
          relay: {balancer: relay.balancer.loadBalancerFullName, targets: relay.targets.targetGroupFullName, tasks: 1},
        }),
        ...(executors && {executors: {group: executors.group.autoScalingGroupName, count: options.executors}}),
      },
    })
  }
}
