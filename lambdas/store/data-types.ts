// What the store offers about data of services: volumes and backups. Types only.
import type {Backup} from '#shared/domain/backup.ts'
import type {Volume} from '#shared/domain/volume.ts'
import type {Not, Ok} from './types.ts'

export interface VolumeStore {
  /** Of one formation, whether that still exists or not. */
  readonly list: (formation: string) => Promise<readonly Volume[]>
  /** Gives it up: the next instance begins with another one. Its data stays where it is. `held`: an instance has it. */
  readonly release: (formation: string, service: string) => Promise<Not<'ok' | 'missing' | 'held'>>
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
