// Backups of services: how their type makes, restores and checks one, and what is known of each. Pure data and limits.

/** Shell commands, run where the instance's own command runs. A dump goes out on standard output, and comes in on standard input. */
export interface BackupCommands {
  /** Run in the running instance. */
  readonly dump: string
  /** Run in the running instance, whose data it replaces. */
  readonly restore: string
  /** Run in an instance of its own that serves nobody: restores into a scratch place, checks, and ends with 0 when all is there. */
  readonly verify: string
}

export interface Backup {
  readonly formation: string
  readonly service: string
  readonly id: string
  /** The dump, gzipped, in the artifact store. */
  readonly sha256: string
  readonly bytes: number
  readonly release: number
  readonly instance: string
  readonly createdAt: number
  /** What came of the last check. */
  readonly verified?: {readonly at: number; readonly ok: boolean}
}

/** Of one service, unless told otherwise, and at most. */
export const backupsKeptDefault = 7
export const backupsKeptMax = 90
