// The registry function on AWS: reads the environment, makes the store, hands both over.
import {createClient, createStore} from '#lambdas/store/index.ts'
import {read, required} from '#shared/config.ts'
import {createLogger} from '#shared/log.ts'
import {createRegistryFunction} from './index.ts'

const {env} = process

export const handler = createRegistryFunction({
  store: createStore({client: createClient({}), table: required(env, 'GILLIAM_TABLE')}),
  log: createLogger('registry', {level: read(env, 'GILLIAM_LOG_LEVEL', 'info')}),
  now: Date.now,
  nextPollMs: 1_000,
})
