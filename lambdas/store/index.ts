// The store's door: makes a store over a table. Functions import this file only.
import {createAgentStore} from './agents.ts'
import {createArtifactStore} from './artifacts.ts'
import {createAuditStore, entryWrite} from './audit.ts'
import {createBackupStore} from './backups.ts'
import {createCapacityStore} from './capacity.ts'
import {createChoreStore} from './chores.ts'
import {createExecutorStore} from './executors.ts'
import {createFormationStore} from './formations.ts'
import {createIdempotencyStore} from './idempotency.ts'
import {createInstanceStore} from './instances.ts'
import {createRegistryStore} from './registry.ts'
import {createReleaseStore} from './releases.ts'
import {createRolloutStore} from './rollouts.ts'
import {createRouteStore} from './routes.ts'
import {createScaleStore} from './scales.ts'
import {createSecretStore} from './secrets.ts'
import {createSessionStore} from './sessions.ts'
import {createStageTypeStore} from './stage-types.ts'
import type {Table} from './table.ts'
import {createTokenStore} from './tokens.ts'
import {createTrafficStore} from './traffic.ts'
import {createTrustStore} from './trusts.ts'
import type {Store} from './types.ts'
import {createVolumeStore} from './volumes.ts'
import {createWatchStore} from './watch.ts'

export {ringsMax} from './agents.ts'
export {auditKeptMs} from './audit.ts'
export {createClient, createTable} from './create-table.ts'
export {credentialOverlapMs} from './credentials.ts'
export {idempotencyKeptMs, idempotencyLockMs} from './idempotency.ts'
export {createInstancesMax} from './instances.ts'
export {releaseBytesMax} from './releases.ts'
export {secretsMax} from './secrets.ts'
export {stageTypesMax} from './stage-types.ts'
export {lastUseEveryMs, revokedListedMax, tokenChildrenMax, tokenDepthMax} from './tokens.ts'
export {trustsMax} from './trusts.ts'
export type * from './types.ts'

const storeOver = (table: Table): Store => {
  const routes = createRouteStore(table)
  return {
    by: actor => storeOver({...table, noting: deed => entryWrite(actor, deed)}),
    formations: createFormationStore(table, routes),
    releases: createReleaseStore(table),
    scales: createScaleStore(table),
    rollouts: createRolloutStore(table),
    instances: createInstanceStore(table),
    executors: createExecutorStore(table),
    sessions: createSessionStore(table),
    registry: createRegistryStore(table),
    traffic: createTrafficStore(table),
    routes,
    tokens: createTokenStore(table),
    trusts: createTrustStore(table),
    stageTypes: createStageTypeStore(table),
    secrets: createSecretStore(table),
    artifacts: createArtifactStore(table),
    agents: createAgentStore(table),
    idempotency: createIdempotencyStore(table),
    volumes: createVolumeStore(table),
    chores: createChoreStore(table),
    backups: createBackupStore(table),
    watch: createWatchStore(table),
    capacity: createCapacityStore(table),
    audit: createAuditStore(table),
  }
}

/** Every question and state change over one table. Make `client` with `createClient`, which leaves out what is undefined. `wait`: see Table. */
export const createStore = ({client, table, wait}: {client: Table['client']; table: string; wait?: Table['wait']}): Store =>
  storeOver({client, name: table, ...(wait !== undefined && {wait})})
