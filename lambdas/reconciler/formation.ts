// One formation: load, decide, commit; again when another reconciler or a user was faster.
import {createInstancesMax, type FormationView, type Store} from '#lambdas/store/index.ts'
import {avoidedOf} from '#shared/domain/avoid.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {type Creation, type Freed, type Plan, type ReconcileView, reconcile, type Stop} from '#shared/domain/reconcile.ts'
import {type Release, runtimeOf, type ServiceDefinition} from '#shared/domain/release.ts'
import {meet, type Neighbours, needsOf, waitingReason} from '#shared/domain/requires.ts'
import {noVolumesLabel} from '#shared/domain/volume.ts'
import type {Logger} from '#shared/log.ts'
import type {DumpStore} from '#shared/ports.ts'

export interface ReconcilerDeps {
  readonly store: Store
  readonly now: () => number
  /** Ids of new instances. */
  readonly randomId: () => string
  readonly log: Logger
  /** Asks to be called with `{wake: formation}` at `at` (epoch ms) or a little later. Waking too often is harmless. */
  readonly wakeAt: (formation: string, at: number) => void
  readonly dumps: Pick<DumpStore, 'remove'>
  /** How often a tick looks at every formation. */
  readonly everythingEveryMs?: number
  /** How often a tick looks at backups. */
  readonly backupsEveryMs?: number
}

interface Fresh {
  readonly id: string
  /** Which one of those that are made together. */
  readonly turn: number
  readonly now: number
}

/** Plans made before the rest is left to the next event: each lost race is one. */
const plansMax = 20
const writesAtOnceMax = 8
const retryAfterMs = 1_000

/** What it requires, and where that is; or that it waits for it. */
const requiring = (release: Release, service: string, view: Neighbours, turn: number): Partial<Instance> => {
  const needs = needsOf(release, service)
  if (needs === undefined) return {}
  const found = meet(view, release.release, needs, turn)
  return found.met ? {needs, given: found.given} : {needs, held: found.waitsFor.join(', '), reason: waitingReason(found.waitsFor)}
}

/** Its volume, and the executor that has it: it goes nowhere else. A new one goes where there can be volumes. */
const storing = ({volume, requirements}: ServiceDefinition, service: string, {volumes}: FormationView): Partial<Instance> => {
  if (volume === undefined) return {}
  const there = volumes.find(each => each.service === service)
  if (there === undefined) return {volume: {}, requirements: [...requirements, `!(${JSON.stringify(noVolumesLabel)} in executor.labels)`]}
  const {id, executor} = there
  return {volume: {id, executor}, requirements: [...requirements, `executor.id == ${JSON.stringify(executor)}`]}
}

const newInstance = (release: Release, service: string, {id, turn, now}: Fresh, view: FormationView): Instance | undefined => {
  const definition = release.services[service]
  if (definition === undefined) return undefined
  const avoid = avoidedOf(view.instances, {service, release: release.release}, now)
  return {
    formation: release.formation,
    service,
    id,
    release: release.release,
    origin: 'scale',
    state: 'pending',
    resources: definition.resources,
    runtime: runtimeOf(definition),
    requirements: definition.requirements,
    ...(definition.rank !== undefined && {rank: definition.rank}),
    ports: definition.ports,
    ...requiring(release, service, view, turn),
    ...storing(definition, service, view),
    ...(avoid.length > 0 && {avoid}),
    ...(definition.onLost !== undefined && {onLost: definition.onLost}),
    restarts: 0,
    createdAt: now,
    updatedAt: now,
  }
}

/** How the services that get instances are backed up from now on. */
const reschedule = async ({store, now}: ReconcilerDeps, release: Release, services: ReadonlySet<string>): Promise<void> => {
  for (const service of services) {
    const {backup, backupSchedule} = release.services[service] ?? {}
    if (backup !== undefined) await store.backups.reschedule(release.formation, service, backupSchedule, now())
  }
}

const newInstances = async (deps: ReconcilerDeps, view: FormationView, creations: readonly Creation[]): Promise<Instance[]> => {
  const {name: formation} = view.formation
  const numbers = [...new Set(creations.map(each => each.release))]
  const found = await Promise.all(numbers.map(number => deps.store.releases.get(formation, number)))
  const releases = new Map(found.flatMap(release => (release === undefined ? [] : [[release.release, release]])))
  for (const release of releases.values())
    await reschedule(deps, release, new Set(creations.filter(each => each.release === release.release).map(each => each.service)))
  const now = deps.now()
  return creations.flatMap(({release: number, service, count}) => {
    const release = releases.get(number)
    const made = Array.from({length: count}, (_, turn) => release && newInstance(release, service, {id: deps.randomId(), turn, now}, view))
    if (made[0] === undefined) deps.log.warn({formation, release: number, service}, 'scale names a service that its release does not have')
    return made.filter(each => each !== undefined)
  })
}

type Progress = 'done' | 'again'

const endRollout = async (
  {store, now, log}: ReconcilerDeps,
  formation: string,
  rollout: NonNullable<Plan['rollout']>,
): Promise<Progress> => {
  const {release} = rollout
  const ended =
    rollout.outcome === 'finish'
      ? await store.rollouts.finish(formation, release, now())
      : await store.rollouts.fail(formation, release, rollout.reason, now())
  log.info({formation, ...rollout, ended: ended.outcome}, 'rollout ended')
  return 'again'
}

const create = async (deps: ReconcilerDeps, view: FormationView, plan: Plan): Promise<Progress> => {
  const {name} = view.formation
  const instances = await newInstances(deps, view, plan.create)
  let {version} = view.formation
  for (let at = 0; at < instances.length; at += createInstancesMax) {
    const some = instances.slice(at, at + createInstancesMax)
    const created = await deps.store.instances.create(name, version, some)
    if (created.outcome !== 'ok') return 'again'
    version = created.version
    deps.log.info({formation: name, instances: some.map(each => `${each.service}.${each.id}`)}, 'instances created')
  }
  return 'done'
}

const free = async ({store, now, log}: ReconcilerDeps, formation: string, {id, given}: Freed): Promise<void> => {
  const {outcome} = await store.instances.free(formation, id, given, now())
  log.info({formation, instance: id, outcome}, 'what it waited for runs')
}

const stop = async ({store, now, log}: ReconcilerDeps, formation: string, {id, reason}: Stop): Promise<void> => {
  const {outcome} = await store.instances.requestStop(formation, id, reason, now())
  log.info({formation, instance: id, reason, outcome}, 'instance stopped')
}

const carryOut = async (deps: ReconcilerDeps, view: FormationView, plan: Plan): Promise<Progress> => {
  const {store} = deps
  const {name} = view.formation
  if (plan.rollout !== undefined) return endRollout(deps, name, plan.rollout)
  const created = await create(deps, view, plan)
  for (let at = 0; at < plan.stop.length; at += writesAtOnceMax) {
    await Promise.all(plan.stop.slice(at, at + writesAtOnceMax).map(each => stop(deps, name, each)))
  }
  for (let at = 0; at < plan.free.length; at += writesAtOnceMax) {
    await Promise.all(plan.free.slice(at, at + writesAtOnceMax).map(each => free(deps, name, each)))
  }
  if (plan.remove) {
    const removed = await store.formations.remove(name)
    deps.log.info({formation: name, outcome: removed.outcome}, 'formation removed')
    if (removed.outcome === 'conflict') return 'again'
  }
  return created
}

/** Brings one formation a step nearer to what is desired. Two at once are harmless: the formation's version lets one of them create. */
export const reconcileFormation = async (deps: ReconcilerDeps, formation: string, draining: ReconcileView['draining']): Promise<void> => {
  for (let plans = 0; plans < plansMax; plans++) {
    const view = await deps.store.formations.load(formation)
    if (view === undefined) return
    const plan = reconcile({...view, draining}, deps.now())
    if ((await carryOut(deps, view, plan)) === 'again') continue
    if (plan.retryAt !== undefined) deps.wakeAt(formation, plan.retryAt)
    return
  }
  deps.wakeAt(formation, deps.now() + retryAfterMs)
}
