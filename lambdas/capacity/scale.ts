// Grows and shrinks the group of machines: loads what waits and what there is, lets the domain decide, does it. What was decided is kept before it is done:
// of two that decide at once one does nothing, and a crash in between costs a wait, not a machine.
import type {Store} from '#lambdas/store/index.ts'
import {type CapacityRules, type CapacityStep, decideCapacity} from '#shared/domain/capacity.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {countsNeighbours} from '#shared/domain/placement.ts'
import {type Expressions, type PlacedInstance, placedOf} from '#shared/domain/placement-rules.ts'
import type {Logger} from '#shared/log.ts'
import type {Machines} from './machines.ts'

export interface ScaleDeps {
  readonly store: {
    readonly instances: Pick<Store['instances'], 'pending' | 'list'>
    readonly executors: Pick<Store['executors'], 'get' | 'list' | 'drain' | 'undrain'>
    readonly capacity: Store['capacity']
  }
  readonly machines: Machines
  /** Name of the group: what is remembered is kept under it. */
  readonly group: string
  readonly rules: CapacityRules
  readonly expressions: Expressions
  readonly log: Logger
  readonly now: () => number
}

const neighboursOf = async ({store, expressions}: ScaleDeps, pending: readonly Instance[]): Promise<PlacedInstance[]> => {
  const formations = new Set(pending.filter(instance => countsNeighbours(instance, expressions)).map(({formation}) => formation))
  const lists = await Promise.all([...formations].map(formation => store.instances.list(formation)))
  return lists.flatMap(placedOf)
}

/** Only what is drained and holds nothing, looked at once more: something may have been placed there just before it was drained. */
const isStillEmpty = async ({store}: ScaleDeps, machine: string): Promise<boolean> => {
  const executor = await store.executors.get(machine)
  return executor === undefined || executor.state === 'lost' || (executor.state === 'draining' && executor.instances === 0)
}

const carryOut = async (deps: ScaleDeps, step: CapacityStep): Promise<void> => {
  const {store, machines, log, now} = deps
  if (step.kind === 'grow') await machines.setDesired(step.desired)
  else if (step.kind === 'drain') await store.executors.drain(step.machine, now())
  else if (step.kind === 'keep') await store.executors.undrain(step.machine, now())
  else if (await isStillEmpty(deps, step.machine)) {
    // Before: one too many in the audit is better than one too few.
    await store.capacity.noteEnd(step.machine, {instances: 0, replace: step.replace})
    await machines.end(step.machine, step.replace)
  }
  log.info(step, 'capacity')
}

/** Takes one look, and does what follows from it. Any number may look at once. Throws when the machines or the store can not be asked. */
export const scaleMachines = async (deps: ScaleDeps): Promise<readonly CapacityStep[]> => {
  const {store, machines, group: name, rules, expressions, log, now} = deps
  const group = await machines.describe()
  if (group === undefined) {
    log.warn({group: name}, 'there is no such group of machines')
    return []
  }
  const [waiting, executors, {memory, version}] = await Promise.all([
    store.instances.pending(),
    store.executors.list(),
    store.capacity.load(name),
  ])
  const pending = waiting.filter(({state}) => state === 'pending')
  const placed = await neighboursOf(deps, pending)
  const decision = decideCapacity({group, executors, pending, placed, expressions, memory, rules, now: now()})
  const isNews = JSON.stringify(decision.memory) !== JSON.stringify(memory)
  if (isNews && (await store.capacity.save(name, version, decision.memory)).outcome === 'conflict') return []
  for (const step of decision.steps) await carryOut(deps, step)
  return decision.steps
}
