// Fetching ahead: what a new release needs is ordered from the executors that are likely to run it, those with instances of its services; and how that goes.
// Nothing depends on it: an instance fetches for itself what is not there.
import type {Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {type FetchChore, fetchExecutorsMax, fetchId} from '#shared/domain/chore.ts'
import {pinnedName} from '#shared/domain/image.ts'
import {isTerminal} from '#shared/domain/instance.ts'
import type {Release} from '#shared/domain/release.ts'
import type {Logger} from '#shared/log.ts'
import {findRelease, releaseNumber} from './found.ts'

const ordersAtOnceMax = 8

/** Executors with instances of the formation, and of which services. */
const executorsOf = async (store: Pick<Store, 'instances'>, formation: string): Promise<ReadonlyMap<string, ReadonlySet<string>>> => {
  const services = new Map<string, Set<string>>()
  for (const {executor, service, state} of await store.instances.list(formation))
    if (executor !== undefined && !isTerminal(state)) services.set(executor, (services.get(executor) ?? new Set()).add(service))
  return services
}

/** What these services of the release need; undefined when that is nothing. */
const choreOf = ({formation, release, services, slug, pins = {}}: Release, names: ReadonlySet<string>): FetchChore | undefined => {
  const wanted = Object.entries(services).flatMap(([name, service]) => (names.has(name) ? [service] : []))
  const images = new Map<string, FetchChore['images'][number]>()
  for (const {image, imageArchive} of wanted) {
    if (image === undefined) continue
    const digest = Object.hasOwn(pins, image) ? pins[image] : undefined
    const named = digest === undefined ? image : pinnedName(image, digest)
    images.set(named, {image: named, ...(imageArchive !== undefined && {archive: imageArchive})})
  }
  const needsSlug = slug !== undefined && wanted.some(({bare}) => bare !== true)
  if (images.size === 0 && !needsSlug) return undefined
  const chore = {kind: 'fetch', id: fetchId(formation, release), formation, release, images: [...images.values()]} as const
  return needsSlug ? {...chore, slug} : chore
}

/** Orders it. Never rejects: the release is there, and starts without. */
export const orderFetches = async (
  {store, log}: {readonly store: Pick<Store, 'instances' | 'chores'>; readonly log: Logger},
  release: Release,
  now: number,
): Promise<void> => {
  try {
    const executors = [...(await executorsOf(store, release.formation))].slice(0, fetchExecutorsMax)
    const orders = executors.flatMap(([executor, names]) => {
      const chore = choreOf(release, names)
      return chore === undefined ? [] : [{executor, chore}]
    })
    for (let at = 0; at < orders.length; at += ordersAtOnceMax)
      await Promise.all(orders.slice(at, at + ordersAtOnceMax).map(({executor, chore}) => store.chores.orderFetch(executor, chore, now)))
  } catch (error) {
    log.warn({err: error, formation: release.formation, release: release.release}, 'what the release needs is not fetched ahead')
  }
}

export const fetchOperations = (store: Store): Pick<Operations<'formations'>, 'listFetches'> => ({
  listFetches: async ({params: {formation, release}}) => {
    const {release: number} = await findRelease(store, formation, releaseNumber(release))
    const executors = [...(await executorsOf(store, formation)).keys()].slice(0, fetchExecutorsMax)
    return {items: await store.chores.fetches(formation, number, executors)}
  },
})
