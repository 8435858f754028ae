// One agent per home: numbered claims in a folder, of which the newest counts. Only one can make the next one, so that of agents that find a dead holder at the
// same time one follows it. A claim is a symbolic link whose target says who made it: never seen half written, and made on a full disk as well. Knows nothing
// else of the home.
import {mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync} from 'node:fs'
import {join} from 'node:path'
import {isAlive, readBootId, statOf} from './runtime/proc.ts'

/** Agents that start at the same moment at which this one gives up. */
const racesMax = 100

const holderOf = (path: string): number | undefined => {
  try {
    const [pid, startTicks, bootId] = readlinkSync(path).split(' ')
    const alive = bootId === readBootId() && startTicks !== undefined && isAlive(Number(pid), startTicks)
    return alive ? Number(pid) : undefined
  } catch {
    return undefined
  }
}

/** Newest first. */
const claimsIn = (folder: string): number[] =>
  readdirSync(folder)
    .map(Number)
    .filter(Number.isInteger)
    .sort((a, b) => b - a)

/** Whether the claim was made; false when another made it first. */
const claim = (text: string, path: string): boolean => {
  try {
    symlinkSync(text, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  }
}

const follow = (folder: string, mine: string): number => {
  for (let races = 0; races < racesMax; races++) {
    // The one before the newest stays as well: who lists the folder meanwhile sees at least one of them.
    const [newest = 0, , ...old] = claimsIn(folder)
    const holder = holderOf(join(folder, String(newest)))
    if (holder !== undefined)
      throw new Error(`an agent runs here already (pid ${holder}): stop it, or give this one another GILLIAM_AGENT_HOME`)
    if (!claim(mine, join(folder, String(newest + 1)))) continue
    for (const number of old) rmSync(join(folder, String(number)), {force: true})
    return newest + 1
  }
  throw new Error(`${folder} can not be taken: many agents are starting here`)
}

/** Takes the lock, also over from an agent that died; returns what gives it back. Throws an error that names the holder when one lives. */
export const takeLock = (folder: string): (() => void) => {
  mkdirSync(folder, {recursive: true, mode: 0o700})
  const number = follow(folder, `${process.pid} ${statOf(process.pid)?.startTicks} ${readBootId()}`)
  return () => void claim('nobody', join(folder, String(number + 1)))
}
