// Volumes: list them, and give one up. What an instance has can not be given up.
import type {Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {GilliamError} from '#shared/errors.ts'

export const volumeOperations = (store: Store): Pick<Operations<'formations'>, 'listVolumes' | 'releaseVolume'> => ({
  // Also of a formation that was destroyed: its data is still there.
  listVolumes: async ({params: {formation}}, {now}) => ({
    items: [...(await store.volumes.list(formation)), ...(await store.volumes.doomed(formation, now))],
  }),
  releaseVolume: async ({params: {formation, service}, query: {data}}, {actor, now}) => {
    const {volumes} = store.by(actor)
    const {outcome} = data === 'remove' ? await volumes.remove(formation, service, now) : await volumes.release(formation, service)
    if (outcome === 'gone')
      throw new GilliamError(
        'conflict',
        `The executor of the volume of “${service}” is lost: nobody there could remove its data. Give it up without.`,
      )
    if (outcome === 'missing') throw new GilliamError('not_found', `“${service}” of “${formation}” has no volume.`)
    if (outcome === 'held')
      throw new GilliamError(
        'conflict',
        `An instance of “${service}” has the volume; scale “${service}” to 0 and wait until that has stopped.`,
      )
    return undefined
  },
})
