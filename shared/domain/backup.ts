// Backups of services: how their type makes, restores and checks one, what is known of each, and what an agent is told to make. Pure data and limits.

/** Shell commands, run where the instance's own command runs. A dump goes out on standard output, and comes in on standard input. */
export interface BackupCommands {
  /** Run in the running instance. */
  readonly dump: string
  /** Run in the running instance, whose data it replaces. */
  readonly restore: string
  /** Run in an instance of its own that serves nobody: restores into a scratch place, checks, and ends with 0 when all is there. */
  readonly verify: string
}

/** That backups are made by themselves. */
export interface BackupSchedule {
  readonly everyMs: number
  /** Good ones that stay, the newest. */
  readonly keep: number
}

/** A gzipped dump: digest and size. */
export interface Dump {
  readonly sha256: string
  readonly bytes: number
}

/** `good` is what an agent has reported, and the store has; `forgotten` ones are shown to nobody, and removed. */
export const backupStates = ['running', 'good', 'failed'] as const
export type BackupState = (typeof backupStates)[number] | 'forgotten'

export interface Backup extends Partial<Dump> {
  readonly formation: string
  readonly service: string
  readonly id: string
  readonly state: BackupState
  /** Who asked for it; undefined: its schedule. */
  readonly by?: string
  readonly release: number
  readonly instance: string
  readonly executor: string
  readonly createdAt: number
  readonly endedAt?: number
  /** Why it came to nothing. */
  readonly reason?: string
  /** Its dump may be uploaded until then. */
  readonly uploadUntil?: number
  /** What came of the last check. */
  readonly verified?: {readonly at: number; readonly ok: boolean}
}

export type ShownBackup = Backup & {readonly state: Exclude<BackupState, 'forgotten'>}

export const isShown = (backup: Backup): backup is ShownBackup => backup.state !== 'forgotten'

/** What an agent is to make, and how. */
export interface BackupOrder {
  readonly id: string
  readonly formation: string
  readonly service: string
  /** Id. */
  readonly instance: string
  /** For a shell: `dump` of its type. */
  readonly command: string
  readonly until: number
}

/** As an agent is told: how long it has, whatever its clock says. */
export type AssignedBackup = Omit<BackupOrder, 'until'> & {readonly timeoutMs: number}

/** Where a dump is kept, among those of all backups. */
export const dumpName = ({formation, service, id}: Pick<Backup, 'formation' | 'service' | 'id'>): string => `${formation}/${service}/${id}`

/** Of one service, unless told otherwise, and at most. */
export const backupsKeptDefault = 7
export const backupsKeptMax = 100
export const backupEveryMsMin = 15 * 60_000
export const backupEveryMsMax = 30 * 86_400_000
/** A dump and its upload may take so long. */
export const backupMsMax = 3_600_000
/** Gzipped. */
export const dumpBytesMax = 512 * 1_048_576
/** Why one came to nothing, at most. */
export const backupReasonCharactersMax = 512
