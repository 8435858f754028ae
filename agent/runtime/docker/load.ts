// One image from the artifact store, as `docker save` wrote it: fetched, checked, and given to the engine. images.ts decides when.
import {createReadStream} from 'node:fs'
import {rm} from 'node:fs/promises'
import type {SlugReference} from '#shared/domain/release.ts'
import {type EngineApi, EngineRefusal} from './api.ts'
import {jsonLines} from './frames.ts'
import {ImageRefused, pullMsMax} from './pull.ts'

/** Fetches an artifact into a file of its own, checked against its SHA-256; the caller removes it. */
export type FetchArchive = (archive: SlugReference, signal: AbortSignal) => Promise<string>

export interface Load {
  readonly api: EngineApi
  readonly fetch: FetchArchive
  readonly archive: SlugReference
  readonly signal: AbortSignal
  readonly onProgress: (text: string) => void
}

/** What the engine says of the archive when it can not take it. */
const complaintOf = (message: unknown): string | undefined => {
  const error = typeof message === 'object' && message !== null && 'error' in message ? message.error : undefined
  return typeof error === 'string' ? error : undefined
}

/** What the engine says when an archive gives an image a name: `Loaded image: postgres:16`. */
const nameIn = (message: unknown): string | undefined => {
  const said = typeof message === 'object' && message !== null && 'stream' in message ? String(message.stream) : ''
  return /^Loaded image: (\S+)$/m.exec(said)?.[1]
}

/** Takes names back that an archive gave to its images: they may be others', who would get this image by them. */
const refuseNames = async (api: EngineApi, names: readonly string[], {sha256}: SlugReference): Promise<void> => {
  if (names.length === 0) return
  for (const name of names)
    await api.call('DELETE', `/images/${name}`, {query: {force: '1'}}).catch(error => {
      if (!(error instanceof EngineRefusal && error.status === 404)) throw error
    })
  const given = names.slice(0, 3).join(', ')
  throw new ImageRefused(`the image’s archive ${sha256.slice(0, 12)} gives images names (${given}); save the image by its id`, false)
}

/** Loads the archive. Throws {@link ImageRefused} when the engine does not take it, which trying again does not change. */
export const load = async ({api, fetch, archive, signal, onProgress}: Load): Promise<void> => {
  onProgress('fetching the image')
  const file = await fetch(archive, signal)
  try {
    onProgress('unpacking the image')
    const answer = await api.stream('POST', '/images/load', {
      query: {quiet: '1'},
      headers: {'content-type': 'application/x-tar', 'content-length': String(archive.bytes)},
      body: createReadStream(file),
      timeoutMs: pullMsMax,
      signal,
    })
    const names: string[] = []
    for await (const message of jsonLines(answer)) {
      const name = nameIn(message)
      if (name !== undefined) names.push(name)
      const complaint = complaintOf(message)
      if (complaint !== undefined)
        throw new ImageRefused(`the image’s archive ${archive.sha256.slice(0, 12)} can not be loaded: ${complaint}`, false)
    }
    await refuseNames(api, names, archive)
  } catch (error) {
    if (error instanceof EngineRefusal)
      throw new ImageRefused(`the image’s archive can not be loaded: ${error.message}`, error.status >= 500)
    throw error
  } finally {
    await rm(file, {force: true})
  }
}
