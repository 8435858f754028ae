// Requests and responses about backups: of people, and of the agents that make them.
import {z} from 'zod'
import {
  backupEveryMsMax,
  backupEveryMsMin,
  backupReasonCharactersMax,
  backupStates,
  backupsKeptMax,
  dumpBytesMax,
} from '../domain/backup.ts'
import {At, ExecutorName, FormationName, InstanceId, ReleaseNumber, ServiceName, Sha256} from './fields.ts'

const keep = z.int().min(1).max(backupsKeptMax)
const dump = {sha256: Sha256.describe('of the gzipped dump'), bytes: z.int().min(1).max(dumpBytesMax)}

export const BackupSchedule = z
  .strictObject({
    everyMs: z.int().min(backupEveryMsMin).max(backupEveryMsMax),
    keep: keep.describe('good ones that stay, the newest'),
  })
  .meta({id: 'BackupSchedule'})
export const CreateBackup = z
  .strictObject({keep: keep.optional().describe('good ones to keep, this one included; as its schedule says, or 7, by default')})
  .meta({id: 'CreateBackup'})
export const Backup = z
  .strictObject({
    formation: FormationName,
    service: ServiceName,
    id: InstanceId,
    state: z.enum(backupStates).describe('`good`: its agent has reported the dump that the artifact store has'),
    by: z.string().optional().describe('who asked for it; absent: its schedule'),
    release: ReleaseNumber.describe('of the instance'),
    instance: InstanceId.describe('that it is of'),
    executor: ExecutorName,
    createdAt: At,
    endedAt: At.optional(),
    sha256: dump.sha256.optional(),
    bytes: dump.bytes.optional(),
    reason: z.string().optional().describe('why it came to nothing'),
    verified: z.strictObject({at: At, ok: z.boolean()}).optional().describe('what came of the last check'),
    downloadUrl: z.string().optional().describe('where its dump is, for a quarter of an hour'),
  })
  .meta({id: 'BackupView'})
const BackupPlan = z
  .strictObject({
    service: ServiceName,
    ...BackupSchedule.shape,
    dueAt: At.describe('of the next one'),
    waits: z.string().optional().describe('why what is due is not made'),
    failures: z.int().describe('one after the other, up to now'),
    goodAt: At.optional().describe('when the newest good one was begun'),
  })
  .meta({id: 'BackupPlan'})
export const BackupList = z.strictObject({items: z.array(Backup), plans: z.array(BackupPlan)}).meta({id: 'BackupList'})
export const NoteBackup = z
  .strictObject({event: z.enum(['restored', 'verified', 'failed']).describe('`failed`: it was checked, and is not good')})
  .meta({id: 'NoteBackup'})

/** Of a sync. */
export const AssignedBackup = z
  .strictObject({
    id: InstanceId,
    formation: FormationName,
    service: ServiceName,
    instance: InstanceId,
    command: z.string().describe('for a shell; its output is the dump'),
    timeoutMs: z.int().describe('until it has to be reported'),
  })
  .meta({id: 'AssignedBackup'})
export const UploadBackup = z.strictObject(dump).meta({id: 'UploadBackup'})
export const BackupUpload = z
  .strictObject({
    uploadUrl: z.string().describe('takes one PUT of exactly this content'),
    uploadHeaders: z.record(z.string(), z.string()).describe('to send with that PUT, beside content-length'),
  })
  .meta({id: 'BackupUpload'})
export const ReportBackup = z
  .union([z.strictObject(dump), z.strictObject({reason: z.string().min(1).max(backupReasonCharactersMax)})])
  .meta({id: 'ReportBackup'})
