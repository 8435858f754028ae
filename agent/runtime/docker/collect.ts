// The images that nobody uses, and their removal. Never one that a container, a remembered release or a pull needs.
import type {Leftover} from '../../leftovers.ts'
import {type EngineApi, EngineRefusal} from './api.ts'
import {type Images, inspectImage} from './images.ts'

export interface UnusedOptions {
  readonly api: EngineApi
  readonly images: Images
  /** Whether this release (`<formation>/<release>`) is here, or soon will be. */
  readonly isKept: (release: string) => boolean
  /** Milliseconds since the epoch. */
  readonly now: number
}

interface Listed {
  readonly Id: string
  readonly Size: number
  readonly RepoTags?: readonly string[] | null
}

/**
 * Takes our names from the image and removes it when nobody gave it another, or started a container of it, meanwhile. Never by force: the engine itself refuses
 * what somebody needs. Answers whether it is gone.
 */
const removeImage = async (api: EngineApi, id: string, names: readonly string[]): Promise<boolean> => {
  const remove = (name: string) =>
    api.call('DELETE', `/images/${name}`).catch(error => {
      if (!(error instanceof EngineRefusal)) throw error
    })
  for (const name of new Set(names)) await remove(name)
  const left = await inspectImage(api, id)
  if (left === undefined) return true
  if ((left.RepoTags ?? []).length > 0) return false
  await remove(id)
  return (await inspectImage(api, id)) === undefined
}

/** The images that were brought for releases none of which is kept, and that no container is of; images that others brought are none of ours. */
export const unusedImages = async ({api, images, isKept, now}: UnusedOptions): Promise<readonly Leftover[]> => {
  const known = images.seen(isKept, now)
  const listed = await api.call<Listed[]>('GET', '/images/json')
  const containers = await api.call<{ImageID: string}[]>('GET', '/containers/json', {query: {all: '1'}})
  const running = new Set(containers.map(({ImageID}) => ImageID))
  return listed.flatMap(({Id: id, Size: bytes, RepoTags}) => {
    const image = known.get(id)
    const names = image?.broughtAs
    if (image === undefined || names === undefined || image.isKept || running.has(id)) return []
    if (!(RepoTags ?? []).every(tag => names.includes(tag))) return []
    const remove = async (): Promise<boolean> => {
      const isGone = await removeImage(api, id, names)
      if (isGone) await images.forget(new Set([id]))
      return isGone
    }
    return [{what: `image ${id}`, bytes, usedAt: image.usedAt, remove}]
  })
}
