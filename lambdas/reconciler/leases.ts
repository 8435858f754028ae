// Executors whose lease is over: what they ran is given up when it is not to be waited for any longer, and with the last of it the executor is lost.
import type {AssignedInstance} from '#lambdas/store/index.ts'
import type {Executor} from '#shared/domain/executor.ts'
import {executorsHalfLost, executorsSilent, isAnyHeard, isGivenUp, watchGapMsMax} from '#shared/domain/lease.ts'
import type {ReconcilerDeps} from './formation.ts'

const formationsOf = (held: readonly AssignedInstance[]): readonly string[] => [...new Set(held.map(each => each.formation))]

/**
 * Gives up all that a lost executor held. Its announcements are out of every reader's sight since it was marked; readers only need to be told. Answers
 * the formations that are short of instances now. Ends where the executor has joined again: it gave up the rest itself.
 */
const giveUp = async ({store, now, log}: ReconcilerDeps, executor: string): Promise<readonly string[]> => {
  const held = await store.executors.assignments(executor)
  const formations = formationsOf(held)
  await store.registry.touch(formations)
  for (const {formation, id} of held) {
    const {outcome} = await store.instances.lose(formation, id, `executor ${executor} was lost`, now())
    if (outcome === 'alive') break
  }
  log.warn({executor, instances: held.length, formations}, 'executor lost')
  return formations
}

/** Gives up these only; the executor may still come back with the others. Ends where it has: what is left is its again. */
const giveUpSome = async (
  {store, now, log}: ReconcilerDeps,
  {id: executor, leaseExpiresAt}: Executor,
  given: readonly AssignedInstance[],
): Promise<readonly string[]> => {
  for (const {formation, id} of given) {
    const reason = `executor ${executor} was not heard from`
    const {outcome} = await store.instances.lose(formation, id, reason, now(), leaseExpiresAt)
    if (outcome === 'alive') break
  }
  const formations = formationsOf(given)
  log.warn({executor, instances: given.length, formations}, 'instances of a disconnected executor given up')
  return formations
}

/** One executor that is silent. Answers the formations that lost instances. */
const lose = async (deps: ReconcilerDeps, executor: Executor): Promise<readonly string[]> => {
  const {store, now} = deps
  const held = await store.executors.assignments(executor.id)
  const given = held.filter(each => isGivenUp(each, executor, now()))
  if (given.length < held.length) return given.length === 0 ? [] : giveUpSome(deps, executor, given)
  return (await store.executors.markLost(executor.id, now())).outcome === 'ok' ? giveUp(deps, executor.id) : []
}

/** Gives up what is due, and marks executors that hold nothing any more as lost. Answers the formations that lost instances. */
export const loseExecutors = async (deps: ReconcilerDeps, executors: readonly Executor[]): Promise<ReadonlySet<string>> => {
  const {store, now} = deps
  const since = await store.watch.tick(now(), watchGapMsMax, isAnyHeard(executors, now()))
  const formations = new Set<string>()
  const add = (some: readonly string[]): void => some.forEach(each => void formations.add(each))
  for (const executor of executorsHalfLost(executors)) add(await giveUp(deps, executor))
  for (const executor of executorsSilent(executors, since, now())) add(await lose(deps, executor))
  return formations
}
