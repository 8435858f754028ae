// Dumps of backups: where the agent that was told to make one uploads it, what it reports, and where people download one. An agent gets at its own orders only,
// and writes each dump once.
import type {Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {type BackupOrder, dumpName} from '#shared/domain/backup.ts'
import type {InputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import {type DumpStore, signedUrlMs} from '#shared/ports.ts'

type Named = 'getBackup' | 'uploadBackup' | 'reportBackup'
type Report = InputOf<'reportBackup'>['body']
type Stores = Pick<Store, 'backups'>

const noOrder = (executor: string, id: string): GilliamError =>
  new GilliamError('not_found', `Executor “${executor}” is not making a backup “${id}”: it is over, or another’s.`)

const findOrder = async ({backups}: Stores, executor: string, id: string, now: number): Promise<BackupOrder> => {
  const order = await backups.order(executor, id, now)
  if (order === undefined) throw noOrder(executor, id)
  return order
}

/** What is reported as good is what was announced and has arrived: the store checks digests when it takes what is uploaded. */
const checkArrived = async ({backups}: Stores, dumps: DumpStore, {formation, service, id}: BackupOrder, report: Report): Promise<void> => {
  if ('reason' in report) return
  const backup = await backups.get(formation, service, id)
  if (backup?.sha256 !== report.sha256 || backup.bytes !== report.bytes)
    throw new GilliamError('invalid_request', `Backup “${id}” was announced with another dump than ${report.sha256}.`)
  const bytes = await dumps.size(dumpName({formation, service, id}))
  if (bytes !== report.bytes)
    throw new GilliamError('slug_missing', `The dump of backup “${id}” is not there: ${bytes ?? 'nothing'} of ${report.bytes} bytes.`)
}

export const dumpOperations = (store: Pick<Store, 'backups' | 'by'>, dumps: DumpStore): Pick<Operations<'artifacts'>, Named> => ({
  getBackup: async ({params: {formation, service, backup: id}}) => {
    const backup = await store.backups.get(formation, service, id)
    if (backup === undefined) throw new GilliamError('not_found', `“${service}” of “${formation}” has no backup “${id}”.`)
    const {uploadUntil: _, ...shown} = backup
    return backup.state === 'good' ? {...shown, downloadUrl: await dumps.downloadUrl(dumpName(backup))} : shown
  },
  uploadBackup: async ({params: {executor, backup: id}, body}, {now}) => {
    const order = await findOrder(store, executor, id, now)
    const {outcome} = await store.backups.uploading(order, executor, body, now + signedUrlMs)
    if (outcome === 'missing') throw noOrder(executor, id)
    if (outcome === 'other') throw new GilliamError('conflict', `Backup “${id}” was announced with another dump; each has one.`)
    const {url, headers} = await dumps.upload(dumpName(order), body)
    return {uploadUrl: url, uploadHeaders: headers}
  },
  reportBackup: async ({params: {executor, backup: id}, body}, {now, actor}) => {
    const order = await findOrder(store, executor, id, now)
    await checkArrived(store, dumps, order, body)
    const result = 'reason' in body ? body : {good: body}
    const {outcome} = await store.by(actor).backups.end({...order, executor}, result, now)
    if (outcome === 'missing') throw noOrder(executor, id)
    if (outcome === 'conflict') throw new GilliamError('conflict', `Backup “${id}” could not be noted; report it again.`)
    return undefined
  },
})
