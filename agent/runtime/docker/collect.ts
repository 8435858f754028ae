// Keeps images within a disk budget: those nobody uses go, the longest unused first. Never one that a container, a remembered release or a pull needs.
import {statfs} from 'node:fs/promises'
import {type EngineApi, EngineRefusal} from './api.ts'
import type {Images} from './images.ts'

/** Of the disk, when no budget is set. */
const diskShare = 0.1

interface Listed {
  readonly Id: string
  readonly Size: number
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

/** Removes what is too much of what was pulled for releases; images that others brought stay. Answers what it removed. */
export const collectImages = async (options: CollectOptions): Promise<readonly string[]> => {
  const {api, images, isKept, now} = options
  const known = images.seen(isKept, now)
  const listed = await api.call<Listed[]>('GET', '/images/json')
  const containers = await api.call<{ImageID: string}[]>('GET', '/containers/json', {query: {all: '1'}})
  const running = new Set(containers.map(({ImageID}) => ImageID))
  const unused = listed.flatMap(({Id: id, Size: bytes}) => {
    const image = known.get(id)
    return image === undefined || image.isKept || running.has(id) ? [] : [{id, bytes, usedAt: image.usedAt}]
  })
  const going = unused.length === 0 ? [] : doomed(unused, await budgetOf(options))
  for (const id of going) {
    await api.call('DELETE', `/images/${id}`, {query: {force: '1'}}).catch(error => {
      // Somebody has just started a container of it, or removed it.
      if (!(error instanceof EngineRefusal)) throw error
    })
  }
  await images.forget(new Set(going))
  return going
}
