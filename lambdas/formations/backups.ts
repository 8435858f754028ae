// Backups: what is known of them is noted and listed. Who makes one runs the commands of its type, and uploads the dump.
import {findFormation} from '#lambdas/middleware/formation.ts'
import {findSlug, type Slugs} from '#lambdas/middleware/slugs.ts'
import type {Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {Backup} from '#shared/domain/backup.ts'
import {GilliamError} from '#shared/errors.ts'
import {findRelease, refusalOf, serviceOf} from './found.ts'

type Named = 'listBackups' | 'createBackup' | 'noteBackup'

interface BackupDeps {
  readonly store: Store
  readonly blobs: Slugs['blobs']
  readonly randomId: () => string
}

export const backupOperations = ({store, blobs, randomId}: BackupDeps): Pick<Operations<'formations'>, Named> => ({
  // Also of a formation that was destroyed: its dumps are still there.
  listBackups: async ({params}) => ({items: await store.backups.list(params.formation)}),
  createBackup: async ({params: {formation, service}, body: {keep, ...dump}}, {actor, now}) => {
    await findFormation(store, formation)
    const release = await findRelease(store, formation, dump.release)
    if (serviceOf(release, service)?.backup === undefined)
      throw new GilliamError('invalid_request', `“${service}” of release ${dump.release} has no type that says how it is backed up.`)
    const stored = await findSlug({store, blobs}, dump.sha256, now)
    if (stored?.bytes !== dump.bytes)
      throw new GilliamError(
        'slug_missing',
        `A dump ${dump.sha256} of ${dump.bytes} bytes was not uploaded; POST /v1/artifacts tells where to.`,
      )
    const backup: Backup = {formation, service, id: randomId(), ...dump, createdAt: now}
    const {outcome} = await store.by(actor).backups.create(backup, keep)
    if (outcome !== 'ok') throw refusalOf(formation, outcome)
    return backup
  },
  noteBackup: async ({params: {formation, service, backup: id}, body: {event}}, {actor, now}) => {
    const noted = await store.by(actor).backups.note(formation, service, id, event, now)
    if (noted.outcome === 'missing') throw new GilliamError('not_found', `“${service}” of “${formation}” has no backup “${id}”.`)
    return noted.backup
  },
})
