// The scheduler on AWS: called with batches of the table's stream and by a schedule. Reads the environment and makes the clients.
import {read} from '#shared/config.ts'
import {createExpressions} from '#shared/expressions.ts'
import {createLogger} from '#shared/log.ts'
import {createClient, createStore} from '../store/index.ts'
import {createSchedulerFunction} from './index.ts'

const stage = read(process.env, 'GILLIAM_STAGE', 'local')

export const handler = createSchedulerFunction({
  store: createStore({client: createClient({}), table: read(process.env, 'GILLIAM_TABLE', `gilliam-${stage}`)}),
  expressions: createExpressions(),
  now: Date.now,
  log: createLogger('scheduler', {level: read(process.env, 'GILLIAM_LOG_LEVEL', 'info')}),
})
