// The reconciler on AWS: its environment, clients and entry.
import {compose} from '#lambdas/aws/compose.ts'
import {createWakeUpClient, createWakeUps} from '#lambdas/aws/wake-ups.ts'
import {required} from '#shared/config.ts'
import {randomId} from '#shared/ids.ts'
import {createReconcilerHandler} from './calls.ts'
import {createReconcilerFunction} from './index.ts'

const {env} = process
const {store, log, now} = compose('reconciler', env)
const wakeUps = createWakeUps({client: createWakeUpClient(), queueUrl: required(env, 'GILLIAM_WAKE_QUEUE'), now})
/** Every look at everything is a read of each formation, and the stream loses nothing. */
const everythingEveryMs = 300_000

export const handler = createReconcilerHandler({
  reconcile: createReconcilerFunction({store, log, now, randomId, wakeAt: wakeUps.wakeAt, everythingEveryMs}),
  wakeUps,
  hasLeases: async () => (await store.executors.list()).some(({state}) => state !== 'lost'),
  now,
  log,
})
