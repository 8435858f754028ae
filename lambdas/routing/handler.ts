// The routing function on AWS: reads the environment, makes the store, hands both over.
import {createClient, createStore} from '#lambdas/store/index.ts'
import {read, required} from '#shared/config.ts'
import {createLogger} from '#shared/log.ts'
import {createRoutingFunction} from './index.ts'

const {env} = process

export const handler = createRoutingFunction({
  store: createStore({client: createClient({}), table: required(env, 'GILLIAM_TABLE')}),
  log: createLogger('routing', {level: read(env, 'GILLIAM_LOG_LEVEL', 'info')}),
  now: Date.now,
})
