// Backups that are due, and what is left of those that are over: looks at plans whose time has come, decides (shared/domain/backup-plan.ts), and carries it out.
import type {Store} from '#lambdas/store/index.ts'
import type {Backup} from '#shared/domain/backup.ts'
import {dumpName} from '#shared/domain/backup.ts'
import {type BackupPlan, decideBackup, keepOf, runningOf, type Sight} from '#shared/domain/backup-plan.ts'
import type {Instance} from '#shared/domain/instance.ts'
import type {Logger} from '#shared/log.ts'
import type {DumpStore} from '#shared/ports.ts'

export interface BackupDeps {
  readonly store: Store
  readonly now: () => number
  readonly randomId: () => string
  readonly log: Logger
  readonly dumps: Pick<DumpStore, 'remove'>
}

/** Plans and dumps of one look; the others come with the next. */
export const looksMax = 50
const looksAtOnceMax = 8
/** What a look failed at is looked at again after this: those that fail always must not be all that is looked at. */
const againMs = 10 * 60_000

const definitionOf = async ({store}: BackupDeps, formation: string, service: string, instance: Instance | undefined) => {
  const release = instance === undefined ? undefined : await store.releases.get(formation, instance.release)
  return release !== undefined && Object.hasOwn(release.services, service) ? release.services[service] : undefined
}

const sightOf = async (deps: BackupDeps, {formation, service}: BackupPlan): Promise<Sight | undefined> => {
  const view = await deps.store.formations.load(formation)
  if (view === undefined) return undefined
  const instances = view.instances.filter(each => each.service === service)
  return {instances, definition: await definitionOf(deps, formation, service, runningOf(instances)[0])}
}

/** The store, its changes noted as the reconciler’s: nobody asked for them. */
const noting = ({store, now, randomId}: BackupDeps): Store => store.by({name: 'reconciler', requestId: randomId(), now: now()})

const begin = async (deps: BackupDeps, plan: BackupPlan, instance: Instance, sight: Sight | undefined): Promise<void> => {
  const {now, randomId, log} = deps
  const {formation, service} = plan
  const command = sight?.definition?.backup?.dump
  if (instance.executor === undefined || command === undefined) return
  const {id, executor, release} = instance
  const backup: Backup = {formation, service, id: randomId(), state: 'running', release, instance: id, executor, createdAt: now()}
  const {outcome} = await noting(deps).backups.begin(plan, backup, {command, keep: keepOf(plan)})
  log.info({formation, service, backup: backup.id, instance: id, outcome}, 'backup begun')
}

const fail = async (deps: BackupDeps, {formation, service, ongoing}: BackupPlan, reason: string): Promise<void> => {
  if (ongoing === undefined) return
  const {id, executor} = ongoing
  const {outcome} = await noting(deps).backups.end({formation, service, id, executor}, {reason}, deps.now())
  deps.log.warn({formation, service, backup: id, reason, outcome}, 'backup failed')
}

/** Of what is gone for long: some with each look, the plan with the last of them. */
const forget = async ({store, now, log}: BackupDeps, plan: BackupPlan): Promise<void> => {
  const {formation, service} = plan
  const left = (await store.backups.list(formation)).backups.filter(each => each.service === service)
  if (left.length === 0) await store.backups.dropPlan(plan)
  else await store.backups.forget(left, now())
  log.info({formation, service, backups: left.length}, 'backups of what is gone forgotten')
}

const look = async (deps: BackupDeps, plan: BackupPlan): Promise<void> => {
  const sight = await sightOf(deps, plan)
  const decision = decideBackup(plan, sight, deps.now())
  if (decision.kind === 'order') return begin(deps, plan, decision.instance, sight)
  if (decision.kind === 'fail') return fail(deps, plan, decision.reason)
  if (decision.kind === 'forget') return forget(deps, plan)
  await deps.store.backups.looked(decision.plan)
}

const removeDump = async ({store, dumps}: BackupDeps, backup: Backup): Promise<void> => {
  await dumps.remove(dumpName(backup))
  await store.backups.removed(backup)
}

/** One look, and how what it is about is put off when it fails. */
interface Task {
  readonly of: object
  readonly run: () => Promise<void>
  readonly postpone: (at: number) => Promise<unknown>
}

const carryOut = async ({now, log}: BackupDeps, {of, run, postpone}: Task): Promise<void> => {
  try {
    await run()
  } catch (error) {
    log.error({...of, err: error}, 'backup not looked at')
    await postpone(now() + againMs).catch(reason => log.error({...of, err: reason}, 'backup not put off'))
  }
}

/** What is due by now. Idempotent, and any number may run at once: a plan's version lets one of them act. One that fails does not keep the others waiting. */
export const lookAtBackups = async (deps: BackupDeps): Promise<void> => {
  const {backups} = deps.store
  const {plans, leftovers} = await backups.due(deps.now(), looksMax)
  const tasks: Task[] = [
    ...plans.map(plan => ({
      of: {formation: plan.formation, service: plan.service},
      run: () => look(deps, plan),
      postpone: (lookAt: number) => backups.looked({...plan, lookAt}),
    })),
    ...leftovers.map(each => ({
      of: {formation: each.formation, backup: each.id},
      run: () => removeDump(deps, each),
      postpone: (at: number) => backups.postpone(each, at),
    })),
  ]
  for (let at = 0; at < tasks.length; at += looksAtOnceMax) {
    await Promise.all(tasks.slice(at, at + looksAtOnceMax).map(each => carryOut(deps, each)))
  }
}
