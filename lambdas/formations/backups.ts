// Backups: asked for, listed, noted and deleted. Agents make them (lambdas/artifacts/dumps.ts); those of a schedule are begun by the reconciler.
import {findActive} from '#lambdas/middleware/formation.ts'
import type {Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {Backup, ShownBackup} from '#shared/domain/backup.ts'
import {type BackupPlan, keepOf, runningOf, whyNot} from '#shared/domain/backup-plan.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {GilliamError} from '#shared/errors.ts'
import {checkServices, findRelease, refusalOf, serviceOf, tryAgain} from './found.ts'

type Named = 'listBackups' | 'createBackup' | 'noteBackup' | 'deleteBackup'

interface BackupDeps {
  readonly store: Store
  readonly randomId: () => string
}

const noBackup = (formation: string, service: string, id: string): GilliamError =>
  new GilliamError('not_found', `“${service}” of “${formation}” has no backup “${id}”.`)

const present = ({uploadUntil: _, ...backup}: ShownBackup) => backup

const presentPlan = ({service, schedule, dueAt, waits, failures}: BackupPlan, backups: readonly Backup[]) => {
  if (schedule === undefined || dueAt === undefined) return []
  const goodAt = backups.find(each => each.service === service && each.state === 'good')?.createdAt
  return [{service, ...schedule, dueAt, failures, ...(waits !== undefined && {waits}), ...(goodAt !== undefined && {goodAt})}]
}

/** The one instance that has the data; throws conflict when it is not exactly one, invalid_request when there is no such service. */
const findInstance = async (store: Store, formation: string, service: string): Promise<Instance & {readonly executor: string}> => {
  const running = runningOf(await store.instances.list(formation)).filter(each => each.service === service)
  if (running.length === 0) checkServices(await findRelease(store, formation), [service], '')
  const why = whyNot(running)
  const [instance] = running
  if (why !== undefined || instance?.executor === undefined)
    throw new GilliamError('conflict', `“${service}” can not be backed up: ${why}.`)
  return {...instance, executor: instance.executor}
}

const findCommands = async (store: Store, {formation, service, release: number}: Instance) => {
  const definition = serviceOf(await findRelease(store, formation, number), service)
  if (definition?.backup !== undefined) return definition.backup
  throw new GilliamError(
    'invalid_request',
    `Nothing says how “${service}” is backed up: it has no type, or its type has no \`backup\` (docs/auxiliaries.md).`,
  )
}

const checkBegun = ({formation, service, executor}: Backup, outcome: Awaited<ReturnType<Store['backups']['begin']>>['outcome']): void => {
  if (outcome === 'ok') return
  if (outcome === 'conflict') throw tryAgain(`The plan of backups of “${service}”`)
  if (outcome === 'lost') throw new GilliamError('executor_lost', `Executor “${executor}” is lost, or unknown: nobody is there to make it.`)
  throw refusalOf(formation, outcome)
}

export const backupOperations = ({store, randomId}: BackupDeps): Pick<Operations<'formations'>, Named> => ({
  // Also of a formation that was destroyed: its dumps are still there.
  listBackups: async ({params}) => {
    const {backups, plans} = await store.backups.list(params.formation)
    return {items: backups.map(present), plans: plans.flatMap(plan => presentPlan(plan, backups))}
  },
  createBackup: async ({params: {formation, service}, body: {keep}}, {actor, now}) => {
    await findActive(store, formation)
    const instance = await findInstance(store, formation, service)
    const {dump: command} = await findCommands(store, instance)
    const plan = await store.backups.plan(formation, service)
    if (plan?.ongoing !== undefined)
      throw new GilliamError('conflict', `Backup ${plan.ongoing.id} of “${service}” is being made; \`gilliam backup list\` shows it.`)
    const {id, executor, release} = instance
    const made = {formation, service, id: randomId(), state: 'running', by: actor.name, release, instance: id, executor} as const
    const backup: ShownBackup = {...made, createdAt: now}
    const {outcome} = await store.by(actor).backups.begin(plan, backup, {command, keep: keep ?? keepOf(plan)})
    checkBegun(backup, outcome)
    return present(backup)
  },
  noteBackup: async ({params: {formation, service, backup: id}, body: {event}}, {actor, now}) => {
    const noted = await store.by(actor).backups.note(formation, service, id, event, now)
    if (noted.outcome === 'missing') throw noBackup(formation, service, id)
    return present(noted.backup)
  },
  deleteBackup: async ({params: {formation, service, backup: id}}, {actor, now}) => {
    const {outcome} = await store.by(actor).backups.delete(formation, service, id, now)
    if (outcome === 'missing') throw noBackup(formation, service, id)
    if (outcome === 'running') throw new GilliamError('conflict', `Backup “${id}” is being made; it can be deleted when it is over.`)
    return undefined
  },
})
