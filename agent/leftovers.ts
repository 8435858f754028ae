// The disk budget: what nobody uses any more goes, the longest unused first, whatever it is, until the rest fits. Knows neither images nor slugs nor logs: whoever
// keeps them says what is unused, and removes it.
import {readdir, stat, statfs} from 'node:fs/promises'
import {join} from 'node:path'

/** Of the smallest disk, when no budget is set. */
const diskShare = 0.1

/** Something that nobody uses. */
export interface Leftover {
  /** `image sha256:…`, `slug …`, `logs of crm.users.i1`. */
  readonly what: string
  readonly bytes: number
  /** When it was last seen in use, in milliseconds since the epoch. */
  readonly usedAt: number
  /** Answers whether it is gone: somebody may have begun to use it. */
  readonly remove: () => Promise<boolean>
}

/** Which go so that the rest takes at most `bytesMax`; the longest unused first. Pure. */
export const doomed = <T extends Pick<Leftover, 'bytes' | 'usedAt'>>(leftovers: readonly T[], bytesMax: number): readonly T[] => {
  let bytes = leftovers.reduce((sum, each) => sum + each.bytes, 0)
  const going: T[] = []
  for (const each of leftovers.toSorted((a, b) => a.usedAt - b.usedAt)) {
    if (bytes <= bytesMax) break
    going.push(each)
    bytes -= each.bytes
  }
  return going
}

/** Removes what is too much, and answers what that was. One that can not be removed does not keep the others. */
export const keepWithin = async (
  leftovers: readonly Leftover[],
  bytesMax: number,
  onError: (error: unknown, what: string) => void,
): Promise<readonly string[]> => {
  const gone: string[] = []
  for (const {what, remove} of doomed(leftovers, bytesMax)) {
    const isGone = await remove().catch(error => {
      onError(error, `${what} can not be removed`)
      return false
    })
    if (isGone) gone.push(what)
  }
  return gone
}

/** A tenth of the smallest disk that any of these folders is on, in bytes. */
export const budgetOf = async (folders: readonly string[]): Promise<number> => {
  const sizes = await Promise.all(folders.map(async folder => statfs(folder).then(({blocks, bsize}) => blocks * bsize)))
  return Math.min(...sizes) * diskShare
}

/** What the files in a folder hold together. */
export const folderBytes = async (folder: string): Promise<number> => {
  let bytes = 0
  for (const entry of await readdir(folder, {recursive: true, withFileTypes: true}))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  return bytes
}
