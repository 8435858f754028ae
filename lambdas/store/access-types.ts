// What the store offers about access: tokens, trusts, keys of repeated requests, slugs, the audit. Types only.
import type {Sealed} from '#shared/ports.ts'
import type {Principal, Rights, Scope, Verb} from '#shared/scopes.ts'
import type {Not, Ok} from './types.ts'

export interface NewToken extends Rights {
  readonly name: string
  readonly ttlMs: number
}

export interface TokenRecord extends Omit<NewToken, 'ttlMs'> {
  /** 16 hexadecimal digits. */
  readonly id: string
  /** Id of the token it was made with, when it goes with that one. */
  readonly parent?: string
  /** Name of the trust it was given under, and goes with. */
  readonly trust?: string
  readonly createdAt: number
  readonly expiresAt: number
  /** Of `uses`: executors that may still join with it. */
  readonly usesLeft?: number
  /** Written at most every `lastUseEveryMs`. */
  readonly lastUsedAt?: number
}

/** With its secret, this once. */
export interface NewTokenRecord extends TokenRecord {
  readonly token: string
}

/** A token that was revoked, and when. */
export interface RevokedToken {
  readonly id: string
  readonly at: number
}

export interface TokenStore {
  /** `token` is the secret, `gil_<scope>_<43 characters>`; only its SHA-256 is stored. */
  readonly create: (token: NewToken, now: number) => Promise<NewTokenRecord>
  /**
   * A token that goes when `parent` does: by its end, or with it when it is revoked. `missing`: the parent was revoked meanwhile. `full`: it has made
   * `tokenChildrenMax` that have not ended, or is itself `tokenDepthMax` makers away from the first.
   */
  readonly createChild: (
    token: NewToken,
    parent: Pick<Principal, 'tokenId' | 'hash' | 'expiresAt'>,
    now: number,
  ) => Promise<Ok<{created: NewTokenRecord}> | Not<'missing' | 'full'>>
  /**
   * The credential of an executor that has joined: in the same step those it had before are removed, so that of many made at once the last one holds.
   * `missing`: it was forgotten, or never joined.
   */
  readonly createForExecutor: (
    executor: string,
    ttlMs: number,
    now: number,
  ) => Promise<Ok<{created: NewTokenRecord}> | Not<'missing' | 'conflict'>>
  /**
   * The next credential of an executor, for the one whose hash is `presented`; that one ends `credentialOverlapMs` later, so that an answer may be lost. One
   * that was made for it before, and lost, is removed. `missing`: what was presented was revoked, or replaced longer ago.
   */
  readonly renewForExecutor: (
    executor: string,
    presented: string,
    ttlMs: number,
    now: number,
  ) => Promise<Ok<{created: NewTokenRecord}> | Not<'missing' | 'conflict'>>
  /**
   * A token given under a trust for an id token, which `used` names and which is taken once. `missing`: the trust was removed. `replayed`: the id token was
   * taken before.
   */
  readonly createUnder: (
    token: NewToken & {readonly trust: string},
    used: {readonly hash: string; readonly until: number},
    now: number,
  ) => Promise<Ok<{created: NewTokenRecord}> | Not<'missing' | 'replayed'>>
  /** Who holds this secret; undefined when unknown, ended or revoked. Notes now and then that it was used. */
  readonly authenticate: (secret: string, now: number) => Promise<Principal | undefined>
  /** Adds to a token's requests within a window that ends at `endsAt`; answers how many they are. */
  readonly countRequests: (id: string, window: number, requests: number, endsAt: number) => Promise<number>
  /** Those that have not ended, newest first. */
  readonly list: (now: number) => Promise<readonly TokenRecord[]>
  /** Those revoked at or after a time, as long as a session may last, oldest first; at most a thousand. */
  readonly revokedSince: (since: number) => Promise<readonly RevokedToken[]>
  /** With all that were made with it; one credential of an executor with all of that executor. Holds from the next request on. */
  readonly revoke: (id: string, now: number) => Promise<Ok | Not<'missing'>>
}

export interface SecretRecord {
  readonly name: string
  /** 1 when it was set first. */
  readonly version: number
  readonly updatedAt: number
  /** Name of the token. */
  readonly updatedBy: string
}

export interface SecretStore {
  /** By name, without what is sealed. */
  readonly list: (formation: string) => Promise<readonly SecretRecord[]>
  /** `full`: the formation has `secretsMax`. */
  readonly set: (
    formation: string,
    name: string,
    sealed: Sealed,
    updatedBy: string,
    now: number,
  ) => Promise<Ok<{secret: SecretRecord}> | Not<'missing' | 'destroying' | 'full'>>
  readonly sealed: (formation: string, name: string) => Promise<Sealed | undefined>
  readonly delete: (formation: string, name: string) => Promise<Not<'ok' | 'missing'>>
}

/** Whoever shows an id token of this issuer, for this audience, with these claims, gets these rights for a while. */
export interface Trust {
  readonly name: string
  readonly issuer: string
  readonly audience: string
  /** By name; `*` at the end of a value stands for anything. */
  readonly claims: Readonly<Record<string, string>>
  readonly verbs: readonly Verb[]
  readonly formations?: readonly string[]
  readonly ttlSeconds: number
  /** People log in by it. */
  readonly login: boolean
  readonly createdAt: number
}

export interface TrustStore {
  /** By name. */
  readonly list: () => Promise<readonly Trust[]>
  /** `full`: there are `trustsMax`. */
  readonly create: (trust: Trust) => Promise<Not<'ok' | 'exists' | 'full'>>
  /** With every token that was given under it. */
  readonly delete: (name: string, now: number) => Promise<Ok | Not<'missing'>>
}

/** The file of a type of backing services that the stage adds. */
export interface StageType {
  readonly name: string
  readonly text: string
  readonly sha256: string
  readonly updatedAt: number
}

export interface StageTypeStore {
  /** By name. */
  readonly list: () => Promise<readonly StageType[]>
  readonly get: (name: string) => Promise<StageType | undefined>
  /** Adds or replaces it. `full`: there are `stageTypesMax`. */
  readonly set: (type: StageType) => Promise<Not<'ok' | 'full'>>
  readonly delete: (name: string) => Promise<Not<'ok' | 'missing'>>
}

export interface ArtifactRecord {
  readonly sha256: string
  readonly bytes: number
  /** Whether its content arrived and was verified. */
  readonly stored: boolean
  readonly createdAt: number
}

export interface ArtifactStore {
  readonly put: (artifact: ArtifactRecord) => Promise<void>
  readonly get: (sha256: string) => Promise<ArtifactRecord | undefined>
}

/** The answer a repeated request gets again. */
export interface StoredResponse {
  readonly status: number
  readonly body: string
}

export interface IdempotencyStore {
  /** `fingerprint` is a digest of what is asked: the same key with another one is a `mismatch`. An unfinished begin blocks for `idempotencyLockMs`. */
  readonly begin: (
    tokenId: string,
    key: string,
    fingerprint: string,
    now: number,
  ) => Promise<Not<'started' | 'in_progress' | 'mismatch'> | {readonly outcome: 'finished'; readonly response: StoredResponse}>
  readonly finish: (tokenId: string, key: string, response: StoredResponse, now: number) => Promise<void>
  /** The request failed: the key may be used again at once. */
  readonly abandon: (tokenId: string, key: string) => Promise<void>
}

/** On whose behalf a change is made. */
export interface Actor {
  /** Name of the token, or who was let in by a trust. */
  readonly name: string
  readonly scope?: Scope
  /** Id of the token. */
  readonly token?: string
  readonly requestId: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

export interface AuditEntry {
  readonly id: string
  readonly at: number
  readonly who: Omit<Actor, 'requestId' | 'now'>
  /** `scale.set` */
  readonly action: string
  readonly formation?: string
  readonly what: string
  /** As it was read just before the change. */
  readonly from?: unknown
  readonly to?: unknown
  readonly requestId: string
}

export interface AuditQuery {
  /** All of the stage without it. */
  readonly formation?: string
  /** Milliseconds since the epoch, both included. */
  readonly since?: number
  readonly until?: number
  /** Of an earlier page; entries before it. */
  readonly cursor?: string
  readonly limit: number
}

export interface AuditStore {
  /** With which a list goes on after this entry. */
  readonly cursorOf: (entry: Pick<AuditEntry, 'at' | 'id'>) => string
  /** Newest first. `cursor` when there is more. */
  readonly list: (query: AuditQuery, now: number) => Promise<{readonly items: readonly AuditEntry[]; readonly cursor?: string}>
}
