// Tasks of one executor on ECS: started, stopped, listed and watched, a hundred to a call. Owns how often ECS is asked; knows nothing of assignments.
import {
  DescribeTasksCommand,
  type ECSClient,
  ListTasksCommand,
  RunTaskCommand,
  type RunTaskCommandInput,
  StopTaskCommand,
} from '@aws-sdk/client-ecs'
import {type Loop, startLoop} from '#shared/loop.ts'
import {type TaskView, viewOf} from './task.ts'
import {type Patience, patiently} from './throttle.ts'

/** DescribeTasks takes a hundred. */
const describeMax = 100
const stopsPerPollMax = 20
/** Between two looks while something starts or stops, and otherwise. ECS lets 20 such calls through a second, for all of a cluster. */
export const pollMs = {busy: 1_000, calm: 5_000} as const
const pollBackoffMaxMs = 30_000
/** ECS is consistent in the end only: a task it does not know may be one that was started a moment ago. */
export const missingMs = 60_000
/** A list this old still answers for tasks that others started. */
const listedMs = 5_000

export interface TasksOptions extends Patience {
  readonly client: ECSClient
  readonly cluster: string
  /** Marks tasks as this executor's: letters, digits, `-_/`, 128 at most. */
  readonly startedBy: string
  /** Milliseconds that never jump. */
  readonly now: () => number
  readonly onError: (error: unknown, what: string) => void
  readonly pollMs?: {readonly busy: number; readonly calm: number}
}

/** What is asked for besides where and by whom. */
export type TaskRequest = Omit<RunTaskCommandInput, 'cluster' | 'startedBy' | 'count'>

interface Watched {
  readonly ons: Set<(task: TaskView) => void>
  last?: TaskView['state']
  missingSince?: number
}

/** A task that ECS has forgotten: it ended, nobody knows how. */
const forgotten = (arn: string): TaskView => ({arn, key: undefined, state: 'ended', isStopping: true, exit: {}, family: '', createdAt: 0})

const isUnknown = (error: unknown): boolean => error instanceof Error && /task was not found/i.test(error.message)

export class Tasks {
  readonly #options: TasksOptions
  readonly #watched = new Map<string, Watched>()
  readonly #stops = new Map<string, string>()
  readonly #stopped = new Set<string>()
  readonly #loop: Loop
  #listed: {readonly at: number; readonly tasks: Promise<readonly TaskView[]>} | undefined

  constructor(options: TasksOptions) {
    this.#options = options
    this.#loop = startLoop(() => this.#poll(), {
      intervalMs: this.#pollMs.calm,
      backoffBaseMs: this.#pollMs.busy,
      backoffMaxMs: pollBackoffMaxMs,
      jitterShare: 0.1,
      random: options.random,
      onError: error => options.onError(error, 'tasks can not be looked at'),
    })
  }

  get #pollMs() {
    return this.#options.pollMs ?? pollMs
  }

  /** Starts one task. Throws with ECS's reason when it does not; waits while ECS is asked too often. */
  async run(request: TaskRequest, signal?: AbortSignal): Promise<TaskView> {
    const {client, cluster, startedBy} = this.#options
    const input = {...request, cluster, startedBy, count: 1}
    const {tasks = [], failures = []} = await patiently(() => client.send(new RunTaskCommand(input)), this.#options, signal)
    const [task] = tasks
    if (task === undefined)
      throw new Error(`ECS started nothing: ${failures[0]?.reason ?? 'no reason given'} ${failures[0]?.detail ?? ''}`.trim())
    return viewOf(task)
  }

  /** Calls `on` with the task whenever it was looked at, until the returned function is called or it has ended. */
  watch(arn: string, on: (task: TaskView) => void): () => void {
    const watched = this.#watched.get(arn) ?? {ons: new Set()}
    watched.ons.add(on)
    this.#watched.set(arn, watched)
    this.#loop.wake()
    return () => {
      watched.ons.delete(on)
      if (watched.ons.size === 0) this.#watched.delete(arn)
    }
  }

  /** Has ECS stop it: SIGTERM, and SIGKILL after the time that its definition says. Asked again until ECS has taken it. */
  stop(arn: string, reason: string): void {
    if (this.#stopped.has(arn)) return
    this.#stops.set(arn, reason)
    this.#loop.wake()
  }

  /** All tasks of this executor that ECS knows, some minutes after their end too. Callers at the same time share one answer. */
  list(): Promise<readonly TaskView[]> {
    const now = this.#options.now()
    if (this.#listed !== undefined && now - this.#listed.at < listedMs) return this.#listed.tasks
    const tasks = this.#list()
    this.#listed = {at: now, tasks}
    tasks.catch(() => {
      this.#listed = undefined
    })
    return tasks
  }

  close(): Promise<void> {
    return this.#loop.stop()
  }

  async #list(): Promise<readonly TaskView[]> {
    const [running, stopped] = await Promise.all([this.#arns('RUNNING'), this.#arns('STOPPED')])
    const {tasks} = await this.#describe([...running, ...stopped])
    return tasks
  }

  async #arns(desiredStatus: 'RUNNING' | 'STOPPED'): Promise<string[]> {
    const {client, cluster, startedBy} = this.#options
    const arns: string[] = []
    let nextToken: string | undefined
    do {
      const command = new ListTasksCommand({cluster, startedBy, desiredStatus, ...(nextToken !== undefined && {nextToken})})
      const page = await patiently(() => client.send(command), this.#options)
      arns.push(...(page.taskArns ?? []))
      nextToken = page.nextToken
    } while (nextToken !== undefined)
    return arns
  }

  async #describe(arns: readonly string[]): Promise<{tasks: TaskView[]; missing: string[]}> {
    const {client, cluster} = this.#options
    const tasks: TaskView[] = []
    const missing: string[] = []
    for (let at = 0; at < arns.length; at += describeMax) {
      const command = new DescribeTasksCommand({cluster, tasks: arns.slice(at, at + describeMax), include: ['TAGS']})
      const answer = await patiently(() => client.send(command), this.#options)
      tasks.push(...(answer.tasks ?? []).map(viewOf))
      missing.push(...(answer.failures ?? []).flatMap(({arn, reason}) => (reason === 'MISSING' && arn !== undefined ? [arn] : [])))
    }
    return {tasks, missing}
  }

  async #poll(): Promise<number> {
    await this.#stopSome()
    const {tasks, missing} = await this.#describe([...this.#watched.keys()])
    for (const task of tasks) this.#saw(task)
    for (const arn of missing) this.#missed(arn)
    const isBusy = this.#stops.size > 0 || [...this.#watched].some(([arn, {last}]) => last !== 'running' || this.#stopped.has(arn))
    return isBusy ? this.#pollMs.busy : this.#pollMs.calm
  }

  async #stopSome(): Promise<void> {
    const {client, cluster, onError} = this.#options
    for (const [task, reason] of [...this.#stops].slice(0, stopsPerPollMax)) {
      try {
        await patiently(() => client.send(new StopTaskCommand({cluster, task, reason})), this.#options)
      } catch (error) {
        if (!isUnknown(error)) {
          onError(error, 'a task can not be stopped, and is asked to again')
          continue
        }
      }
      this.#stops.delete(task)
      if (this.#watched.has(task)) this.#stopped.add(task)
    }
  }

  #saw(task: TaskView): void {
    const watched = this.#watched.get(task.arn)
    if (watched === undefined) return
    watched.last = task.state
    watched.missingSince = undefined
    if (task.state === 'ended') {
      this.#watched.delete(task.arn)
      this.#stops.delete(task.arn)
      this.#stopped.delete(task.arn)
      // A list from before shows it as running.
      this.#listed = undefined
    }
    for (const on of [...watched.ons]) on(task)
  }

  #missed(arn: string): void {
    const watched = this.#watched.get(arn)
    if (watched === undefined) return
    watched.missingSince ??= this.#options.now()
    if (this.#options.now() - watched.missingSince >= missingMs) this.#saw(forgotten(arn))
  }
}
