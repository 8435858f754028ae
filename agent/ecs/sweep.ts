// What an agent of a Fargate executor tidies up once a minute: tasks that belong to nothing. Owns when; what is left over say the parts themselves.
import type {Logger} from '#shared/log.ts'
import type {Agent} from '../agent.ts'
import {createStrayEnder} from '../runtime/ecs.ts'
import type {Tasks} from './tasks.ts'

const everyMs = 60_000

/** Until the process ends. */
export const startSweeping = (agent: Agent, tasks: Tasks, log: Logger): void => {
  const endStrays = createStrayEnder(tasks)
  const sweep = async (): Promise<void> => {
    // Before the first answer of the control plane nobody knows what is to run.
    if (agent.assignmentVersion === 0) return
    const strays = await endStrays(key => agent.records.has(key))
    if (strays.length > 0) log.warn({instances: strays}, 'stopped tasks that no record was left of')
  }
  setInterval(() => void sweep().catch(error => log.warn({err: error}, 'could not look for strays')), everyMs)
}
