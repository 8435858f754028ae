// The named conditions that state changes hang on. A write whose condition does not hold is a lost race: an outcome, not an error.
import type {BackupState} from '#shared/domain/backup.ts'
import type {ExecutorState} from '#shared/domain/executor.ts'
import type {InstanceState} from '#shared/domain/instance.ts'
import {routesMax, routeTableBytesMax} from '#shared/domain/registry.ts'
import type {Resources} from '#shared/domain/release.ts'

/** A DynamoDB condition expression with what it refers to. Placeholders are unique to each condition so that several can be joined. */
export interface Condition {
  readonly text: string
  readonly names?: Readonly<Record<string, string>>
  readonly values?: Readonly<Record<string, unknown>>
}

/** Every one of them. */
export const all = (...conditions: readonly Condition[]): Condition => ({
  text: conditions.map(each => `(${each.text})`).join(' AND '),
  names: Object.assign({}, ...conditions.map(each => each.names)),
  values: Object.assign({}, ...conditions.map(each => each.values)),
})

/** At least one of them. */
export const any = (...conditions: readonly Condition[]): Condition => ({
  ...all(...conditions),
  text: conditions.map(each => `(${each.text})`).join(' OR '),
})

export const exists: Condition = {text: 'attribute_exists(pk)'}
export const notExists: Condition = {text: 'attribute_not_exists(pk)'}

export const formationActive: Condition = {
  text: '#formationState = :active',
  names: {'#formationState': 'state'},
  values: {':active': 'active'},
}
export const formationDestroying: Condition = {...formationActive, values: {':active': 'destroying'}}
export const formationAtVersion = (version: number): Condition => ({
  text: '#version = :version',
  names: {'#version': 'version'},
  values: {':version': version},
})
export const latestReleaseIs = (release: number): Condition => ({text: 'latestRelease = :latest', values: {':latest': release}})
/** Nobody said what another image of the release means since it was read; pins are only ever added. */
export const pinsAre = (count: number): Condition =>
  count === 0 ? {text: 'attribute_exists(pk) AND attribute_not_exists(pins)'} : {text: 'size(pins) = :pins', values: {':pins': count}}

export const rolloutStarting: Condition = {
  text: '#rolloutState = :starting',
  names: {'#rolloutState': 'state'},
  values: {':starting': 'starting'},
}
export const noRolloutStarting: Condition = any(notExists, {...rolloutStarting, text: '#rolloutState <> :starting'})

/** Invariant 1: an instance is assigned at most once, and never moves. */
export const instanceUnassigned: Condition = {
  text: '#instanceState = :pending AND attribute_not_exists(executor)',
  names: {'#instanceState': 'state'},
  values: {':pending': 'pending'},
}
/** The volume is there, on this executor, and no instance has it. */
export const volumeFree = (id: string, executor: string): Condition => ({
  text: 'id = :volume AND executor = :onExecutor AND attribute_not_exists(holder)',
  values: {':volume': id, ':onExecutor': executor},
})
/** No instance has it. */
export const volumeUnheld: Condition = {text: 'attribute_not_exists(holder)'}
/** That instance has it. */
export const volumeHeldBy = (instance: string): Condition => ({text: 'holder = :holder', values: {':holder': instance}})
/** It waits for what it requires. */
export const instanceHeld: Condition = {text: 'attribute_exists(held)'}
/** The instance is still in the state in which it was read, on the same executor. */
export const instanceStill = (state: InstanceState, executor: string): Condition => ({
  text: '#instanceState = :wasState AND executor = :wasExecutor',
  names: {'#instanceState': 'state'},
  values: {':wasState': state, ':wasExecutor': executor},
})
/** It has an executor and is not on its way out. */
export const instanceServing: Condition = {
  text: '#instanceState IN (:assigned, :starting, :running)',
  names: {'#instanceState': 'state'},
  values: {':assigned': 'assigned', ':starting': 'starting', ':running': 'running'},
}
export const notOutdated: Condition = {text: 'attribute_not_exists(outdated)'}
/** Nobody announced or withdrew it since it was read. */
export const announcedIs = (announced: boolean): Condition => ({
  text: announced ? 'announced = :wasAnnounced' : 'attribute_not_exists(announced) OR announced = :wasAnnounced',
  values: {':wasAnnounced': announced},
})

/** No report of a later sync was taken. */
export const reportedBefore = (sequence: number): Condition => ({
  text: 'attribute_not_exists(reportSequence) OR reportSequence < :reportSequence',
  values: {':reportSequence': sequence},
})

/** The report that was taken last is still the one that was read. */
export const reportSequenceIs = (sequence: number): Condition => ({
  text: 'reportSequence = :wasSequence',
  values: {':wasSequence': sequence},
})

/** The executor is ready, as large as it was seen, and `need` and the fixed host ports fit beside what it has by now. */
export const executorHasRoom = (seen: {cpuMilli: number; memoryMib: number}, need: Resources, hostPorts: readonly number[]): Condition => ({
  text: [
    '#executorState = :ready AND cpuMilli = :cpuMilli AND memoryMib = :memoryMib',
    'cpuMilliUsed <= :cpuMilliLeft AND memoryMibUsed <= :memoryMibLeft',
    ...hostPorts.map(port => `NOT contains(hostPorts, :port${port})`),
  ].join(' AND '),
  names: {'#executorState': 'state'},
  values: {
    ':ready': 'ready',
    ':cpuMilli': seen.cpuMilli,
    ':memoryMib': seen.memoryMib,
    ':cpuMilliLeft': seen.cpuMilli - need.cpuMilli,
    ':memoryMibLeft': seen.memoryMib - need.memoryMib,
    ...Object.fromEntries(hostPorts.map(port => [`:port${port}`, port])),
  },
})
export const executorIs = (state: ExecutorState): Condition => ({
  text: '#executorState = :executorState',
  names: {'#executorState': 'state'},
  values: {':executorState': state},
})
/** Nobody changed what is wanted of the executor since it was read. */
export const stateChangedIs = (at: number | undefined): Condition =>
  at === undefined
    ? {text: 'attribute_not_exists(stateChangedAt)'}
    : {text: 'stateChangedAt = :wasChangedAt', values: {':wasChangedAt': at}}
/** What a ring wants is still what was read; undefined: nothing yet. */
export const wishIs = (since: number | undefined): Condition =>
  since === undefined ? notExists : {text: 'since = :wasSince', values: {':wasSince': since}}
/** Nothing is placed on the executor. */
export const executorEmpty: Condition = {text: 'instances = :none', values: {':none': 0}}
/** The executor’s credential is still the one that was read, by the hash of its secret; undefined: it has none. */
export const credentialIs = (tokenHash: string | undefined): Condition =>
  tokenHash === undefined
    ? {text: 'attribute_not_exists(tokenHash)'}
    : {text: 'tokenHash = :wasTokenHash', values: {':wasTokenHash': tokenHash}}
/** The secret that the agent joined with is still the one that was read, by its hash; undefined: it had none. */
export const agentIs = (keyHash: string | undefined): Condition =>
  keyHash === undefined ? {text: 'attribute_not_exists(keyHash)'} : {text: 'keyHash = :wasKeyHash', values: {':wasKeyHash': keyHash}}
/** The token may join one more executor, and is not being revoked. */
export const usesLeft: Condition = {
  text: 'usesLeft > :none AND attribute_not_exists(revokedAt)',
  values: {':none': 0},
}
/** The token exists and is not being revoked. */
export const notRevoked: Condition = {text: 'attribute_exists(pk) AND attribute_not_exists(revokedAt)'}
/** For an executor's item and its lease's: not given up. */
export const executorNotLost: Condition = {
  text: 'attribute_exists(pk) AND #executorState <> :lost',
  names: {'#executorState': 'state'},
  values: {':lost': 'lost'},
}
export const leaseOver = (now: number): Condition => ({text: 'leaseExpiresAt < :now', values: {':now': now}})

/** The executor has not synced since. */
export const leaseStill = (leaseExpiresAt: number): Condition => ({
  text: 'leaseExpiresAt = :wasLease',
  values: {':wasLease': leaseExpiresAt},
})

/** One more route, or one that has so many more bytes, fits into the table. Tables that were never counted count from now on. */
export const routesFit = (routes: number, bytes: number): Condition => ({
  text: [
    '(attribute_not_exists(routes) OR routes <= :routesLeft)',
    '(attribute_not_exists(routeBytes) OR routeBytes <= :routeBytesLeft)',
  ].join(' AND '),
  values: {':routesLeft': routesMax - routes, ':routeBytesLeft': routeTableBytesMax - bytes},
})
/** It is the very chore that is spoken of, and not one that took its place. */
export const choreIs = (id: string): Condition => ({text: 'id = :chore', values: {':chore': id}})

/** No instance of the platform is announced under this name. */
export const notOwned: Condition = {text: 'attribute_not_exists(executor)'}

/** The key is free: never used, its time is over, or whoever began with it never finished. */
export const keyFree = (now: number): Condition => ({
  text: 'attribute_not_exists(pk) OR expiresAt <= :now OR (attribute_not_exists(body) AND lockedUntil <= :now)',
  values: {':now': now},
})

/** Nobody ticked since it was read. */
export const watchedAt = (at: number | undefined): Condition =>
  at === undefined ? notExists : {text: 'lastAt = :lastAt', values: {':lastAt': at}}

/** Nobody changed a backup's plan since it was read; undefined: there was none. */
export const planIs = (version: number | undefined): Condition =>
  version === undefined ? notExists : {text: 'version = :wasPlan', values: {':wasPlan': version}}
/** That very executor is making the backup. */
export const backupRunningOn = (executor: string): Condition => ({
  text: '#backupState = :running AND executor = :onExecutor',
  names: {'#backupState': 'state'},
  values: {':running': 'running', ':onExecutor': executor},
})
export const backupIs = (state: BackupState): Condition => ({
  text: '#backupState = :backupState',
  names: {'#backupState': 'state'},
  values: {':backupState': state},
})
/** No dump was announced, or this one. */
export const dumpIs = (sha256: string, bytes: number): Condition => ({
  text: 'attribute_not_exists(sha256) OR (sha256 = :dumpDigest AND bytes = :dumpBytes)',
  values: {':dumpDigest': sha256, ':dumpBytes': bytes},
})
