// From counts to dollars a month: which calls a stage makes, what each takes, what that costs. Pure; measures nothing. What is assumed rather than counted is
// named here, once.
import {monthSeconds, prices} from './prices.ts'

/** What one call takes, as counted. */
export interface Units {
  readonly apiCalls: number
  readonly invocations: number
  readonly readUnits: number
  readonly writeUnits: number
}

export interface Counts {
  /** The mean of many, so that the rare write is in it (last use of a token, requests by the hundred). */
  readonly sync: Units
  readonly renewal: Units
  readonly poll: Units
  /** Reconciler and scheduler once each, with so many executors. */
  readonly ticks: readonly (Units & {readonly executors: number})[]
  /** A service scaled by one up and one down again, until nothing follows. */
  readonly replacement: Units
  /** Processor time of an idle sync in the executors function, in ms, on the machine that counted. */
  readonly syncCpuMs: number
  /** Bytes of an idle sync's answer with its headers. */
  readonly answerBytes: number
}

/** Not counted: what AWS’s documentation says, and how far a machine of ours is from Lambda’s. */
export const assumed = {
  /** 512 MiB of 1,769 that make one processor. */
  memoryGb: 0.5,
  processors: 512 / 1_769,
  /** One round trip to DynamoDB; a sync makes two. */
  roundTripMs: 4,
  syncRoundTrips: 2,
  /** START, END and REPORT of a call, and a line of the API’s access log; 26 bytes are reckoned for each. */
  callLogBytes: 331,
  accessLogBytes: 360,
  /** Lambda polls a queue with five callers for 20 s each. */
  queuePollsPerMinute: 15,
  /** Receive and delete of each tick, and sending them all at once. */
  queueRequestsPerMinute: 15,
  /** Reconciler by the schedule and seven messages; scheduler and capacity by the schedule. */
  tickCallsPerMinute: 10,
  ticksPerMinute: 8,
} as const

/** How a stage is run. */
export interface Running {
  readonly executors: number
  readonly syncSeconds: number
  /** Instances replaced by new ones, an hour and executor. */
  readonly replacementsPerHour: number
  /** `url`: a function URL takes syncs, which costs nothing beside the function. */
  readonly entry: 'api' | 'url'
  /** Whether Lambda writes START, END and REPORT. */
  readonly callLog: boolean
}

/** As it is deployed. */
export const idle: Running = {executors: 1, syncSeconds: 20, replacementsPerHour: 0, entry: 'url', callLog: false}
export const busy: Running = {...idle, syncSeconds: 1, replacementsPerHour: 10}

/** Seconds between renewals: half an hour’s credential. */
const renewalSeconds = 1_800

export interface Line {
  readonly what: string
  readonly dollars: number
}

/** Billed time of a sync: its work at the share of a processor that its memory brings, and waiting for DynamoDB. */
export const syncMs = ({syncCpuMs}: Counts): number => syncCpuMs / assumed.processors + assumed.syncRoundTrips * assumed.roundTripMs

const million = 1_000_000
const gb = 1_000_000_000

const scale = (units: Units, factor: number): Units => ({
  apiCalls: units.apiCalls * factor,
  invocations: units.invocations * factor,
  readUnits: units.readUnits * factor,
  writeUnits: units.writeUnits * factor,
})

const add = (...all: readonly Units[]): Units =>
  all.reduce((a, b) => ({
    apiCalls: a.apiCalls + b.apiCalls,
    invocations: a.invocations + b.invocations,
    readUnits: a.readUnits + b.readUnits,
    writeUnits: a.writeUnits + b.writeUnits,
  }))

const linesOf = (units: Units, {entry, callLog}: Pick<Running, 'entry' | 'callLog'>, ms: number, answerBytes: number): Line[] => [
  {what: 'API Gateway', dollars: entry === 'api' ? (units.apiCalls * prices.apiMillionRequests) / million : 0},
  {what: 'Lambda, requests', dollars: (units.invocations * prices.lambdaMillionRequests) / million},
  {what: 'Lambda, GB-seconds', dollars: ((units.invocations * ms) / 1_000) * assumed.memoryGb * prices.lambdaGbSecond},
  {what: 'DynamoDB, writes', dollars: (units.writeUnits * prices.writeMillionUnits) / million},
  {what: 'DynamoDB, reads', dollars: (units.readUnits * prices.readMillionUnits) / million},
  {
    what: 'CloudWatch Logs',
    dollars:
      ((units.invocations * (callLog ? assumed.callLogBytes : 0) + (entry === 'api' ? units.apiCalls * assumed.accessLogBytes : 0)) / gb) *
      prices.logGb,
  },
  {what: 'data out', dollars: ((units.apiCalls * answerBytes) / gb) * prices.outGb},
]

export const total = (lines: readonly Line[]): number => lines.reduce((sum, {dollars}) => sum + dollars, 0)

/** What one executor takes in a month: its syncs, its renewals, and what its instances make happen. */
export const executorMonth = (counts: Counts, running: Running): readonly Line[] => {
  const units = add(
    scale(counts.sync, monthSeconds / running.syncSeconds),
    scale(counts.renewal, monthSeconds / renewalSeconds),
    scale(counts.replacement, (running.replacementsPerHour * monthSeconds) / 3_600),
  )
  return linesOf(units, running, syncMs(counts), counts.answerBytes)
}

/** Between two counted numbers of executors, in proportion. */
const tickWith = ({ticks}: Counts, executors: number): Units => {
  const after = ticks.find(each => each.executors >= executors) ?? ticks.at(-1)
  const before = ticks.findLast(each => each.executors <= executors) ?? ticks[0]
  if (after === undefined || before === undefined) throw new Error('no ticks were counted')
  if (after.executors === before.executors) return scale(after, executors / after.executors < 1 ? 1 : executors / after.executors)
  const share = (executors - before.executors) / (after.executors - before.executors)
  return add(scale(before, 1 - share), scale(after, share))
}

/** What a stage takes in a month whatever its executors do: ticks and queues, alarms, a key, a dashboard. `alarmMetrics`: as the templates have them. */
export const stageMonth = (counts: Counts, executors: number, alarmMetrics: number): readonly Line[] => {
  const minutes = monthSeconds / 60
  const ticks = {...scale(tickWith(counts, executors), minutes * assumed.ticksPerMinute), invocations: minutes * assumed.tickCallsPerMinute}
  const requests = minutes * (assumed.queuePollsPerMinute + assumed.queueRequestsPerMinute)
  return [
    ...linesOf(ticks, idle, syncMs(counts), 0).filter(({dollars}) => dollars > 0),
    {what: 'SQS', dollars: (requests * prices.sqsMillionRequests) / million},
    {what: 'alarms', dollars: alarmMetrics * prices.alarmMetric},
    {what: 'dashboard', dollars: prices.dashboard},
    {what: 'KMS key', dollars: prices.key},
  ]
}

/** A router or proxy that asks for changes every so many seconds and is told that there are none. */
export const pollerMonth = (counts: Counts, pollSeconds: number): readonly Line[] =>
  linesOf(scale(counts.poll, monthSeconds / pollSeconds), {...idle, entry: 'api'}, syncMs(counts), counts.answerBytes)
