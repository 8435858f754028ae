// ECS as the SDK's client sees it: tasks of Fargate as a state machine behind aws-sdk-client-mock. A task moves on when the test says so; it has an address once
// its network interface is attached, and its container's exit code once that has stopped. Calls are counted, and refused when too many are asked for.
import {
  DeregisterTaskDefinitionCommand,
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  type ECSClient,
  ListTaskDefinitionFamiliesCommand,
  ListTaskDefinitionsCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  type RegisterTaskDefinitionCommandInput,
  RunTaskCommand,
  type RunTaskCommandInput,
  StopTaskCommand,
  type Task,
} from '@aws-sdk/client-ecs'
import {DeleteParametersCommand, PutParameterCommand, type SSMClient} from '@aws-sdk/client-ssm'
import {mockClient} from 'aws-sdk-client-mock'

/** “Amazon ECS task lifecycle”: to RUNNING, and from there to STOPPED. */
const up = ['PROVISIONING', 'PENDING', 'ACTIVATING', 'RUNNING'] as const
const down = ['DEACTIVATING', 'STOPPING', 'DEPROVISIONING', 'STOPPED'] as const
const pageSize = 100

interface FakeTask {
  readonly arn: string
  readonly input: RunTaskCommandInput
  readonly host: string
  readonly createdAt: Date
  lastStatus: (typeof up)[number] | (typeof down)[number]
  desiredStatus: 'RUNNING' | 'STOPPED'
  exitCode?: number
  containerReason?: string
  stopCode?: string
  stoppedReason?: string
}

const fault = (name: string, message: string): Error => Object.assign(new Error(message), {name})
export const throttled = (): Error => fault('ThrottlingException', 'Rate exceeded')

const arnOf = (family: string): string => `arn:task-definition/${family}:1`
const familyOf = (arn: string): string => /task-definition\/(.*):1$/.exec(arn)?.[1] ?? ''

/** SSM, as far as parameters go: what is kept, by name. */
export const fakeParameters = (client: SSMClient): Map<string, {readonly value: string; readonly type: string}> => {
  const kept = new Map<string, {value: string; type: string}>()
  const mock = mockClient(client)
  mock.on(PutParameterCommand).callsFake(({Name, Value, Type}) => void kept.set(Name, {value: Value, type: Type}))
  mock.on(DeleteParametersCommand).callsFake(({Names}: {Names: string[]}) => {
    if (Names.length === 0 || Names.length > 10) throw fault('ValidationException', `names can be 1 to 10, not ${Names.length}`)
    for (const name of Names) kept.delete(name)
    return {}
  })
  return kept
}

export class FakeEcs {
  readonly tasks: FakeTask[] = []
  readonly definitions = new Map<string, RegisterTaskDefinitionCommandInput>()
  readonly calls: string[] = []
  /** Of the next RunTask calls: `RESOURCE:ENI`. */
  readonly runFailures: string[] = []
  /** Calls by name that are refused as too many before the next goes through. */
  readonly throttles = new Map<string, number>()
  /** Address of the next tasks. */
  host = '127.0.0.1'

  constructor(client: ECSClient) {
    const mock = mockClient(client)
    mock.on(RegisterTaskDefinitionCommand).callsFake(input => this.#call('RegisterTaskDefinition', () => this.#register(input)))
    mock.on(DescribeTaskDefinitionCommand).callsFake(input => this.#call('DescribeTaskDefinition', () => this.#definition(input)))
    mock.on(ListTaskDefinitionFamiliesCommand).callsFake(input => this.#call('ListTaskDefinitionFamilies', () => this.#families(input)))
    mock.on(ListTaskDefinitionsCommand).callsFake(input => this.#call('ListTaskDefinitions', () => this.#revisions(input)))
    mock.on(DeregisterTaskDefinitionCommand).callsFake(input => this.#call('DeregisterTaskDefinition', () => this.#deregister(input)))
    mock.on(RunTaskCommand).callsFake(input => this.#call('RunTask', () => this.#run(input)))
    mock.on(StopTaskCommand).callsFake(input => this.#call('StopTask', () => this.#stop(input)))
    mock.on(ListTasksCommand).callsFake(input => this.#call('ListTasks', () => this.#list(input)))
    mock.on(DescribeTasksCommand).callsFake(input => this.#call('DescribeTasks', () => this.#describe(input)))
  }

  /** Names of calls since, in order. */
  called(name: string): number {
    return this.calls.filter(each => each === name).length
  }

  of(key: string): FakeTask[] {
    return this.tasks.filter(({input}) => input.tags?.some(({value}) => value === key))
  }

  /** The next state of a task. A container that is asked to stop ends with 143. */
  step(task: FakeTask): void {
    const at = (up as readonly string[]).indexOf(task.lastStatus)
    if (task.desiredStatus === 'RUNNING') task.lastStatus = up[Math.min(at + 1, up.length - 1)] ?? 'RUNNING'
    else if (at >= 0 && task.lastStatus !== 'RUNNING') task.lastStatus = 'DEPROVISIONING'
    else task.lastStatus = down[(down as readonly string[]).indexOf(task.lastStatus) + 1] ?? 'STOPPED'
    if (task.lastStatus === 'DEPROVISIONING' && at < 0) task.exitCode ??= 143
  }

  run(task: FakeTask): void {
    while (task.lastStatus !== 'RUNNING') this.step(task)
  }

  /** Its process ends by itself. */
  exit(task: FakeTask, exitCode: number, containerReason?: string): void {
    Object.assign(task, {
      desiredStatus: 'STOPPED',
      lastStatus: 'DEPROVISIONING',
      exitCode,
      stopCode: 'EssentialContainerExited',
      containerReason,
    })
  }

  /** It never gets to run. */
  refuse(task: FakeTask, stopCode: string, stoppedReason: string): void {
    Object.assign(task, {desiredStatus: 'STOPPED', lastStatus: 'STOPPED', stopCode, stoppedReason})
  }

  async #call<T>(name: string, answer: () => T): Promise<T> {
    this.calls.push(name)
    const left = this.throttles.get(name) ?? 0
    if (left > 0) {
      this.throttles.set(name, left - 1)
      throw throttled()
    }
    return answer()
  }

  #register(input: RegisterTaskDefinitionCommandInput) {
    const {cpu, memory, family = ''} = input
    if (!cpu || !memory) throw fault('ClientException', 'Fargate requires task definition to have cpu and memory')
    this.definitions.set(family, input)
    return {taskDefinition: {taskDefinitionArn: arnOf(family), status: 'ACTIVE'}}
  }

  #definition({taskDefinition = ''}: {taskDefinition?: string}) {
    const {containerDefinitions} = this.definitions.get(taskDefinition) ?? {}
    if (containerDefinitions === undefined) throw fault('ClientException', 'Unable to describe task definition.')
    return {taskDefinition: {taskDefinitionArn: arnOf(taskDefinition), status: 'ACTIVE', containerDefinitions}}
  }

  #families({familyPrefix = '', nextToken}: {familyPrefix?: string; nextToken?: string}) {
    const mine = [...this.definitions.keys()].filter(family => family.startsWith(familyPrefix))
    const from = Number(nextToken ?? 0)
    return {families: mine.slice(from, from + pageSize), ...(mine.length > from + pageSize && {nextToken: String(from + pageSize)})}
  }

  #revisions({familyPrefix = ''}: {familyPrefix?: string}) {
    return {taskDefinitionArns: this.definitions.has(familyPrefix) ? [arnOf(familyPrefix)] : []}
  }

  #deregister({taskDefinition = ''}: {taskDefinition?: string}) {
    this.definitions.delete(familyOf(taskDefinition))
    return {}
  }

  #run(input: RunTaskCommandInput) {
    const reason = this.runFailures.shift()
    if (reason !== undefined) return {tasks: [], failures: [{reason}]}
    if (!this.definitions.has(familyOf(input.taskDefinition ?? ''))) throw fault('ClientException', 'TaskDefinition not found.')
    const known = this.tasks.find(each => each.input.clientToken === input.clientToken)
    if (known !== undefined) return {tasks: [this.#present(known)], failures: []}
    const arn = `arn:task/${this.tasks.length + 1}`
    const createdAt = new Date(1_800_000_000_000 + this.tasks.length)
    const task: FakeTask = {arn, input, host: this.host, createdAt, lastStatus: 'PROVISIONING', desiredStatus: 'RUNNING'}
    this.tasks.push(task)
    return {tasks: [this.#present(task)], failures: []}
  }

  #stop({task: arn, reason}: {task?: string; reason?: string}) {
    const task = this.tasks.find(each => each.arn === arn)
    if (task === undefined) throw fault('InvalidParameterException', 'The referenced task was not found.')
    if (task.desiredStatus === 'RUNNING') Object.assign(task, {desiredStatus: 'STOPPED', stopCode: 'UserInitiated', stoppedReason: reason})
    return {task: this.#present(task)}
  }

  #list({startedBy, desiredStatus, nextToken}: {startedBy?: string; desiredStatus?: string; nextToken?: string}) {
    const mine = this.tasks.filter(task => task.input.startedBy === startedBy && task.desiredStatus === desiredStatus)
    const from = Number(nextToken ?? 0)
    const page = mine.slice(from, from + pageSize).map(({arn}) => arn)
    return {taskArns: page, ...(mine.length > from + pageSize && {nextToken: String(from + pageSize)})}
  }

  #describe({tasks: arns = []}: {tasks?: string[]}) {
    if (arns.length === 0 || arns.length > 100) throw fault('InvalidParameterException', `Tasks can be 1 to 100, not ${arns.length}.`)
    const found = arns.map(arn => ({arn, task: this.tasks.find(each => each.arn === arn)}))
    return {
      tasks: found.flatMap(({task}) => (task === undefined ? [] : [this.#present(task)])),
      failures: found.flatMap(({arn, task}) => (task === undefined ? [{arn, reason: 'MISSING'}] : [])),
    }
  }

  #present({arn, input, host, createdAt, lastStatus, desiredStatus, exitCode, containerReason, stopCode, stoppedReason}: FakeTask): Task {
    const isAttached = lastStatus !== 'PROVISIONING'
    const details = isAttached ? [{name: 'privateIPv4Address', value: host}] : []
    const container = lastStatus === 'RUNNING' ? 'RUNNING' : exitCode === undefined && lastStatus !== 'STOPPED' ? 'PENDING' : 'STOPPED'
    return {
      taskArn: arn,
      taskDefinitionArn: input.taskDefinition,
      lastStatus,
      desiredStatus,
      createdAt,
      startedBy: input.startedBy,
      tags: input.tags,
      attachments: [{type: 'ElasticNetworkInterface', status: isAttached ? 'ATTACHED' : 'PRECREATED', details}],
      containers: [{name: 'instance', lastStatus: container, ...(exitCode !== undefined && {exitCode}), reason: containerReason}],
      ...(stopCode !== undefined && {stopCode: stopCode as NonNullable<Task['stopCode']>, stoppedReason}),
    }
  }
}
