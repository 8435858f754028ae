// Types that the stage adds, for manifests that name one.
import {GilliamError} from '#shared/errors.ts'
import type {Session} from '../session.ts'
import {readTypeFile, type StageType} from './own.ts'

/** Asks the control plane; its answer is read as any file is. */
export const stageTypeOf =
  (session: Session): StageType =>
  async name => {
    try {
      const {text} = await (await session.client()).call('getType', {params: {type: name}})
      return readTypeFile({from: 'stage', text})
    } catch (error) {
      if (error instanceof GilliamError && error.code === 'not_found') return undefined
      throw error
    }
  }
