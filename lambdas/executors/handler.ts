// The executors function on AWS: reads the environment, makes the clients, hands them over. Nobody is held: waiting costs money here.
import {compose} from '#lambdas/aws/compose.ts'
import {createCloudWatchLogs, createLogsClient} from '#lambdas/aws/logs.ts'
import {createKmsBox, createKmsClient, createOutsideClients, createOutsideSecrets} from '#lambdas/aws/secrets.ts'
import {read, readNumber, required} from '#shared/config.ts'
import {drainMsFor} from '#shared/domain/pace.ts'
import {parseJoinRoles} from '#shared/join-proof.ts'
import {createSyncDoor} from './door.ts'
import {createExecutorsFunction} from './index.ts'
import {createAskSts} from './sts.ts'

const {env} = process
const parts = compose('executors', env)
const {stage, now} = parts
const keyId = read(env, 'GILLIAM_SECRET_KEY')
const syncUrl = read(env, 'GILLIAM_SYNC_URL')

export const handler = createExecutorsFunction({
  ...parts,
  secrets: {
    stage,
    outside: createOutsideSecrets({...createOutsideClients(), stage, now}),
    ...(keyId !== '' && {box: createKmsBox({client: createKmsClient(), keyId, now})}),
  },
  logs: createCloudWatchLogs({client: createLogsClient(), group: required(env, 'GILLIAM_LOG_GROUP'), now: Date.now}),
  proofs: {stage, roles: parseJoinRoles(read(env, 'GILLIAM_JOIN_ROLES')), ask: createAskSts(fetch)},
  timing: {busyMs: readNumber(env, 'GILLIAM_SYNC_BUSY_MS', 1_000, 10), idleMs: readNumber(env, 'GILLIAM_SYNC_IDLE_MS', 20_000, 10)},
  terms: {drainMs: drainMsFor(readNumber(env, 'GILLIAM_POLL_IDLE_MS', 10_000, 100)), ...(syncUrl !== '' && {syncUrl})},
})

/** What the function URL calls. */
export const syncs = createSyncDoor(handler)
