// Instances as tasks on ECS, for the agent that looks after them: found by their tag after a restart, followed to their end. Starting them is ecs/launcher.ts.
import {basename} from 'node:path'
import type {TaskView} from '../ecs/task.ts'
import type {Tasks} from '../ecs/tasks.ts'
import type {Exit} from '../instance.ts'
import type {Finder, Found, Running} from './runtime.ts'

/** Follows a task that runs. Asking it to end and ending it are the same here: ECS sends SIGKILL by itself when the time in its definition is over. */
export const followTask = (tasks: Tasks, {arn, host}: TaskView): Running => {
  const stop = () => tasks.stop(arn, 'stopped by Gilliam')
  const ended = new Promise<Exit>(resolve => {
    tasks.watch(arn, ({state, exit}) => {
      if (state === 'ended') resolve(exit)
    })
  })
  return {terminate: stop, kill: stop, ended, ...(host !== undefined && {host})}
}

const newest = (tasks: readonly TaskView[], key: string): TaskView | undefined =>
  tasks.filter(task => task.key === key).toSorted((a, b) => b.createdAt - a.createdAt)[0]

/** Of an instance whose task has not got an address yet it says that nothing was started: launching it again takes that task over. */
export const createEcsFinder = (tasks: Tasks): Finder => ({
  find: async (directory): Promise<Found> => {
    const task = newest(await tasks.list(), basename(directory))
    if (task === undefined || task.state === 'starting') return {state: 'absent'}
    return task.state === 'ended' ? {state: 'ended', exit: task.exit} : {state: 'running', running: followTask(tasks, task)}
  },
})

/**
 * Ends tasks of this executor whose instance nobody knows: what is left of an agent that lost its state. Only those that were unknown the last time too, for an
 * agent whose place was taken a moment ago does not know what the other one has started. Answers their instances.
 */
export const createStrayEnder = (tasks: Tasks): ((isKnown: (key: string) => boolean) => Promise<string[]>) => {
  let suspects: ReadonlySet<string> = new Set()
  return async isKnown => {
    const strays = (await tasks.list()).filter(
      ({key, state, isStopping}) => !isStopping && state !== 'ended' && !(key !== undefined && isKnown(key)),
    )
    const ended = strays.filter(({arn}) => suspects.has(arn))
    suspects = new Set(strays.map(({arn}) => arn))
    for (const {arn} of ended) tasks.stop(arn, 'its instance is not known any more')
    return ended.map(({key = ''}) => key)
  }
}
