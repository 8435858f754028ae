// What an agent of a Fargate executor tidies up once a minute: tasks that belong to nothing, and definitions, with their secrets, that no task is of. Owns when;
// what is left over say the parts themselves.
import type {Logger} from '#shared/log.ts'
import type {Agent} from '../agent.ts'
import {createStrayEnder} from '../runtime/ecs.ts'
import type {Definitions} from './definitions.ts'
import type {Tasks} from './tasks.ts'

const everyMs = 60_000

export interface Swept {
  readonly tasks: Tasks
  readonly definitions: Pick<Definitions, 'tidy'>
}

/** One round. */
export const createSweep = (
  {tasks, definitions}: Swept,
  log: Logger,
): ((agent: Pick<Agent, 'assignmentVersion' | 'records'>) => Promise<void>) => {
  const endStrays = createStrayEnder(tasks)
  return async agent => {
    // Before the first answer of the control plane nobody knows what is to run.
    if (agent.assignmentVersion === 0) return
    const strays = await endStrays(key => agent.records.has(key))
    if (strays.length > 0) log.warn({instances: strays}, 'stopped tasks that no record was left of')
    const live = (await tasks.list()).filter(({state}) => state !== 'ended')
    const retired = await definitions.tidy(new Set(live.map(({family}) => family)))
    if (retired.length > 0) log.info({families: retired}, 'deregistered task definitions that nothing uses')
  }
}

/** Until the process ends. */
export const startSweeping = (agent: Agent, swept: Swept, log: Logger): void => {
  const sweep = createSweep(swept, log)
  setInterval(() => void sweep(agent).catch(error => log.warn({err: error}, 'could not tidy up')), everyMs)
}
