// Executors whose lease is over: they are lost, and with them what they ran.
import type {Executor} from '#shared/domain/executor.ts'
import {executorsHalfLost, executorsLost, watchGapMsMax} from '#shared/domain/lease.ts'
import type {ReconcilerDeps} from './formation.ts'

/**
 * Gives up all that a lost executor held. Its announcements are out of every reader's sight since it was marked; readers only need to be told. Answers
 * the formations that are short of instances now. Ends where the executor has joined again: it gave up the rest itself.
 */
const giveUp = async ({store, now, log}: ReconcilerDeps, executor: string): Promise<readonly string[]> => {
  const held = await store.executors.assignments(executor)
  const formations = [...new Set(held.map(each => each.formation))]
  await store.registry.touch(formations)
  for (const {formation, id} of held) {
    const {outcome} = await store.instances.lose(formation, id, `executor ${executor} was lost`, now())
    if (outcome === 'alive') break
  }
  log.warn({executor, instances: held.length, formations}, 'executor lost')
  return formations
}

/** Marks executors whose lease is over as lost. Answers the formations that lost instances. */
export const loseExecutors = async (deps: ReconcilerDeps, executors: readonly Executor[]): Promise<ReadonlySet<string>> => {
  const {store, now} = deps
  const since = await store.watch.tick(now(), watchGapMsMax)
  const formations = new Set<string>()
  const giveUpAll = async (executor: string): Promise<void> => {
    for (const formation of await giveUp(deps, executor)) formations.add(formation)
  }
  for (const executor of executorsHalfLost(executors)) await giveUpAll(executor)
  for (const executor of executorsLost(executors, since, now())) {
    if ((await store.executors.markLost(executor, now())).outcome === 'ok') await giveUpAll(executor)
  }
  return formations
}
