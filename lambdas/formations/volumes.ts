// Volumes: list them, and give one up. What an instance has can not be given up.
import type {Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {GilliamError} from '#shared/errors.ts'

export const volumeOperations = (store: Store): Pick<Operations<'formations'>, 'listVolumes' | 'releaseVolume'> => ({
  // Also of a formation that was destroyed: its data is still there.
  listVolumes: async ({params}) => ({items: await store.volumes.list(params.formation)}),
  releaseVolume: async ({params: {formation, service}}, {actor}) => {
    const {outcome} = await store.by(actor).volumes.release(formation, service)
    if (outcome === 'missing') throw new GilliamError('not_found', `“${service}” of “${formation}” has no volume.`)
    if (outcome === 'held')
      throw new GilliamError(
        'conflict',
        `An instance of “${service}” has the volume; scale “${service}” to 0 and wait until that has stopped.`,
      )
    return undefined
  },
})
