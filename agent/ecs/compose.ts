// Makes what an agent needs to run instances as tasks on Fargate. Reads no environment.
import {randomBytes} from 'node:crypto'
import type {ECSClient} from '@aws-sdk/client-ecs'
import type {SSMClient} from '@aws-sdk/client-ssm'
import type {Logger} from '#shared/log.ts'
import type {Home} from '../compose.ts'
import {createEcsFinder} from '../runtime/ecs.ts'
import {familyPrefixOf} from './definition.ts'
import {Definitions} from './definitions.ts'
import {EcsLauncher} from './launcher.ts'
import {createParameters} from './parameters.ts'
import type {FargateSettings} from './settings.ts'
import {Tasks, type TasksOptions} from './tasks.ts'

export interface EcsOptions extends Pick<TasksOptions, 'wait' | 'pollMs'> {
  readonly client: ECSClient
  readonly ssm: SSMClient
  readonly settings: FargateSettings
  readonly stage: string
  readonly executor: string
  readonly log: Logger
  /** Milliseconds since the epoch that never jump: tasks outlive the machine of their agent. */
  readonly now: () => number
  readonly random: () => number
}

export const tasksOnEcs = (options: EcsOptions): Home & {readonly tasks: Tasks; readonly definitions: Definitions} => {
  const {client, ssm, settings, stage, executor, log, now, random, wait, pollMs} = options
  const patience = {random, ...(wait !== undefined && {wait})}
  const tasks = new Tasks({
    ...patience,
    ...(pollMs !== undefined && {pollMs}),
    client,
    cluster: settings.cluster,
    startedBy: `gilliam/${stage}/${executor}`,
    now,
    onError: (error, what) => log.warn({err: error}, what),
  })
  const parameters = createParameters(ssm, patience)
  const definitions = new Definitions({...patience, client, parameters, prefix: familyPrefixOf(stage, executor), now})
  const digestKey = randomBytes(32)
  return {
    tasks,
    definitions,
    runtime: createEcsFinder(tasks),
    launcher: ({environment, remember, locate}) =>
      new EcsLauncher({tasks, definitions, digestKey, settings, environment, remember, locate, now}),
    bootId: `ecs ${settings.cluster}`,
    now,
  }
}
