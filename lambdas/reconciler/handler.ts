// The reconciler on AWS: its environment, clients and entry.
import {createBlobClient, createS3Dumps} from '#lambdas/aws/blobs.ts'
import {compose} from '#lambdas/aws/compose.ts'
import {createWakeUpClient, createWakeUps} from '#lambdas/aws/wake-ups.ts'
import {required} from '#shared/config.ts'
import {randomId} from '#shared/ids.ts'
import {createReconcilerHandler} from './calls.ts'
import {createReconcilerFunction} from './index.ts'

const {env} = process
const {store, log, now} = compose('reconciler', env)
const dumps = createS3Dumps({client: createBlobClient(), bucket: required(env, 'GILLIAM_SLUG_BUCKET')})
const wakeUps = createWakeUps({client: createWakeUpClient(), queueUrl: required(env, 'GILLIAM_WAKE_QUEUE'), now})
/** Every look at everything is a read of each formation, and the stream loses nothing. */
const everythingEveryMs = 300_000
/** Backups are a quarter of an hour apart at least. */
const backupsEveryMs = 60_000

export const handler = createReconcilerHandler({
  reconcile: createReconcilerFunction({store, log, now, randomId, wakeAt: wakeUps.wakeAt, dumps, everythingEveryMs, backupsEveryMs}),
  wakeUps,
  hasLeases: async () => (await store.executors.list()).some(({state}) => state !== 'lost'),
  now,
  log,
})
