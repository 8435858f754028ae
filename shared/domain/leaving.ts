// Why an instance is still on an executor that drains, in words for whoever drains it. Pure.
import type {Executor} from './executor.ts'
import {type Instance, isTerminal, isWanted} from './instance.ts'
import {instanceName} from './names.ts'

export interface LeavingView {
  readonly instance: Instance
  /** Of its formation. */
  readonly instances: readonly Instance[]
  readonly executor: Executor
  readonly executors: readonly Executor[]
}

const fixedPorts = ({ports}: Instance): readonly number[] => ports.flatMap(({hostPort}) => (hostPort === undefined ? [] : [hostPort]))

/** Of several agents on one machine only one can have a port, so that a replacement there waits for what it is to replace. */
const isStuck = ({instance, executor: {host, network}, executors}: LeavingView): boolean =>
  fixedPorts(instance).length > 0 && executors.every(each => each.state !== 'ready' || (each.host === host && each.network === network))

/** One like it, not yet running, that is not on an executor that is to be empty as well. */
const replacementOf = ({instance, instances, executors}: LeavingView): Instance | undefined => {
  const leaving = new Set(executors.filter(({state}) => state === 'draining').map(({id}) => id))
  return instances.find(
    other =>
      other.release === instance.release &&
      other.service === instance.service &&
      other.origin === 'scale' &&
      other.state !== 'running' &&
      isWanted(other.state) &&
      !leaving.has(other.executor ?? ''),
  )
}

/** Undefined when the executor does not drain: it is where it should be. */
export const whyStillThere = (view: LeavingView): string | undefined => {
  const {instance, executor} = view
  if (executor.state !== 'draining' || isTerminal(instance.state)) return undefined
  if (instance.state === 'stopping') return 'it stops'
  const deadline = executor.drainBy === undefined ? '; stop it, or drain with a deadline' : '; it is stopped at the deadline'
  if (instance.origin === 'spawn') return `it was spawned, and draining waits for it to end${deadline}`
  if (isStuck(view))
    return `it has host port ${fixedPorts(instance).join(', ')} of ${executor.host}, and no ready executor is on another machine, so that none can have it first${deadline}`
  const next = replacementOf(view)
  if (next === undefined) return 'what is to replace it is not made yet'
  const name = instanceName(next.service, next.id)
  const why = next.reason === undefined ? '' : `: ${next.reason}`
  return next.executor === undefined
    ? `${name}, which is to replace it, is not placed${why}`
    : `${name}, which is to replace it, starts on ${next.executor}${why}`
}
