// Replacing one release by another, driven by the reconciler: start the new, wait until it serves, then end the old. Pure.
import type {Instance} from './instance.ts'

export type RolloutState = 'starting' | 'finished' | 'failed'

export interface Rollout {
  readonly formation: string
  readonly release: number
  /** Desired instances of the new release, by service. */
  readonly scale: Readonly<Record<string, number>>
  readonly state: RolloutState
  readonly reason?: string
  readonly startedAt: number
  readonly deadlineAt: number
  readonly endedAt?: number
}

/** A rollout whose instances do not all run within this has failed; the old release keeps running. */
export const rolloutTimeoutMs = 300_000
/** How long a rollout that ended can still be shown. */
export const endedRolloutKeptMs = 30 * 86_400_000
/** So many failed instances of one service fail a rollout: executors that are broken themselves are not the release's fault. */
export const rolloutFailuresMax = 3
/** The same for a service of which nothing ever ran: each of them was started several times. */
export const hopelessFailuresMax = 2
/** A service of which nothing ever ran and something failed has until then: users wait for the answer. */
export const rolloutPatienceMs = 40_000
/** Running for this long without a change counts as serving: what has no health check “runs” until it ends. */
export const servingAfterMs = 2_000
/** The same for an instance that was restarted: it must not be caught between two crashes. */
export const servingAfterRestartMs = 10_000

export type RolloutDecision =
  | {readonly outcome: 'finish'}
  | {readonly outcome: 'fail'; readonly reason: string}
  /** Look again at `at`, or when something changes. */
  | {readonly outcome: 'wait'; readonly at: number}

/** From when on a running instance counts as serving. */
const servesAt = (instance: Instance): number => instance.updatedAt + (instance.restarts === 0 ? servingAfterMs : servingAfterRestartMs)

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

const failureReason = (service: string, failed: readonly Instance[]): string => {
  const last = failed.reduce((a, b) => ((b.endedAt ?? 0) >= (a.endedAt ?? 0) ? b : a))
  return `${service}: ${last.reason ?? `exit code ${last.exitCode ?? 'unknown'}`} (${plural(failed.length, 'instance')} failed)`
}

const failureOf = (service: string, instances: readonly Instance[], rollout: Rollout, now: number): string | undefined => {
  const failed = instances.filter(each => each.state === 'failed' && (each.endedAt ?? 0) >= rollout.startedAt)
  if (failed.length === 0) return undefined
  const everRan = instances.some(each => each.runningAt !== undefined)
  const hopeless = !everRan && (failed.length >= hopelessFailuresMax || now >= rollout.startedAt + rolloutPatienceMs)
  return failed.length >= rolloutFailuresMax || hopeless ? failureReason(service, failed) : undefined
}

const lateReason = (service: string, desired: number, instances: readonly Instance[], rollout: Rollout): string => {
  const running = instances.filter(each => each.state === 'running').length
  const waiting = instances.find(each => each.state === 'pending' && each.reason !== undefined)
  const seconds = Math.round((rollout.deadlineAt - rollout.startedAt) / 1_000)
  return `${service}: ${running} of ${desired} running after ${seconds} s${waiting === undefined ? '' : `; ${waiting.reason}`}`
}

/** What becomes of a rollout under way, from the instances of its formation. */
export const decideRollout = (rollout: Rollout, instances: readonly Instance[], now: number): RolloutDecision => {
  const times = [rollout.deadlineAt]
  let late: string | undefined
  for (const [service, desired] of Object.entries(rollout.scale)) {
    const own = instances.filter(each => each.release === rollout.release && each.service === service && each.origin === 'scale')
    const reason = failureOf(service, own, rollout, now)
    if (reason !== undefined) return {outcome: 'fail', reason}
    if (own.some(each => each.state === 'failed')) times.push(rollout.startedAt + rolloutPatienceMs)
    const running = own.filter(each => each.state === 'running')
    if (running.filter(each => servesAt(each) <= now).length >= desired) continue
    late ??= lateReason(service, desired, own, rollout)
    times.push(...running.map(servesAt))
  }
  if (late === undefined) return {outcome: 'finish'}
  if (now >= rollout.deadlineAt) return {outcome: 'fail', reason: late}
  return {outcome: 'wait', at: Math.min(...times.filter(at => at > now))}
}
