// What every function on AWS makes of its environment: store, log and clock. Its composition root passes the environment in.
import {createClient, createStore, type Store} from '#lambdas/store/index.ts'
import {type Environment, read, required} from '#shared/config.ts'
import {createLogger, type Logger} from '#shared/log.ts'

export interface Parts {
  readonly store: Store
  readonly log: Logger
  readonly now: () => number
  readonly stage: string
}

/** Longest wait for a connection and for an answer, in milliseconds, of any AWS service; the SDK tries three times. */
const connectTimeoutMs = 1_000
const answerTimeoutMs = 5_000

/** What all clients of a function share. Connections stay open between calls. */
export const clientOptions = {requestHandler: {connectionTimeout: connectTimeoutMs, requestTimeout: answerTimeoutMs}} as const

/** Throws an error that names the variable when the table is not named. */
export const compose = (name: string, env: Environment): Parts => {
  const endpoint = read(env, 'GILLIAM_DYNAMODB_ENDPOINT')
  const client = createClient(endpoint === '' ? clientOptions : {...clientOptions, endpoint})
  return {
    store: createStore({client, table: required(env, 'GILLIAM_TABLE')}),
    log: createLogger(name, {level: read(env, 'GILLIAM_LOG_LEVEL', 'info')}),
    now: Date.now,
    stage: read(env, 'GILLIAM_STAGE', 'local'),
  }
}
