// What the agent knows of one instance, and how each thing that happens changes it. Pure: times come in as monotonic milliseconds since boot.
import type {Assignment, InstanceReport} from '#shared/domain/assignment.ts'
import {backoffMs} from '#shared/domain/backoff.ts'

/** What the agent is doing about an instance, and what may follow. `suspended` instances wait for the agent's next start. */
export const phases = {
  waiting: ['launching', 'ended'],
  launching: ['up', 'waiting', 'ended'],
  up: ['waiting', 'draining', 'terminating', 'ended'],
  draining: ['terminating', 'ended'],
  terminating: ['killing', 'waiting', 'ended'],
  killing: ['waiting', 'ended'],
  ended: [],
} as const satisfies Record<string, readonly string[]>

export type Phase = keyof typeof phases

/** How a process ended; neither field when nobody saw it end. `code` follows the shell: 128 + number for a signal. */
export interface Exit {
  readonly code?: number
  /** The kernel ended a process of it for want of memory: it took all of what it may. */
  readonly oom?: true
  /** What whoever ran it says besides: `OutOfMemoryError`. */
  readonly reason?: string
}

/** What it becomes once its process is gone. */
export interface Ending {
  readonly state: 'stopped' | 'failed' | 'suspended'
  readonly reason?: string
  /** From SIGTERM to SIGKILL, when it can not be left to the service. */
  readonly graceMsMax?: number
}

export interface InstanceRecord {
  readonly key: string
  readonly assignment: Assignment
  readonly phase: Phase
  /** Service port → host port, once allocated; kept over restarts so that callers with an old table still find it. */
  readonly ports: Readonly<Record<string, number>>
  /** Where these are reached, when the process runs elsewhere than on the executor's own address. */
  readonly host?: string
  /** Starts after the first. */
  readonly restarts: number
  /** Ends in a row without having been healthy for {@link healthyForgivesMs}. */
  readonly failures: number
  /** `waiting`: when to start. */
  readonly startAt: number
  /** When the running process was started; undefined before the first start. */
  readonly startedAt?: number
  /** Nothing of it has run since the machine was started. */
  readonly rebooted?: true
  /** `draining`, `terminating`, `killing`: when the next step is due. */
  readonly until: number
  readonly healthySince?: number
  readonly announced: boolean
  /** Why it is not healthy yet; reported when that ends it. */
  readonly lastCheck?: string
  readonly ending?: Ending
  readonly reason?: string
  /** What a start that takes long is at. */
  readonly progress?: string
  readonly exitCode?: number
  /** What the control plane knows of it, a report as JSON; undefined when it may know something else. */
  readonly acknowledged?: string | undefined
}

export const restartsMax = 5
export const healthyForgivesMs = 60_000
const restartBaseMs = 500
const restartMaxMs = 30_000
/** From learning of a stop to SIGTERM, so that routers and proxies have dropped the withdrawn instance; unless the control plane says how long that takes. */
export const drainMsDefault = 1_500
/** Longest that the control plane may ask for. */
export const drainMsMax = 120_000
const killAgainMs = 1_000
const reasonCharactersMax = 1_024

/** Names one instance on this executor, its folder too. */
export const keyOf = (it: {readonly formation: string; readonly service: string; readonly id: string}): string =>
  `${it.formation}.${it.service}.${it.id}`

/** A process of it may exist. */
export const hasProcess = ({phase}: InstanceRecord): boolean =>
  phase === 'up' || phase === 'draining' || phase === 'terminating' || phase === 'killing'

/** A new record, to be started now. */
export const accepted = (assignment: Assignment, now: number): InstanceRecord => ({
  key: keyOf(assignment),
  assignment,
  phase: 'waiting',
  ports: {},
  restarts: 0,
  failures: 0,
  startAt: now,
  until: 0,
  announced: false,
})

const to = (record: InstanceRecord, phase: Phase, change: Partial<InstanceRecord> = {}): InstanceRecord => {
  if (!(phases[record.phase] as readonly string[]).includes(phase))
    throw new Error(`${record.key}: ${phase} can not follow ${record.phase}`)
  const {progress: _, ...rest} = record
  return {...rest, ...change, phase}
}

/** Its start has got so far. */
export const progressed = (record: InstanceRecord, progress: string): InstanceRecord =>
  record.phase !== 'launching' || record.progress === progress ? record : {...record, progress: clip(progress)}

/** It runs at an address of its own. */
export const located = (record: InstanceRecord, host: string | undefined): InstanceRecord =>
  host === undefined || record.host === host ? record : {...record, host}

export const launching = (record: InstanceRecord): InstanceRecord => to(record, 'launching')

export const launched = (record: InstanceRecord, now: number): InstanceRecord =>
  to(record, 'up', {
    startedAt: now,
    restarts: record.startedAt === undefined ? 0 : record.restarts + 1,
    healthySince: undefined,
    announced: false,
    exitCode: undefined,
    reason: undefined,
    lastCheck: undefined,
    rebooted: undefined,
  })

/** A check failed before the first that passed. */
export const notHealthyYet = (record: InstanceRecord, reason: string): InstanceRecord =>
  record.lastCheck === clip(reason) ? record : {...record, lastCheck: clip(reason)}

/** It serves: callers may be sent to it, when it has a port. */
export const becameHealthy = (record: InstanceRecord, now: number): InstanceRecord =>
  record.phase !== 'up'
    ? record
    : {...record, healthySince: record.healthySince ?? now, announced: Object.keys(record.ports).length > 0, reason: undefined}

/** It served and does not any more: callers must not be sent to it. */
export const becameUnhealthy = (record: InstanceRecord, reason: string): InstanceRecord =>
  record.phase !== 'up' || record.healthySince === undefined ? record : {...record, announced: false, reason: clip(reason)}

export const draining = (record: InstanceRecord, ending: Ending, now: number, drainMs = drainMsDefault): InstanceRecord =>
  to(record, 'draining', {ending, announced: false, until: now + drainMs})

export const terminating = (record: InstanceRecord, ending: Ending, now: number): InstanceRecord =>
  to(record, 'terminating', {
    ending,
    announced: false,
    until: now + Math.min(record.assignment.stopGraceMs, ending.graceMsMax ?? Number.POSITIVE_INFINITY),
    reason: ending.reason ?? record.reason,
  })

export const killing = (record: InstanceRecord, now: number): InstanceRecord =>
  record.phase === 'killing' ? {...record, until: now + killAgainMs} : to(record, 'killing', {until: now + killAgainMs})

/** Over, without a process. */
export const ended = (record: InstanceRecord, ending: Ending): InstanceRecord =>
  to(record, 'ended', {ending, announced: false, reason: clip(ending.reason ?? '') || undefined})

/** `exit code 1`, `exit code 137 (signal 9)`, `out of memory (64 MiB): exit code 137 (signal 9)`, or that nobody saw it. `memoryMib`: the most it may take. */
export const describeExit = ({oom, ...exit}: Exit, memoryMib: number): string => {
  if (oom) return `out of memory (${memoryMib} MiB): ${describeExit(exit, memoryMib)}`
  const {code, reason} = exit
  if (code === undefined) return reason ?? 'ended, nobody saw how'
  const why = reason === undefined ? '' : `: ${reason}`
  return code > 128 && code < 160 ? `exit code ${code} (signal ${code - 128})${why}` : `exit code ${code}${why}`
}

const clip = (text: string): string => text.slice(0, reasonCharactersMax)
const times = (n: number): string => `${n} restart${n === 1 ? '' : 's'}`

const again = (record: InstanceRecord, why: string, now: number, exit: Exit = {}): InstanceRecord => {
  const forgiven = record.healthySince !== undefined && now - record.healthySince >= healthyForgivesMs
  const failures = (forgiven ? 0 : record.failures) + 1
  const change = {failures, exitCode: exit.code, announced: false, healthySince: undefined}
  if (failures > restartsMax) {
    const ending: Ending = {state: 'failed', reason: clip(`${why} after ${times(restartsMax)}`)}
    return to(record, 'ended', {...change, ending, reason: ending.reason})
  }
  const waitMs = forgiven ? 0 : backoffMs(failures, restartBaseMs, restartMaxMs)
  const when = forgiven ? 'now' : `in ${waitMs / 1000} s`
  return to(record, 'waiting', {...change, startAt: now + waitMs, reason: clip(`${why}; starting again ${when}`)})
}

/** Its process is gone. Restarted at once when it had been healthy for {@link healthyForgivesMs}, else with backoff (0.5 s doubling to 30 s), failed after {@link restartsMax} restarts, or over when that was wanted. */
export const exited = (record: InstanceRecord, exit: Exit, now: number): InstanceRecord => {
  if (!hasProcess(record)) return record
  if (record.assignment.run !== undefined) return ranOnce(record, exit)
  if (record.ending === undefined) return again(record, describeExit(exit, record.assignment.resources.memoryMib), now, exit)
  if (record.ending.state === 'suspended') return rested({...record, phase: 'terminating'}, now)
  return {...ended(record, record.ending), exitCode: exit.code}
}

/** What runs once is over when it ends, whatever was wanted of it. */
const ranOnce = (record: InstanceRecord, exit: Exit): InstanceRecord => {
  const own: Ending =
    exit.code === 0 ? {state: 'stopped'} : {state: 'failed', reason: describeExit(exit, record.assignment.resources.memoryMib)}
  const ending = record.ending === undefined || record.ending.state === 'suspended' ? own : record.ending
  return {...ended(record, ending), exitCode: exit.code}
}

const rested = (record: InstanceRecord, now: number): InstanceRecord =>
  to(record, 'waiting', {startAt: now, ending: undefined, healthySince: undefined, announced: false, reason: undefined})

/** It could not be started. `retry` is false when trying again can not help. */
export const launchFailed = (record: InstanceRecord, failure: {reason: string; retry: boolean}, now: number): InstanceRecord => {
  if (record.phase !== 'launching') return record
  return failure.retry && record.assignment.run === undefined
    ? again(record, failure.reason, now)
    : ended(record, {state: 'failed', reason: failure.reason})
}

/** The start was called off before there was a process. */
export const launchCancelled = (record: InstanceRecord, now: number): InstanceRecord =>
  record.phase === 'launching' ? to(record, 'waiting', {startAt: now}) : record

/** The machine was started anew: no process survived, and monotonic times of before mean nothing. */
export const rebooted = (record: InstanceRecord, now: number): InstanceRecord => {
  if (record.phase === 'ended') return record
  if (record.ending !== undefined && record.ending.state !== 'suspended') return {...record, phase: 'ended', announced: false}
  if (record.assignment.run !== undefined && record.startedAt !== undefined)
    return {
      ...record,
      phase: 'ended',
      announced: false,
      ending: {state: 'failed', reason: 'the machine was started anew'},
      reason: 'the machine was started anew',
    }
  const {ending: _, healthySince: __, ...rest} = record
  return {...rest, phase: 'waiting', startAt: now, until: 0, announced: false, rebooted: true}
}

const reportedState = (record: InstanceRecord): InstanceReport['state'] => {
  if (record.phase === 'ended') return record.ending?.state === 'failed' ? 'failed' : 'stopped'
  if (record.ending !== undefined) return record.ending.state === 'suspended' ? 'starting' : 'stopping'
  return record.phase === 'up' && record.healthySince !== undefined ? 'running' : 'starting'
}

/** What the control plane should know of it. `executorHost` is where its ports are reached unless it has an address of its own. */
export const reportOf = (record: InstanceRecord, executorHost: string): InstanceReport => {
  const {formation, service, id} = record.assignment
  const host = record.host ?? executorHost
  const reason = record.progress ?? record.reason
  return {
    formation,
    service,
    id,
    state: reportedState(record),
    announced: record.announced,
    restarts: record.restarts,
    ...(Object.keys(record.ports).length > 0 ? {address: {host, ports: record.ports}} : {}),
    ...(reason === undefined ? {} : {reason}),
    ...(record.exitCode === undefined ? {} : {exitCode: record.exitCode}),
  }
}
