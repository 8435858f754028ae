// Artifacts that are not unpacked: downloaded into a file of their own and checked.
import {randomUUID} from 'node:crypto'
import {mkdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import type {SlugReference} from '#shared/domain/release.ts'
import {download, type Locate} from './download.ts'

/** Fetches artifacts into `directory`, which is emptied first of what an earlier agent left there. The caller removes the file. Rejects with what went wrong with which. */
export const archiveFetcher = ({directory, locate}: {readonly directory: string; readonly locate: Locate}) => {
  const emptied = rm(directory, {recursive: true, force: true})
  return async (archive: SlugReference, signal: AbortSignal): Promise<string> => {
    await emptied
    await mkdir(directory, {recursive: true, mode: 0o700})
    const file = join(directory, randomUUID())
    try {
      await download(await locate(archive.sha256, signal), archive, file, signal)
      return file
    } catch (error) {
      await rm(file, {force: true})
      throw new Error(`artifact ${archive.sha256.slice(0, 12)} could not be fetched: ${(error as Error).message}`, {cause: error})
    }
  }
}
