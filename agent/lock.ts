// One agent per home: a file that says who has it. Knows nothing else of the home.
import {readFileSync, rmSync, writeFileSync} from 'node:fs'
import {isAlive, readBootId, statOf} from './runtime/proc.ts'

const holderOf = (path: string): number | undefined => {
  try {
    const [pid, startTicks, bootId] = readFileSync(path, 'utf8').trim().split(' ')
    const alive = bootId === readBootId() && startTicks !== undefined && isAlive(Number(pid), startTicks)
    return alive ? Number(pid) : undefined
  } catch {
    return undefined
  }
}

/** Takes the lock, also over from an agent that died; returns what gives it back. Throws an error that names the holder when one lives. */
export const takeLock = (path: string): (() => void) => {
  const mine = `${process.pid} ${statOf(process.pid)?.startTicks} ${readBootId()}\n`
  for (let tries = 0; tries < 2; tries++) {
    try {
      writeFileSync(path, mine, {flag: 'wx', mode: 0o600})
      return () => rmSync(path, {force: true})
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = holderOf(path)
    if (holder !== undefined)
      throw new Error(`an agent runs here already (pid ${holder}): stop it, or give this one another GILLIAM_AGENT_HOME`)
    rmSync(path, {force: true})
  }
  throw new Error(`${path} can not be taken: another agent is starting here`)
}
