// What the functions need that each home provides in its own way: blobs (S3, files), log lines (CloudWatch, files) and, on AWS alone, a queue of
// wake-ups. Types and limits only.
import type {LogLine} from './domain/assignment.ts'
import type {Dump} from './domain/backup.ts'

/** Where to send a blob, and what to send beside it. */
export interface Upload {
  readonly url: string
  /** Headers of the PUT beside `content-length`; the signature covers them. */
  readonly headers: Readonly<Record<string, string>>
}

/** Slugs by content. */
export interface BlobStore {
  /** A signed PUT of exactly this content; the store refuses any other. */
  readonly upload: (sha256: string, bytes: number) => Promise<Upload>
  /** A signed URL that answers GET without a token. */
  readonly downloadUrl: (sha256: string) => Promise<string>
  /** Its bytes once its content arrived and was verified; undefined before. */
  readonly size: (sha256: string) => Promise<number | undefined>
}

/** Dumps of backups, by name (`dumpName`): reached by their own names only, so that whoever knows a digest does not get one. */
export interface DumpStore {
  /** A signed PUT of exactly this content; the store refuses any other. */
  readonly upload: (name: string, dump: Dump) => Promise<Upload>
  /** A signed URL that answers GET without a token. */
  readonly downloadUrl: (name: string) => Promise<string>
  /** Its bytes once its content arrived and was verified; undefined before. */
  readonly size: (name: string) => Promise<number | undefined>
  /** There is no such dump afterwards. */
  readonly remove: (name: string) => Promise<void>
}

/** How long signed URLs hold, in milliseconds. */
export const signedUrlMs = 15 * 60_000

export interface LogQuery {
  readonly formation: string
  readonly service?: string
  readonly instance?: string
  /** Milliseconds since the epoch; lines at or after it. */
  readonly since?: number
  /** Of an earlier page; lines after it. An unreadable one throws GilliamError invalid_request. */
  readonly cursor?: string
  /** Lines, at most; fewer when they have more than `logPageBytesMax`. With neither `since` nor `cursor`, the newest ones. */
  readonly limit: number
}

/** One page of lines, in bytes as JSON: an answer of a Lambda function has 6 MB at most. The rest comes with the next page. */
export const logPageBytesMax = 4 * 1_048_576

export interface LogPage {
  /** Oldest first. */
  readonly items: readonly Omit<LogLine, 'formation'>[]
  readonly cursor: string
}

export interface LogStore {
  readonly append: (lines: readonly LogLine[]) => Promise<void>
  readonly read: (query: LogQuery) => Promise<LogPage>
}

/** What the queue brings the reconciler. `wake`: the formation to look at, not before `at` (epoch ms). `tick`: look at leases. */
export type WakeMessage = {readonly wake: string; readonly at: number} | {readonly tick: true}

export interface WakeUps {
  /** Of several times asked for, the earliest counts. */
  readonly wakeAt: (formation: string, at: number) => void
  /** One for this formation has come. */
  readonly arrived: (formation: string) => void
  /** Ticks after so many seconds each. */
  readonly tickAfter: (delaysSeconds: readonly number[]) => void
  /** Sends what was asked for; throws when SQS does not take all of it. */
  readonly flush: () => Promise<void>
}

/** What a sealed text is about: it opens with the same only. */
export type SealContext = Readonly<Record<string, string>>

export interface Sealed {
  /** Names the key, or is the data key sealed by another. */
  readonly key: string
  /** base64. */
  readonly nonce: string
  /** base64, with its tag. */
  readonly text: string
}

/** Why a value can not be had, now or later, unless somebody changes something; without the value, and fit to be shown to who deploys. */
export interface Denied {
  readonly denied: string
}

/** Keeps secrets unreadable where they are stored: AWS KMS, or a key file at home. */
export interface SecretBox {
  readonly seal: (text: string, context: SealContext) => Promise<Sealed>
  /** Denied when the key is another one, may not be used, or the text was changed. Throws GilliamError unavailable when the key can not be reached now. */
  readonly open: (sealed: Sealed, context: SealContext) => Promise<string | Denied>
}

/** Values that are kept outside the platform, below a place of the formation's own. */
export interface OutsideSecrets {
  /** Undefined when there is none; denied when it is not given to us. Throws GilliamError unavailable when it can not be told now. */
  readonly read: (store: 'ssm' | 'secretsmanager', formation: string, name: string) => Promise<string | Denied | undefined>
}
