// What the store offers about data of services: volumes and backups. Types only.
import type {Backup} from '#shared/domain/backup.ts'
import type {ChoreReport, Fetch, FetchChore} from '#shared/domain/chore.ts'
import type {Volume} from '#shared/domain/volume.ts'
import type {Not, Ok} from './types.ts'

export interface VolumeStore {
  /** Of one formation, whether that still exists or not. */
  readonly list: (formation: string) => Promise<readonly Volume[]>
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

export interface BackupStore {
  /** Newest first; of one formation, whether that still exists or not. */
  readonly list: (formation: string) => Promise<readonly Backup[]>
  /** Of its service, only the newest `keep` stay, this one included. */
  readonly create: (backup: Backup, keep: number) => Promise<Ok | Not<'missing' | 'destroying'>>
  readonly note: (
    formation: string,
    service: string,
    id: string,
    event: 'restored' | 'verified' | 'failed',
    now: number,
  ) => Promise<Ok<{backup: Backup}> | Not<'missing'>>
}
