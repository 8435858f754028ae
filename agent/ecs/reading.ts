// When the output of tasks is read: while there are any. Owns the loop and the client; what is read is output.ts's.
import {join} from 'node:path'
import {CloudWatchLogsClient} from '@aws-sdk/client-cloudwatch-logs'
import type {Logger} from '#shared/log.ts'
import {startLoop} from '#shared/loop.ts'
import type {Agent} from '../agent.ts'
import {streamPrefixOf} from './definition.ts'
import {TaskOutput} from './output.ts'
import type {FargateSettings} from './settings.ts'
import type {Tasks} from './tasks.ts'

/** FilterLogEvents takes five calls a second of an account, or more. */
const everyMs = 5_000
const backoffMaxMs = 60_000

export interface Read {
  readonly settings: FargateSettings
  readonly executor: string
  readonly tasks: Tasks
  /** Where the folders of instances are. */
  readonly instances: string
}

/** Until the process ends. */
export const startReading = (agent: Agent, {settings, executor, tasks, instances}: Read, log: Logger): void => {
  const output = new TaskOutput({
    client: new CloudWatchLogsClient({region: settings.region}),
    logGroup: settings.logGroup,
    prefix: streamPrefixOf(executor),
    tasks,
    isKnown: key => agent.records.has(key),
    directoryOf: key => join(instances, key),
    now: Date.now,
  })
  const read = async (): Promise<number> => {
    if (agent.records.size > 0) await output.read()
    return everyMs
  }
  startLoop(read, {
    intervalMs: everyMs,
    backoffBaseMs: everyMs,
    backoffMaxMs,
    jitterShare: 0.1,
    random: Math.random,
    onError: error => log.warn({err: error}, 'the output of tasks can not be read'),
  })
}
