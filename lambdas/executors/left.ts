// What is on an executor, and why it is still there while that drains.
import type {Frozen} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {Executor} from '#shared/domain/executor.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {whyStillThere} from '#shared/domain/leaving.ts'
import {instanceName} from '#shared/domain/names.ts'
import type {OutputOf} from '#shared/endpoints.ts'

type Left = Frozen<OutputOf<'listExecutorInstances'>>

/** By formation and name. One read of each formation that has something there. */
export const instancesOn = async (store: Pick<Store, 'executors' | 'instances'>, executor: Executor): Promise<Left> => {
  const [held, executors] = await Promise.all([store.executors.assignments(executor.id), store.executors.list()])
  const formations = [...new Set(held.map(({formation}) => formation))].sort()
  const items = await Promise.all(
    formations.map(async formation => {
      const instances = await store.instances.list(formation)
      const here = instances.filter(each => each.executor === executor.id).map(instance => ({instance, name: nameOf(instance)}))
      here.sort((a, b) => (a.name < b.name ? -1 : 1))
      return here.map(({instance, name}) => {
        const {release, origin, state} = instance
        return {formation, name, release, origin, state, reason: whyStillThere({instance, instances, executor, executors})}
      })
    }),
  )
  return {items: items.flat()}
}

const nameOf = ({service, id}: Instance): string => instanceName(service, id)
