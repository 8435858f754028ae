// What executors find that tags of images mean: taken for releases that they are to run, the first word on each. Asks no registry.
import type {Store} from '#lambdas/store/index.ts'
import type {ImagePin} from '#shared/domain/image.ts'
import {GilliamError} from '#shared/errors.ts'

type Answered = Omit<ImagePin, 'digest'> & {readonly digest?: string}

/** Answers each with what holds. Throws conflict when one could not be written; the agent tells of all again. */
export const takePins = async (
  store: Pick<Store, 'executors' | 'releases'>,
  executor: string,
  pins: readonly ImagePin[],
  now: number,
): Promise<{pins?: Answered[]}> => {
  if (pins.length === 0) return {}
  const {assignments, chores} = await store.executors.orders(executor, now)
  const fetched = chores.filter(chore => chore.kind === 'fetch')
  /** Of a service that it is to run, or to be fetched ahead: what others run is not for it to say. */
  const isOwn = async ({formation, release, image}: ImagePin): Promise<boolean> => {
    const isOf = (each: {readonly formation: string; readonly release: number}) => each.formation === formation && each.release === release
    if (fetched.some(chore => isOf(chore) && chore.images.some(each => each.image === image))) return true
    const own = new Set(assignments.filter(isOf).map(({service}) => service))
    const services = own.size === 0 ? {} : ((await store.releases.get(formation, release))?.services ?? {})
    return Object.entries(services).some(([name, service]) => own.has(name) && service.image === image)
  }
  const answered: Answered[] = []
  // One after the other: those of one release would only be in each other's way.
  for (const pin of pins) {
    const {formation, release, image, digest} = pin
    const taken = (await isOwn(pin)) ? await store.releases.pin({formation, release, image, digest}) : undefined
    if (taken?.outcome === 'conflict') throw new GilliamError('conflict', 'What an image means could not be written; tell it again.')
    answered.push({formation, release, image, ...(taken?.outcome === 'ok' && {digest: taken.digest})})
  }
  return {pins: answered}
}
