// Keeps the agent's disk in bounds: folders of instances that are over, and slugs that nobody uses. Touches nothing of a live instance.
import {readdir, stat} from 'node:fs/promises'
import {join} from 'node:path'
import type {SlugReference} from '#shared/domain/release.ts'
import {removeTrees} from './runtime/owner.ts'
import type {Slugs} from './slugs/slugs.ts'

/** Folders of ended instances kept for their log files. */
export const endedFoldersMax = 50

/** Removes what an ended instance needed to run; its log files stay for a while. */
export const emptyFolder = async (directory: string): Promise<void> => {
  await removeTrees(['run', 'run.next', 'control', 'overlay', 'output'].map(name => join(directory, name)))
}

/** Removes the oldest folders of ended instances beyond `keptMax`. `live` holds the keys of instances the agent knows. */
export const trimFolders = async (instances: string, live: (key: string) => boolean, keptMax = endedFoldersMax): Promise<void> => {
  const ended: {path: string; changedAt: number}[] = []
  for (const name of await readdir(instances)) {
    const path = join(instances, name)
    if (!live(name)) ended.push({path, changedAt: (await stat(path)).mtimeMs})
  }
  ended.sort((a, b) => b.changedAt - a.changedAt)
  const old = ended.slice(keptMax).map(({path}) => path)
  if (old.length > 0) await removeTrees(old)
}

/** All of it. */
export const cleanUp = async (given: {
  readonly instances: string
  readonly live: (key: string) => boolean
  readonly slugs: Slugs
  readonly slugsInUse: ReadonlyMap<string, SlugReference>
}): Promise<void> => {
  await trimFolders(given.instances, given.live)
  await given.slugs.collect(given.slugsInUse)
}
