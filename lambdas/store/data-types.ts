// What the store offers about data of services: volumes and backups. Types only.
import type {Backup, BackupOrder, BackupSchedule, Dump, ShownBackup} from '#shared/domain/backup.ts'
import type {BackupPlan} from '#shared/domain/backup-plan.ts'
import type {ChoreReport, Fetch, FetchChore} from '#shared/domain/chore.ts'
import type {DoomedVolume, Volume} from '#shared/domain/volume.ts'
import type {Not, Ok} from './types.ts'

export interface VolumeStore {
  /** Of one formation, whether that still exists or not. */
  readonly list: (formation: string) => Promise<readonly Volume[]>
  /** Those whose data was to be removed, and is not yet. */
  readonly doomed: (formation: string, now: number) => Promise<readonly DoomedVolume[]>
  /** Gives it up: the next instance begins with another one. Its data stays where it is. `held`: an instance has it. */
  readonly release: (formation: string, service: string) => Promise<Not<'ok' | 'missing' | 'held'>>
  /** The same, and its executor's agent is told to remove the data. `gone`: that executor is lost or forgotten, and nothing was changed. */
  readonly remove: (formation: string, service: string, now: number) => Promise<Ok<{volume: Volume}> | Not<'missing' | 'held' | 'gone'>>
}

export interface ChoreStore {
  /** Has an executor's agent told with its next sync what to fetch, in place of what it was to fetch of the formation before. */
  readonly orderFetch: (executor: string, chore: FetchChore, now: number) => Promise<Not<'ok' | 'lost'>>
  /** Nothing happens when the chore is not the executor's any more. */
  readonly report: (executor: string, report: ChoreReport) => Promise<void>
  /** How the release is fetched on those executors that were asked to. */
  readonly fetches: (formation: string, release: number, executors: readonly string[]) => Promise<readonly Fetch[]>
}

/** What is to be looked at by now: plans, and backups whose dumps are to be removed. */
export interface DueBackups {
  readonly plans: readonly BackupPlan[]
  readonly leftovers: readonly Backup[]
}

export interface BackupStore {
  /** Newest first, with the plans of its services; of one formation, whether that still exists or not. */
  readonly list: (formation: string) => Promise<{readonly backups: readonly ShownBackup[]; readonly plans: readonly BackupPlan[]}>
  /** Unless it was forgotten. */
  readonly get: (formation: string, service: string, id: string) => Promise<ShownBackup | undefined>
  readonly plan: (formation: string, service: string) => Promise<BackupPlan | undefined>
  /** At most `limit` of them, those that waited longest; may lag a moment behind. */
  readonly due: (now: number, limit: number) => Promise<DueBackups>
  /** What a release that is begun to be run says. Who loses a race to change it leaves it to the other. */
  readonly reschedule: (formation: string, service: string, schedule: BackupSchedule | undefined, now: number) => Promise<void>
  /** Notes what a look has found. `conflict`: it was changed meanwhile. */
  readonly looked: (plan: BackupPlan) => Promise<Not<'ok' | 'conflict'>>
  /**
   * Begins a backup, and has the agent told with its next sync. `plan` as it was read, undefined for a service without. `conflict`: another was begun, or the
   * plan changed. `lost`: nobody would hear.
   */
  readonly begin: (
    plan: BackupPlan | undefined,
    backup: Backup,
    order: {readonly command: string; readonly keep: number},
  ) => Promise<Not<'ok' | 'conflict' | 'lost' | 'missing' | 'destroying'>>
  /** What an executor was told to make; undefined when that is over, or another's. */
  readonly order: (executor: string, id: string, now: number) => Promise<BackupOrder | undefined>
  /** Its agent is about to upload this dump. `other`: it had announced another one. `missing`: it is over. */
  readonly uploading: (order: BackupOrder, executor: string, dump: Dump, until: number) => Promise<Not<'ok' | 'other' | 'missing'>>
  /** Over, one way or the other: `good` is the dump that the store has. Forgets what is kept no longer. `missing`: it was over already. */
  readonly end: (
    of: Pick<Backup, 'formation' | 'service' | 'id' | 'executor'>,
    result: {readonly good: Dump} | {readonly reason: string},
    now: number,
  ) => Promise<Not<'ok' | 'missing' | 'conflict'>>
  /** Shown no more; their dumps are removed with the next look. */
  readonly forget: (backups: readonly Backup[], now: number) => Promise<void>
  /** By somebody. `running`: it is being made. */
  readonly delete: (formation: string, service: string, id: string, now: number) => Promise<Not<'ok' | 'missing' | 'running'>>
  /** Its dump is removed: a forgotten one is no more, and of a failed one nothing is left to remove. */
  readonly removed: (backup: Backup) => Promise<void>
  /** Its dump could not be removed: it is looked at again at `at`, and not in the way of others before. */
  readonly postpone: (backup: Backup, at: number) => Promise<void>
  /** With the last backup of what is gone. */
  readonly dropPlan: (plan: BackupPlan) => Promise<void>
  readonly note: (
    formation: string,
    service: string,
    id: string,
    event: 'restored' | 'verified' | 'failed',
    now: number,
  ) => Promise<Ok<{backup: ShownBackup}> | Not<'missing'>>
}
