// When a service is backed up: a plan per service, and what becomes of it with time and events. Pure: times are milliseconds since the epoch.
import {backoffMs} from './backoff.ts'
import {type Backup, type BackupCommands, type BackupSchedule, backupMsMax, backupsKeptDefault} from './backup.ts'
import {unitHash} from './hash.ts'
import type {Instance} from './instance.ts'

/** The backup that is being made. */
export interface OngoingBackup {
  readonly id: string
  readonly instance: string
  readonly executor: string
  readonly until: number
  /** Good ones that stay when this one is. */
  readonly keep: number
  readonly scheduled: boolean
}

export interface BackupPlan {
  readonly formation: string
  readonly service: string
  readonly schedule?: BackupSchedule
  /** The next one by the schedule. */
  readonly dueAt?: number
  /** Why what is due is not made. */
  readonly waits?: string
  /** Of the schedule, one after the other. */
  readonly failures: number
  readonly ongoing?: OngoingBackup
  /** Since when the formation is not there. */
  readonly goneAt?: number
  /** When the reconciler looks at it next. */
  readonly lookAt: number
  /** Counts changes. */
  readonly version: number
}

type Named = Pick<BackupPlan, 'formation' | 'service'>

/** The first one by a schedule comes within this. */
const firstWithinMs = 3_600_000
/** How often it is looked whether the instance of one under way is still there. */
const lookEveryMs = 60_000
/** How often it is looked for an instance that what is due can be made of: the more rarely the longer there is none, for it may have been given up. */
const waitLookMs = 10_000
const waitLookMsMax = 5 * 60_000
const waitLookShare = 0.1
/** With nothing to do, only whether the formation is still there. */
const idleLookMs = 86_400_000
const retryBaseMs = 5 * 60_000
const retryMsMax = 6 * 3_600_000
/** Backups of a formation that is gone are kept for so long. */
export const orphansKeptMs = 30 * 86_400_000

const shareOf = ({formation, service}: Named): number => unitHash(`backup ${formation} ${service}`)

/** The first time after `after` that is this service’s: they are `everyMs` apart, and each service has its own, so that not all are backed up at once. */
export const nextDue = (named: Named, everyMs: number, after: number): number => {
  const phase = Math.floor(shareOf(named) * everyMs)
  return (Math.floor((after - phase) / everyMs) + 1) * everyMs + phase
}

/** The service was not backed up by this schedule before. */
const firstDue = (named: Named, {everyMs}: BackupSchedule, now: number): number =>
  now + Math.floor(shareOf(named) * Math.min(everyMs, firstWithinMs))

const lookAtOf = ({ongoing, schedule, dueAt}: Pick<BackupPlan, 'ongoing' | 'schedule' | 'dueAt'>, now: number): number => {
  if (ongoing !== undefined) return Math.min(ongoing.until, now + lookEveryMs)
  return schedule === undefined || dueAt === undefined ? now + idleLookMs : Math.max(now, Math.min(dueAt, now + idleLookMs))
}

/** With what is next to be looked at; one that is due waits no longer. */
const looked = (plan: Omit<BackupPlan, 'lookAt'>, now: number): BackupPlan => ({...plan, lookAt: lookAtOf(plan, now)})

export const newPlan = ({formation, service}: Named, now: number): BackupPlan => looked({formation, service, failures: 0, version: 0}, now)

const isSame = (one: BackupSchedule | undefined, other: BackupSchedule | undefined): boolean =>
  one?.everyMs === other?.everyMs && one?.keep === other?.keep

/** A release that is begun to be run has this schedule, or none; undefined: nothing changes. Where the formation was gone, it is not any more. */
export const rescheduled = (named: Named, plan: BackupPlan | undefined, schedule: BackupSchedule | undefined, now: number) => {
  if (isSame(plan?.schedule, schedule) && plan?.goneAt === undefined) return undefined
  const {schedule: before, dueAt, waits: _, goneAt: __, ...rest} = plan ?? newPlan(named, now)
  if (schedule === undefined) return looked(rest, now)
  const next = before === undefined || dueAt === undefined ? firstDue(named, schedule, now) : nextDue(named, schedule.everyMs, now)
  return looked({...rest, schedule, dueAt: dueAt === undefined ? next : Math.min(dueAt, next)}, now)
}

/** One was begun. */
export const begun = ({waits: _, ...plan}: BackupPlan, ongoing: OngoingBackup, now: number): BackupPlan => looked({...plan, ongoing}, now)

/** What was begun is over. One by hand leaves the schedule as it is; one of the schedule that failed is made again soon. */
export const ended = ({ongoing, ...plan}: BackupPlan, isGood: boolean, now: number): BackupPlan => {
  const {schedule, dueAt} = plan
  if (ongoing?.scheduled !== true || schedule === undefined || dueAt === undefined) return looked(plan, now)
  const next = nextDue(plan, schedule.everyMs, now)
  if (isGood) return looked({...plan, failures: 0, dueAt: next}, now)
  const failures = plan.failures + 1
  return looked({...plan, failures, dueAt: Math.min(next, now + backoffMs(failures, retryBaseMs, retryMsMax))}, now)
}

/** What the reconciler sees of a service when it looks; undefined where the formation is gone. */
export interface Sight {
  /** Of the service, whatever their state. */
  readonly instances: readonly Instance[]
  /** How the release of its only running instance says that it is backed up. */
  readonly definition: {readonly backup?: BackupCommands; readonly backupSchedule?: BackupSchedule} | undefined
}

export type BackupDecision =
  | {readonly kind: 'order'; readonly instance: Instance}
  | {readonly kind: 'fail'; readonly reason: string}
  /** Its backups are forgotten, and the plan. */
  | {readonly kind: 'forget'}
  | {readonly kind: 'look'; readonly plan: BackupPlan}

/** Those whose data a backup would be of. */
export const runningOf = (instances: readonly Instance[]): readonly Instance[] =>
  instances.filter(({state, origin}) => state === 'running' && origin !== 'run')

/** Why no backup can be made now; undefined: one can. */
export const whyNot = (running: readonly unknown[]): string | undefined => {
  if (running.length === 1) return undefined
  return running.length === 0
    ? 'no instance of it runs'
    : `it has ${running.length} running instances; a backup is of the data of exactly one`
}

const decideOngoing = (plan: BackupPlan, ongoing: OngoingBackup, instances: readonly Instance[], now: number): BackupDecision => {
  if (now >= ongoing.until) return {kind: 'fail', reason: `nothing was heard of it within ${backupMsMax / 60_000} minutes`}
  const instance = instances.find(({id}) => id === ongoing.instance)
  const isLost = instance === undefined || instance.state === 'lost'
  return isLost
    ? {kind: 'fail', reason: `its instance, or executor ${ongoing.executor}, was lost`}
    : {kind: 'look', plan: looked(plan, now)}
}

const waitMs = (waitedMs: number): number => Math.min(waitLookMsMax, Math.max(waitLookMs, Math.round(waitedMs * waitLookShare)))

const decideGone = (plan: BackupPlan, now: number): BackupDecision => {
  const {goneAt = now} = plan
  if (now - goneAt >= orphansKeptMs) return {kind: 'forget'}
  return {kind: 'look', plan: {...plan, goneAt, lookAt: Math.min(now + idleLookMs, goneAt + orphansKeptMs)}}
}

/** What to do about a plan that is looked at. */
export const decideBackup = (plan: BackupPlan, sight: Sight | undefined, now: number): BackupDecision => {
  if (plan.ongoing !== undefined) return decideOngoing(plan, plan.ongoing, sight?.instances ?? [], now)
  if (sight === undefined) return decideGone(plan, now)
  const {goneAt: _, ...there} = plan
  if (there.schedule === undefined || there.dueAt === undefined || there.dueAt > now) return {kind: 'look', plan: looked(there, now)}
  const running = runningOf(sight.instances)
  const waits = whyNot(running)
  const [instance] = running
  if (waits !== undefined || instance === undefined)
    return {kind: 'look', plan: {...there, ...(waits !== undefined && {waits}), lookAt: now + waitMs(now - there.dueAt)}}
  const {backup, backupSchedule} = sight.definition ?? {}
  if (backup !== undefined && backupSchedule !== undefined) return {kind: 'order', instance}
  return {kind: 'look', plan: rescheduled(there, there, undefined, now) ?? looked(there, now)}
}

/** The good ones beyond those to keep, and all but a few of those that came to nothing: oldest first. `backups` are of one service. */
export const superfluous = (backups: readonly Backup[], keep: number): readonly Backup[] => {
  const newestFirst = backups.toSorted((a, b) => b.createdAt - a.createdAt)
  const of = (state: Backup['state']) => newestFirst.filter(each => each.state === state)
  return [...of('good').slice(keep), ...of('failed').slice(failedKeptMax)].reverse()
}

/** Failures of one service that stay listed. */
const failedKeptMax = 5

/** How many stay when one is made now and nobody says. */
export const keepOf = (plan: BackupPlan | undefined): number => plan?.schedule?.keep ?? backupsKeptDefault
