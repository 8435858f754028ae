// Every alarm of a stage as one list: what is measured, when it rings, and the section of docs/runbook.md that says what to do. A test compares the two.
import {Duration} from 'aws-cdk-lib'
import {type IMetric, MathExpression, Metric, TreatMissingData} from 'aws-cdk-lib/aws-cloudwatch'

export interface AlarmDefinition {
  /** Also the heading in the runbook. */
  readonly name: string
  readonly about: string
  readonly metric: IMetric
  readonly threshold: number
  /** Rings when the metric is at or above the threshold, or below it, in so many periods one after the other. */
  readonly when: 'atLeast' | 'below'
  readonly periods: number
  readonly missing: TreatMissingData
}

/** Tasks behind a load balancer. */
interface Served {
  readonly balancer: string
  readonly targets: string
  readonly tasks: number
}

/** What there is to watch, by what identifies it to CloudWatch. */
export interface Watched {
  readonly apiId: string
  /** Function names by folder. */
  readonly functions: Readonly<Record<string, string>>
  readonly table: string
  /** Queue names by what they are for. */
  readonly deadLetters: Readonly<Record<string, string>>
  readonly router?: Served
  readonly relay?: Served
  readonly executors?: {readonly group: string; readonly count: number}
}

const minute = Duration.minutes(1)
const fiveMinutes = Duration.minutes(5)
const {NOT_BREACHING, BREACHING} = TreatMissingData

const metric = (namespace: string, metricName: string, dimensionsMap: Record<string, string>, statistic: string, period = fiveMinutes) =>
  new Metric({namespace, metricName, dimensionsMap, statistic, period})

const lambda = (name: string, of: string, statistic: string, period = fiveMinutes) =>
  metric('AWS/Lambda', name, {FunctionName: of}, statistic, period)

const sum = (name: string, functions: Readonly<Record<string, string>>): IMetric => {
  const usingMetrics = Object.fromEntries(Object.values(functions).map((of, at) => [`m${at}`, lambda(name, of, 'Sum')]))
  return new MathExpression({expression: `SUM([${Object.keys(usingMetrics).join(',')}])`, usingMetrics, period: fiveMinutes, label: name})
}

/** An alarm adds up ten metrics at most. What is left out is watched otherwise: setup by CloudFormation, capacity by its dead letters. */
const without = (functions: Readonly<Record<string, string>>, ...names: readonly string[]) =>
  Object.fromEntries(Object.entries(functions).filter(([name]) => !names.includes(name)))

const controlPlane = ({apiId, functions, table}: Watched): AlarmDefinition[] => [
  {
    name: 'api-errors',
    about: 'the API answers 5xx',
    metric: metric('AWS/ApiGateway', '5xx', {ApiId: apiId}, 'Sum'),
    threshold: 10,
    when: 'atLeast',
    periods: 2,
    missing: NOT_BREACHING,
  },
  {
    name: 'api-slow',
    about: 'one request in a hundred takes 3 s or more',
    metric: metric('AWS/ApiGateway', 'Latency', {ApiId: apiId}, 'p99'),
    threshold: 3_000,
    when: 'atLeast',
    periods: 3,
    missing: NOT_BREACHING,
  },
  {
    name: 'function-errors',
    about: 'functions fail',
    metric: sum('Errors', without(functions, 'setup', 'capacity')),
    threshold: 5,
    when: 'atLeast',
    periods: 2,
    missing: NOT_BREACHING,
  },
  {
    name: 'function-throttles',
    about: 'functions are refused for want of concurrency',
    // The scheduler waits for itself by design: see cdk/functions.ts.
    metric: sum('Throttles', without(functions, 'setup', 'capacity', 'scheduler')),
    threshold: 10,
    when: 'atLeast',
    periods: 2,
    missing: NOT_BREACHING,
  },
  {
    name: 'table-refuses',
    about: 'DynamoDB throttles requests to the table',
    metric: metric('AWS/DynamoDB', 'WriteThrottleEvents', {TableName: table}, 'Sum'),
    threshold: 10,
    when: 'atLeast',
    periods: 2,
    missing: NOT_BREACHING,
  },
]

const flow = ({functions, deadLetters}: Watched): AlarmDefinition[] => [
  ...(['scheduler', 'reconciler'] as const).map(
    (name): AlarmDefinition => ({
      name: `${name}-behind`,
      about: `the ${name} hears of changes a minute late`,
      metric: lambda('IteratorAge', functions[name] ?? '', 'Maximum'),
      threshold: 60_000,
      when: 'atLeast',
      periods: 2,
      missing: NOT_BREACHING,
    }),
  ),
  {
    name: 'ticks-missing',
    about: 'nobody watches leases: lost executors are not noticed',
    metric: lambda('Invocations', functions.reconciler ?? '', 'Sum'),
    threshold: 1,
    when: 'below',
    periods: 2,
    missing: BREACHING,
  },
  ...Object.entries(deadLetters).map(
    ([name, queue]): AlarmDefinition => ({
      name: `dead-letters-${name}`,
      about: `${name}: something was given up after all retries`,
      metric: metric('AWS/SQS', 'ApproximateNumberOfMessagesVisible', {QueueName: queue}, 'Maximum'),
      threshold: 1,
      when: 'atLeast',
      periods: 1,
      missing: NOT_BREACHING,
    }),
  ),
]

const unhealthy = (name: 'router' | 'relay', about: string, {balancer, targets, tasks}: Served): AlarmDefinition => ({
  name: `${name}-unhealthy`,
  about,
  metric: metric('AWS/NetworkELB', 'HealthyHostCount', {LoadBalancer: balancer, TargetGroup: targets}, 'Minimum', minute),
  threshold: tasks,
  when: 'below',
  periods: 5,
  missing: BREACHING,
})

const machines = ({router, relay, executors}: Watched): AlarmDefinition[] => {
  const definitions: AlarmDefinition[] = []
  if (router !== undefined) definitions.push(unhealthy('router', 'fewer routers are healthy than should be', router))
  if (relay !== undefined) definitions.push(unhealthy('relay', 'no relay is healthy: run, exec and live logs do not work', relay))
  if (executors !== undefined)
    definitions.push({
      name: 'machines-missing',
      about: 'fewer machines are in service than should be',
      metric: metric('AWS/AutoScaling', 'GroupInServiceInstances', {AutoScalingGroupName: executors.group}, 'Minimum', minute),
      threshold: executors.count,
      when: 'below',
      periods: 15,
      missing: BREACHING,
    })
  return definitions
}

export const alarmsOf = (watched: Watched): readonly AlarmDefinition[] => [...controlPlane(watched), ...flow(watched), ...machines(watched)]
