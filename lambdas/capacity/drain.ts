// A machine of the Auto Scaling group is to end: its executor is drained first, and the machine goes when nothing runs there any more. Decides only that;
// asking again is the queue's business, and ending a wait that takes too long is the lifecycle hook's.
import type {Store} from '#lambdas/store/index.ts'
import type {Logger} from '#shared/log.ts'

/** What Auto Scaling says of a machine that is to end. Names are AWS's. */
export interface Termination {
  readonly AutoScalingGroupName: string
  readonly LifecycleHookName: string
  readonly LifecycleActionToken: string
  readonly EC2InstanceId: string
}

export interface DrainDeps {
  readonly store: {readonly executors: Pick<Store['executors'], 'get' | 'drain'>}
  readonly log: Logger
  readonly now: () => number
  /** Lets the machine end. */
  readonly release: (termination: Termination) => Promise<void>
}

/** Takes the termination one step further. `waiting`: ask again later. An executor is named after its machine. */
export const drainMachine = async (deps: DrainDeps, termination: Termination): Promise<'released' | 'waiting'> => {
  const {store, log, now, release} = deps
  const executor = termination.EC2InstanceId
  const {outcome} = await store.executors.drain(executor, now())
  const instances = outcome === 'missing' || outcome === 'lost' ? 0 : ((await store.executors.get(executor))?.instances ?? 0)
  if (instances > 0 || outcome === 'conflict') {
    log.info({executor, outcome, instances}, 'machine drains')
    return 'waiting'
  }
  await release(termination)
  log.info({executor, outcome}, 'machine may end')
  return 'released'
}
