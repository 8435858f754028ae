// Requests and responses about backups.
import {z} from 'zod'
import {backupsKeptDefault, backupsKeptMax} from '../domain/backup.ts'
import {slugBytesMax} from './artifacts.ts'
import {At, FormationName, InstanceId, ReleaseNumber, ServiceName, Sha256} from './fields.ts'

const dump = {
  sha256: Sha256.describe('of the gzipped dump, in the artifact store'),
  bytes: z.int().min(1).max(slugBytesMax),
  instance: InstanceId.describe('that it is of'),
  release: ReleaseNumber.describe('of that instance'),
}

export const CreateBackup = z
  .strictObject({
    ...dump,
    keep: z.int().min(1).max(backupsKeptMax).default(backupsKeptDefault).describe('backups of the service to keep, this one included'),
  })
  .meta({id: 'CreateBackup'})
export const Backup = z
  .strictObject({
    formation: FormationName,
    service: ServiceName,
    id: InstanceId,
    ...dump,
    createdAt: At,
    verified: z.strictObject({at: At, ok: z.boolean()}).optional().describe('what came of the last check'),
  })
  .meta({id: 'BackupView'})
export const NoteBackup = z
  .strictObject({event: z.enum(['restored', 'verified', 'failed']).describe('`failed`: it was checked, and is not good')})
  .meta({id: 'NoteBackup'})
