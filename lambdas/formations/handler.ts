// The formations function on AWS: reads the environment, makes the store, hands both over.
import {createClient, createStore} from '#lambdas/store/index.ts'
import {read, required} from '#shared/config.ts'
import {createExpressions} from '#shared/expressions.ts'
import {randomId} from '#shared/ids.ts'
import {createLogger} from '#shared/log.ts'
import {createFormationsFunction} from './index.ts'

const {env} = process

export const handler = createFormationsFunction({
  store: createStore({client: createClient({}), table: required(env, 'GILLIAM_TABLE')}),
  log: createLogger('formations', {level: read(env, 'GILLIAM_LOG_LEVEL', 'info')}),
  now: Date.now,
  randomId,
  expressions: createExpressions(),
})
