// The logs function on AWS: reads the environment, makes the clients, hands them over.
import {compose} from '#lambdas/aws/compose.ts'
import {createCloudWatchLogs, createLogsClient} from '#lambdas/aws/logs.ts'
import {required} from '#shared/config.ts'
import {createLogsFunction} from './index.ts'

const {env} = process

export const handler = createLogsFunction({
  ...compose('logs', env),
  logs: createCloudWatchLogs({client: createLogsClient(), group: required(env, 'GILLIAM_LOG_GROUP'), now: Date.now}),
})
