// Keeps images within a disk budget: those nobody uses go, the longest unused first. Never one that a container, a remembered release or a pull needs.
import {statfs} from 'node:fs/promises'
import {type EngineApi, EngineRefusal} from './api.ts'
import {type Images, inspectImage} from './images.ts'

/** Of the disk, when no budget is set. */
const diskShare = 0.1

interface Listed {
  readonly Id: string
  readonly Size: number
  readonly RepoTags?: readonly string[] | null
}

/** What is known of an image that may go. */
export interface Unused {
  readonly id: string
  readonly bytes: number
  /** When it was last seen in use. */
  readonly usedAt: number
}

/** Which images go so that the rest takes at most `bytesMax`; the longest unused first. Pure. */
export const doomed = (unused: readonly Unused[], bytesMax: number): readonly string[] => {
  let bytes = unused.reduce((sum, image) => sum + image.bytes, 0)
  const going: string[] = []
  for (const image of unused.toSorted((a, b) => a.usedAt - b.usedAt)) {
    if (bytes <= bytesMax) break
    going.push(image.id)
    bytes -= image.bytes
  }
  return going
}

export interface CollectOptions {
  readonly api: EngineApi
  readonly images: Images
  /** Whether instances of this release (`<formation>/<release>`) are here. */
  readonly isKept: (release: string) => boolean
  /** What unused images may take, in bytes; undefined for a tenth of the disk that holds them. */
  readonly bytesMax: number | undefined
  /** Milliseconds since the epoch. */
  readonly now: number
}

const budgetOf = async ({api, bytesMax}: CollectOptions): Promise<number> => {
  if (bytesMax !== undefined) return bytesMax
  const {DockerRootDir} = await api.call<{DockerRootDir: string}>('GET', '/info')
  const {blocks, bsize} = await statfs(DockerRootDir)
  return blocks * bsize * diskShare
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

/** Removes what is too much of what was pulled for releases; images that others brought stay. Answers what it removed. */
export const collectImages = async (options: CollectOptions): Promise<readonly string[]> => {
  const {api, images, isKept, now} = options
  const known = images.seen(isKept, now)
  const listed = await api.call<Listed[]>('GET', '/images/json')
  const containers = await api.call<{ImageID: string}[]>('GET', '/containers/json', {query: {all: '1'}})
  const running = new Set(containers.map(({ImageID}) => ImageID))
  const unused = listed.flatMap(({Id: id, Size: bytes, RepoTags}) => {
    const image = known.get(id)
    const isOurs = image?.broughtAs !== undefined && (RepoTags ?? []).every(tag => image.broughtAs?.includes(tag))
    return !isOurs || image.isKept || running.has(id) ? [] : [{id, bytes, usedAt: image.usedAt}]
  })
  const going = unused.length === 0 ? [] : doomed(unused, await budgetOf(options))
  const gone: string[] = []
  for (const id of going) if (await removeImage(api, id, known.get(id)?.broughtAs ?? [])) gone.push(id)
  await images.forget(new Set(gone))
  return gone
}
