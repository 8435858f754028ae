// Desired against actual in one formation: which instances to create and stop, and what becomes of its rollout. Pure: a view in, a plan out.
import {backoffMs} from './backoff.ts'
import type {Draining} from './executor.ts'
import type {DesiredScale, Formation} from './formation.ts'
import {endedInstanceKeptMs, type Instance, type InstanceAddress, isTerminal, isWanted} from './instance.ts'
import {meet, movedReason} from './requires.ts'
import {decideRollout, type Rollout} from './rollout.ts'
import {isMisplaced, ownerOf, type Volume, volumeServices} from './volume.ts'

/** What is decided on. `draining` are executors whose instances are to be replaced elsewhere, by id. */
export interface ReconcileView {
  /** None when absent. */
  readonly volumes?: readonly Volume[]
  readonly formation: Formation
  readonly scales: readonly DesiredScale[]
  readonly rollouts: readonly Rollout[]
  readonly instances: readonly Instance[]
  readonly draining: ReadonlyMap<string, Draining>
}

export interface Creation {
  readonly release: number
  readonly service: string
  readonly count: number
}

export interface Stop {
  readonly id: string
  readonly reason: string
}

/** What an instance waited for runs by now: it can be placed, and told where that is. */
export interface Freed {
  readonly id: string
  readonly given: Readonly<Record<string, InstanceAddress>>
}

export interface Plan {
  readonly create: readonly Creation[]
  readonly stop: readonly Stop[]
  readonly free: readonly Freed[]
  /** The rollout under way serves, or never will. Carry this out first, then plan anew. */
  readonly rollout?: {readonly release: number} & ({readonly outcome: 'finish'} | {readonly outcome: 'fail'; readonly reason: string})
  /** Nothing runs any more in a formation that is being destroyed: remove it. */
  readonly remove: boolean
  /** Nothing else may change before then, yet there will be something to do: epoch ms. */
  readonly retryAt?: number
}

/** Failed instances of a service wait 1 s, 2 s, 4 s … up to 5 min for their replacements. */
export const crashBackoffBaseMs = 1_000
export const crashBackoffMaxMs = 300_000

/** Instances that scale asked for, of one service of one release. */
interface Group {
  readonly release: number
  readonly service: string
  readonly desired: number
  readonly instances: readonly Instance[]
}

interface GroupPlan {
  readonly create: number
  readonly stop: readonly Stop[]
  readonly retryAt?: number
}

/** Text order, for results that do not depend on the order of listings. */
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** With those that an interrupted start of the rollout left unwritten. */
const completeScales = (scales: readonly DesiredScale[], {formation, release, scale}: Rollout): DesiredScale[] => {
  const known = new Set(scales.filter(each => each.release === release).map(each => each.service))
  const missing = Object.entries(scale).filter(([service]) => !known.has(service))
  return [...scales, ...missing.map(([service, desired]) => ({formation, release, service, desired}))]
}

/** The rollout as it is wanted by now: who scales its release meanwhile is not waited for in vain. */
const asScaled = (rollout: Rollout, scales: readonly DesiredScale[]): Rollout => {
  const own = scales.filter(each => each.release === rollout.release && Object.hasOwn(rollout.scale, each.service))
  return {...rollout, scale: Object.fromEntries(own.map(each => [each.service, each.desired]))}
}

const groupsOf = ({scales, instances}: ReconcileView): Group[] => {
  const groups = new Map<string, {release: number; service: string; desired: number; instances: Instance[]}>()
  const group = (release: number, service: string) => {
    const key = `${String(release).padStart(12, '0')} ${service}`
    const found = groups.get(key) ?? {release, service, desired: 0, instances: []}
    groups.set(key, found)
    return found
  }
  for (const {release, service, desired} of scales) group(release, service).desired = desired
  for (const each of instances) if (each.origin === 'scale') group(each.release, each.service).instances.push(each)
  return [...groups].sort(([a], [b]) => byText(a, b)).map(([, found]) => found)
}

/** Those that are missed least come first: not placed yet, then not running yet, then the newest. */
const dispensable = (a: Instance, b: Instance): number => {
  const weight = (each: Instance): number => (each.state === 'pending' ? 0 : each.state === 'running' ? 2 : 1)
  return weight(a) - weight(b) || b.createdAt - a.createdAt || byText(a.id, b.id)
}

/**
 * When the next replacement may be created: after a backoff that grows with the rounds in which the service failed within the last hour. A round is as
 * many failures as it should have instances, so that ten that fail together count as one.
 */
export const nextCreationAt = (instances: readonly Instance[], desired: number, now: number): number => {
  const ends = instances.flatMap(each => (each.state === 'failed' && each.endedAt !== undefined ? [each.endedAt] : []))
  const recent = ends.filter(at => now - at < endedInstanceKeptMs)
  if (recent.length === 0) return 0
  const rounds = Math.ceil(recent.length / Math.max(1, desired))
  return Math.max(...recent) + backoffMs(rounds, crashBackoffBaseMs, crashBackoffMaxMs)
}

const earliest = (times: readonly (number | undefined)[]): {retryAt?: number} => {
  const set = times.filter(at => at !== undefined)
  return set.length === 0 ? {} : {retryAt: Math.min(...set)}
}

/** Why it has to make room for another one like it, when it has. */
const leavingReason = (instance: Instance, view: ReconcileView): string | undefined => {
  const {executor, outdated} = instance
  if (executor === undefined) return undefined
  return view.draining.has(executor) ? `executor ${executor} is draining` : (outdated ?? movedReason(view, instance))
}

/** When it is stopped though nothing replaces it; undefined: not for that. */
const leaveBy = ({executor = ''}: Instance, draining: ReconcileView['draining']): number | undefined => draining.get(executor)?.by

/** Stops of what was to have left a draining executor by now, and when the next is due. */
const planDeadlines = (instances: readonly Instance[], draining: ReconcileView['draining'], now: number): Omit<GroupPlan, 'create'> => {
  const dated = instances.flatMap(each => {
    const by = leaveBy(each, draining)
    return by === undefined ? [] : [{id: each.id, by, reason: `executor ${each.executor} is draining, and was to be empty by now`}]
  })
  const due = dated.filter(({by}) => by <= now)
  const later = dated.filter(({by}) => by > now).map(({by}) => by)
  return {stop: due.map(({id, reason}) => ({id, reason})), ...earliest(later)}
}

/**
 * Live instances never exceed `desired` plus one for each that is to be replaced; those are stopped when their replacements run, or when their executor was
 * to be empty.
 */
const planGroup = (group: Group, view: ReconcileView, now: number): GroupPlan => {
  const {desired} = group
  const wanted = group.instances.filter(each => isWanted(each.state)).sort(dispensable)
  const reasons = new Map(wanted.map(each => [each.id, leavingReason(each, view)]))
  const leaving = wanted.filter(each => reasons.get(each.id) !== undefined)
  const staying = wanted.filter(each => reasons.get(each.id) === undefined)
  const running = staying.filter(each => each.state === 'running').length
  const tooMany = staying.slice(0, Math.max(0, staying.length - desired))
  const overdue = planDeadlines(leaving, view.draining, now)
  const late = new Set(overdue.stop.map(({id}) => id))
  const replaced = leaving.slice(0, Math.max(0, running + leaving.length - desired)).filter(({id}) => !late.has(id))
  const stop = [
    ...tooMany.map(each => ({id: each.id, reason: desired === 0 ? 'not wanted any more' : `scaled to ${desired}`})),
    ...replaced.map(each => ({id: each.id, reason: reasons.get(each.id) ?? 'replaced'})),
    ...overdue.stop,
  ]
  const missing = Math.max(0, desired - staying.length)
  const createAt = missing === 0 ? 0 : nextCreationAt(group.instances, desired, now)
  return createAt > now
    ? {create: 0, stop, ...earliest([createAt, overdue.retryAt])}
    : {create: missing, stop, ...earliest([overdue.retryAt])}
}

/**
 * Of a service with a volume one instance at a time is there, over all releases, ended ones apart: what has to go, goes before another is made, and
 * a rollout takes the volume over.
 */
const planVolume = (group: Group, view: ReconcileView & {readonly volumes: readonly Volume[]}, now: number): GroupPlan => {
  const owner = ownerOf(view, group.service)
  const isOwner = owner === group.release
  const wanted = group.instances.filter(each => isWanted(each.state)).sort(dispensable)
  const reasonOf = (each: Instance, at: number): string | undefined => {
    if (!isOwner) return owner === undefined ? 'not wanted any more' : `release ${owner} takes its volume`
    if (isMisplaced(view, each)) return 'its volume is another one by now'
    return at < wanted.length - 1 ? 'there is one already' : leavingReason(each, view)
  }
  const stop = wanted.flatMap((each, at) => {
    const reason = reasonOf(each, at)
    return reason === undefined ? [] : [{id: each.id, reason}]
  })
  const isTaken = view.instances.some(each => each.service === group.service && !isTerminal(each.state))
  if (!isOwner || isTaken) return {create: 0, stop}
  const createAt = nextCreationAt(group.instances, 1, now)
  return createAt > now ? {create: 0, stop, retryAt: createAt} : {create: 1, stop}
}

/** Nobody makes another in place of what a person spawned: it may stay on a draining executor until that was to be empty. */
const planSpawned = ({instances, draining}: ReconcileView, now: number): GroupPlan => {
  const spawned = instances.filter(each => each.origin === 'spawn' && isWanted(each.state))
  return {create: 0, ...planDeadlines(spawned, draining, now)}
}

/** Instances that waited for others, which run by now. */
const freedOf = (view: ReconcileView): Freed[] =>
  view.instances.flatMap(({id, state, held, needs = {}, release}, turn) => {
    if (held === undefined || state !== 'pending') return []
    const found = meet(view, release, needs, turn)
    return found.met ? [{id, given: found.given}] : []
  })

const planDestruction = ({instances}: ReconcileView): Plan => {
  const left = instances.filter(each => !isTerminal(each.state))
  const stop = left.filter(each => isWanted(each.state)).map(each => ({id: each.id, reason: 'the formation is being destroyed'}))
  return {create: [], stop, free: [], remove: left.length === 0}
}

/** What to do now. Carrying a plan out and planning again ends with an empty plan once the instances have followed. */
export const reconcile = (listed: ReconcileView, now: number): Plan => {
  const rollout = listed.rollouts.find(each => each.state === 'starting')
  const scales = rollout === undefined ? listed.scales : completeScales(listed.scales, rollout)
  const view = {...listed, scales, instances: [...listed.instances].sort((a, b) => byText(a.id, b.id))}
  if (view.formation.state === 'destroying') return planDestruction(view)
  const decision = rollout === undefined ? undefined : decideRollout(asScaled(rollout, scales), view.instances, now)
  const waiting = decision?.outcome === 'wait' ? decision.at : undefined
  if (rollout !== undefined && decision !== undefined && decision.outcome !== 'wait')
    return {create: [], stop: [], free: [], remove: false, rollout: {release: rollout.release, ...decision}}
  const spawned = planSpawned(view, now)
  const withVolumes = {...view, volumes: view.volumes ?? []}
  const alone = volumeServices(withVolumes)
  const planned = groupsOf(view).map(group => ({
    group,
    plan: alone.has(group.service) ? planVolume(group, withVolumes, now) : planGroup(group, view, now),
  }))
  return {
    create: planned.flatMap(({group: {release, service}, plan: {create}}) => (create > 0 ? [{release, service, count: create}] : [])),
    stop: [...planned.flatMap(({plan}) => plan.stop), ...spawned.stop],
    free: freedOf(view),
    remove: false,
    ...earliest([waiting, spawned.retryAt, ...planned.map(({plan}) => plan.retryAt)]),
  }
}
