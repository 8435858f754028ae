// The reconciler on AWS: its environment, clients and entry. The schedule's ticks also take the place of wakes.
import {createClient, createStore} from '#lambdas/store/index.ts'
import {read, required} from '#shared/config.ts'
import {randomId} from '#shared/ids.ts'
import {createLogger} from '#shared/log.ts'
import {createReconcilerFunction} from './index.ts'

const endpoint = read(process.env, 'GILLIAM_DYNAMODB_ENDPOINT')

export const handler = createReconcilerFunction({
  store: createStore({client: createClient(endpoint === '' ? {} : {endpoint}), table: required(process.env, 'GILLIAM_TABLE')}),
  now: Date.now,
  randomId,
  log: createLogger('reconciler', {level: read(process.env, 'GILLIAM_LOG_LEVEL', 'info')}),
  wakeAt: () => undefined,
})
