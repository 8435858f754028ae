// Makes what an agent needs to run instances as tasks on Fargate. Reads no environment.
import type {ECSClient} from '@aws-sdk/client-ecs'
import type {Logger} from '#shared/log.ts'
import type {Home} from '../compose.ts'
import {createEcsFinder} from '../runtime/ecs.ts'
import {Definitions} from './definition.ts'
import {EcsLauncher} from './launcher.ts'
import type {FargateSettings} from './settings.ts'
import {Tasks, type TasksOptions} from './tasks.ts'

export interface EcsOptions extends Pick<TasksOptions, 'wait' | 'pollMs'> {
  readonly client: ECSClient
  readonly settings: FargateSettings
  readonly stage: string
  readonly executor: string
  readonly log: Logger
  /** Milliseconds since the epoch that never jump: tasks outlive the machine of their agent. */
  readonly now: () => number
  readonly random: () => number
}

export const tasksOnEcs = (options: EcsOptions): Home & {readonly tasks: Tasks} => {
  const {client, settings, stage, executor, log, now, random, wait, pollMs} = options
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
  const definitions = new Definitions(client, patience)
  return {
    tasks,
    runtime: createEcsFinder(tasks),
    launcher: ({environment, remember, locate}) => new EcsLauncher({tasks, definitions, settings, environment, remember, locate, now}),
    bootId: `ecs ${settings.cluster}`,
    now,
  }
}
