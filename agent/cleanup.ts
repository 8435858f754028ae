// What an agent's home keeps of instances that are over: their folders are emptied, and their logs stay while the disk budget allows. Touches nothing of a live
// instance.
import {readdir, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {folderBytes, type Leftover} from './leftovers.ts'
import {removeTrees} from './runtime/owner.ts'

/** Folders of ended instances kept for their log files. */
export const endedFoldersMax = 50

/** Removes what an ended instance needed to run; its log files stay for a while. */
export const emptyFolder = async (directory: string): Promise<void> => {
  await removeTrees(['run', 'run.next', 'control', 'overlay', 'output'].map(name => join(directory, name)))
}

/** Removes the oldest folders of ended instances beyond `keptMax`, and answers the others. `live` holds the keys of instances the agent knows. */
export const endedFolders = async (
  instances: string,
  live: (key: string) => boolean,
  keptMax = endedFoldersMax,
): Promise<readonly Leftover[]> => {
  const ended: {key: string; path: string; changedAt: number}[] = []
  for (const key of await readdir(instances)) {
    const path = join(instances, key)
    if (!live(key)) ended.push({key, path, changedAt: (await stat(path)).mtimeMs})
  }
  ended.sort((a, b) => b.changedAt - a.changedAt)
  const old = ended.splice(keptMax).map(({path}) => path)
  if (old.length > 0) await removeTrees(old)
  return Promise.all(
    ended.map(async ({key, path, changedAt}) => ({
      what: `logs of ${key}`,
      bytes: await folderBytes(path),
      usedAt: changedAt,
      remove: async () => {
        if (live(key)) return false
        await removeTrees([path])
        return true
      },
    })),
  )
}
