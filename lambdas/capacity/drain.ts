// A machine of the Auto Scaling group is to end: its executor is drained first, and the machine goes when nothing runs there any more, or when the time for
// that is over. One that spot takes back is drained at once. Decides only that; asking again is the queue's business.
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
  readonly store: {readonly executors: Pick<Store['executors'], 'get' | 'drain'>; readonly capacity: Pick<Store['capacity'], 'noteEnd'>}
  readonly log: Logger
  readonly now: () => number
  /** Lets the machine end. */
  readonly release: (termination: Termination) => Promise<void>
}

/** From the event to letting a machine go whatever it runs, in milliseconds: a little less than the lifecycle hook waits (cdk/constructs/executors.ts). */
export const drainMsMax = 14 * 60_000

/**
 * Takes the termination one step further. `waiting`: ask again later. An executor is named after its machine. `since` is when Auto Scaling said so, in
 * milliseconds since the epoch.
 */
export const drainMachine = async (deps: DrainDeps, termination: Termination, since = deps.now()): Promise<'released' | 'waiting'> => {
  const {store, log, now, release} = deps
  const executor = termination.EC2InstanceId
  const {outcome} = await store.executors.drain(executor, now())
  const instances = outcome === 'missing' || outcome === 'lost' ? 0 : ((await store.executors.get(executor))?.instances ?? 0)
  const isLate = now() - since >= drainMsMax
  if ((instances > 0 || outcome === 'conflict') && !isLate) {
    log.info({executor, outcome, instances}, 'machine drains')
    return 'waiting'
  }
  await store.capacity.noteEnd(executor, {instances, late: isLate})
  await release(termination)
  log[isLate ? 'warn' : 'info']({executor, outcome, instances}, 'machine may end')
  return 'released'
}

/** Spot takes a machine back in two minutes, of whoever's group: what runs there is replaced meanwhile. False when it is to be tried again. */
export const drainInterrupted = async ({store, log, now}: DrainDeps, machine: string): Promise<boolean> => {
  const {outcome} = await store.executors.drain(machine, now())
  if (outcome !== 'missing') log.warn({executor: machine, outcome}, 'spot takes the machine back')
  return outcome !== 'conflict'
}
