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
  const own = new Set([...assignments, ...fetched].map(({formation, release}) => `${formation}/${release}`))
  const answered: Answered[] = []
  // One after the other: those of one release would only be in each other's way.
  for (const {formation, release, image, digest} of pins) {
    const taken = own.has(`${formation}/${release}`) ? await store.releases.pin({formation, release, image, digest}) : undefined
    if (taken?.outcome === 'conflict') throw new GilliamError('conflict', 'What an image means could not be written; tell it again.')
    answered.push({formation, release, image, ...(taken?.outcome === 'ok' && {digest: taken.digest})})
  }
  return {pins: answered}
}
