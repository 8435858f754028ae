// Gets one instance from an assignment to a running task with an address. A task that somebody has started for it already is taken over.
import {randomUUID} from 'node:crypto'
import type {ExecutorEnvironment} from '../environment.ts'
import type {InstanceRecord} from '../instance.ts'
import type {Launch, LauncherOptions, Launching} from '../launcher.ts'
import {followTask} from '../runtime/ecs.ts'
import {definitionOf, secretsOf} from './definition.ts'
import type {Definitions} from './definitions.ts'
import {requestOf, type Source, taskPortsOf} from './request.ts'
import type {FargateSettings} from './settings.ts'
import type {TaskView} from './task.ts'
import type {TaskRequest, Tasks} from './tasks.ts'

/** From asking for a task to its running: pulling a large image takes minutes. */
export const startMsMax = 10 * 60_000

export interface EcsLauncherOptions {
  readonly tasks: Tasks
  readonly definitions: Definitions
  /** Of this agent alone, and of this process. */
  readonly digestKey: Buffer
  readonly settings: FargateSettings
  readonly environment: ExecutorEnvironment
  readonly remember: LauncherOptions['remember']
  readonly locate: (sha256: string, signal: AbortSignal) => Promise<string>
  readonly now: () => number
}

const failed = (reason: string, retry: boolean): Launch => ({outcome: 'failed', reason, retry})

export class EcsLauncher implements Launching {
  readonly #options: EcsLauncherOptions

  constructor(options: EcsLauncherOptions) {
    this.#options = options
  }

  /** Resolves when the task runs; `signal` stops it before. */
  async launch(record: InstanceRecord, signal: AbortSignal): Promise<Launch> {
    const {remember} = this.#options
    if (record.assignment.run !== undefined) return failed('this executor runs services on Fargate, and no commands of their own', false)
    try {
      const ports = taskPortsOf(record.assignment)
      await remember(record.key, ports)
      const task = (await this.#existing(record.key)) ?? (await this.#run(record, ports, signal))
      return 'refused' in task ? failed(task.refused, false) : await this.#untilRunning(task, signal)
    } catch (error) {
      return signal.aborted ? {outcome: 'cancelled'} : failed((error as Error).message, true)
    }
  }

  async #existing(key: string): Promise<TaskView | undefined> {
    const mine = (await this.#options.tasks.list()).filter(task => task.key === key && task.state !== 'ended' && !task.isStopping)
    return mine.toSorted((a, b) => b.createdAt - a.createdAt)[0]
  }

  async #run(record: InstanceRecord, ports: Record<string, number>, signal: AbortSignal): Promise<TaskView | {refused: string}> {
    const {definitions, settings, environment: executor, digestKey} = this.#options
    const given = {stage: executor.stage, executor: executor.executor, ports: Object.values(ports), settings, digestKey}
    const definition = definitionOf(record.assignment, given)
    if ('refused' in definition) return definition
    const [taskDefinition, source] = await Promise.all([
      definitions.ensure(definition, secretsOf(record.assignment)),
      this.#source(record, signal),
    ])
    const made = requestOf(record, {taskDefinition, executor, ports, settings, source})
    signal.throwIfAborted()
    return 'refused' in made ? made : this.#runOnce(made.request, signal)
  }

  // A start that was asked for long ago, by an agent whose state is lost, may be answered with the task of then.
  async #runOnce(request: TaskRequest, signal: AbortSignal): Promise<TaskView> {
    const {tasks} = this.#options
    const task = await tasks.run(request, signal)
    return task.state === 'ended' || task.isStopping ? tasks.run({...request, clientToken: randomUUID()}, signal) : task
  }

  async #source({assignment}: InstanceRecord, signal: AbortSignal): Promise<Source> {
    const {image, slug} = assignment
    return image === undefined && slug !== undefined ? {slugUrl: await this.#options.locate(slug.sha256, signal)} : {}
  }

  #untilRunning(task: TaskView, signal: AbortSignal): Promise<Launch> {
    const {tasks, now} = this.#options
    const begunAt = now()
    let late = false
    return new Promise<Launch>(resolve => {
      const callOff = () => tasks.stop(task.arn, 'called off')
      const end = (launch: Launch) => {
        signal.removeEventListener('abort', callOff)
        resolve(launch)
      }
      const unwatch = tasks.watch(task.arn, seen => {
        if (seen.state === 'running' && !signal.aborted && !late) {
          unwatch()
          end({outcome: 'started', running: followTask(tasks, seen)})
        } else if (seen.state === 'ended') {
          const why =
            seen.exit.reason ?? (seen.exit.code === undefined ? 'ended before it ran' : `ended with code ${seen.exit.code} before it ran`)
          end(signal.aborted ? {outcome: 'cancelled'} : failed(late ? `did not run within ${startMsMax / 60_000} minutes` : why, true))
        } else if (now() - begunAt >= startMsMax && !late) {
          late = true
          tasks.stop(task.arn, 'did not run in time')
        }
      })
      if (signal.aborted) callOff()
      else signal.addEventListener('abort', callOff, {once: true})
    })
  }
}
