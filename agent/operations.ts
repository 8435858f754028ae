// Decides what to do next: desired assignments × what is here × now → operations. Pure; applies nothing.
import type {Assignment} from '#shared/domain/assignment.ts'
import {cutOffGraceMsMax} from '#shared/domain/lease.ts'
import {healthCheckOf} from './checks.ts'
import {cutOffAt, cutOffEnding, type HeardAt, mayStart} from './contact.ts'
import {type Ending, hasProcess, type InstanceRecord, reportOf} from './instance.ts'

export type Operation =
  /** Take note of a new assignment. */
  | {readonly kind: 'accept'; readonly key: string; readonly assignment: Assignment}
  /** Fetch what it needs and start it. */
  | {readonly kind: 'launch'; readonly key: string}
  /** Call off a start that is under way. */
  | {readonly kind: 'cancel'; readonly key: string}
  /** Not announced any more; keep serving while callers find out. */
  | {readonly kind: 'withdraw'; readonly key: string; readonly ending: Ending}
  /** SIGTERM. */
  | {readonly kind: 'terminate'; readonly key: string; readonly ending: Ending}
  /** SIGKILL. */
  | {readonly kind: 'kill'; readonly key: string}
  /** Nothing runs: it is over. */
  | {readonly kind: 'end'; readonly key: string; readonly ending: Ending}
  /** Nothing can be checked and it has kept running: it counts as healthy. */
  | {readonly kind: 'settle'; readonly key: string}
  /** The control plane does not know its present state. */
  | {readonly kind: 'report'; readonly key: string; readonly urgent: boolean}
  /** The control plane knows it is over and does not assign it any more. */
  | {readonly kind: 'forget'; readonly key: string}

export interface View {
  /** By key; everything the control plane wants here, as last heard. */
  readonly desired: ReadonlyMap<string, Assignment>
  readonly actual: ReadonlyMap<string, InstanceRecord>
  /** Where the executor's instances are reached. */
  readonly host: string
  /** The agent is told to stop everything and leave; instances start again with it. */
  readonly suspending: boolean
  readonly heardAt: HeardAt
}

export interface Decision {
  readonly operations: readonly Operation[]
  /** When to decide again if nothing happens before, in the clock of `now`. */
  readonly wakeAt?: number
}

/** An instance that offers nothing to check is running once it has lasted this long. */
export const settleMs = 1_000

const stopped: Ending = {state: 'stopped'}
const suspended: Ending = {state: 'suspended'}
/** Another one may run in its place already. */
const fenced: Ending = {state: 'stopped', reason: 'not assigned to this executor any more', graceMsMax: cutOffGraceMsMax}

type Step = Operation | {readonly wakeAt: number} | undefined

const due = (at: number, now: number, operation: Operation): Step => (now >= at ? operation : {wakeAt: at})

/** Why it must go, if it must. */
const endingFor = (record: InstanceRecord, {desired, suspending, heardAt}: View, now: number): Ending | undefined => {
  const assignment = desired.get(record.key)
  if (assignment === undefined) return fenced
  if (assignment.stop) return stopped
  if (suspending) return suspended
  return now >= (cutOffAt(record, heardAt) ?? Number.POSITIVE_INFINITY) ? cutOffEnding(record) : undefined
}

/** Something runs that the control plane gave up: it goes before anything new is started. */
const isClearing = ({desired, actual}: View): boolean =>
  [...actual.values()].some(record => !desired.has(record.key) && (hasProcess(record) || record.phase === 'launching'))

const stepUp = (record: InstanceRecord, ending: Ending | undefined, now: number): Step => {
  const {key, assignment, announced, startedAt = now} = record
  if (ending !== undefined) return {kind: ending === stopped && announced ? 'withdraw' : 'terminate', key, ending}
  if (record.healthySince !== undefined) return undefined
  const check = healthCheckOf(assignment)
  if (check === undefined) return due(startedAt + settleMs, now, {kind: 'settle', key})
  const why = record.lastCheck === undefined ? '' : `: ${record.lastCheck}`
  const reason = `not healthy within ${check.startTimeoutMs / 1000} s${why}`
  return due(startedAt + check.startTimeoutMs, now, {kind: 'terminate', key, ending: {state: 'failed', reason}})
}

const step = (record: InstanceRecord, ending: Ending | undefined, canStart: boolean, now: number): Step => {
  const {key, until} = record
  switch (record.phase) {
    case 'waiting':
      if (ending?.state === 'suspended' || (ending === undefined && !canStart)) return undefined
      return ending === undefined ? due(record.startAt, now, {kind: 'launch', key}) : {kind: 'end', key, ending}
    case 'launching':
      return ending === undefined ? undefined : {kind: 'cancel', key}
    case 'up':
      return stepUp(record, ending, now)
    case 'draining':
      return due(ending === stopped ? until : now, now, {kind: 'terminate', key, ending: record.ending ?? stopped})
    case 'terminating':
    case 'killing':
      return due(until, now, {kind: 'kill', key})
    case 'ended':
      return undefined
  }
}

const reporting = (record: InstanceRecord, assigned: boolean, host: string): Operation | undefined => {
  const {key, phase, acknowledged} = record
  const report = reportOf(record, host)
  // That a start is under way can wait for the next call.
  const urgent = acknowledged !== undefined || report.state !== 'starting' || report.reason !== undefined
  if (JSON.stringify(report) !== acknowledged) return {kind: 'report', key, urgent}
  return phase === 'ended' && !assigned ? {kind: 'forget', key} : undefined
}

/** Whether another instance still has its volume. */
const isVolumeTaken = ({key, assignment: {formation, service, volume}}: InstanceRecord, {actual}: View): boolean =>
  volume !== undefined &&
  [...actual.values()].some(
    other =>
      other.key !== key &&
      other.phase !== 'waiting' &&
      other.phase !== 'ended' &&
      other.assignment.formation === formation &&
      other.assignment.service === service &&
      other.assignment.volume !== undefined,
  )

/** What to do now, and when to look again. At most one operation per instance besides its report. */
export const decide = (view: View, now: number): Decision => {
  const operations: Operation[] = []
  let wakeAt = Number.POSITIVE_INFINITY
  for (const [key, assignment] of view.desired) if (!view.actual.has(key)) operations.push({kind: 'accept', key, assignment})
  const clearing = isClearing(view)
  for (const [key, record] of view.actual) {
    const ending = endingFor(record, view, now)
    const next = step(record, ending, !clearing && !isVolumeTaken(record, view) && mayStart(record, view.heardAt, now), now)
    if (next !== undefined && 'wakeAt' in next) wakeAt = Math.min(wakeAt, next.wakeAt)
    else if (next !== undefined) operations.push(next)
    if (ending === undefined) wakeAt = Math.min(wakeAt, cutOffAt(record, view.heardAt) ?? Number.POSITIVE_INFINITY)
    const report = reporting(record, view.desired.has(key), view.host)
    if (report !== undefined) operations.push(report)
  }
  return Number.isFinite(wakeAt) ? {operations, wakeAt} : {operations}
}
