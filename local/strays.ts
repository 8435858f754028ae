// Instances whose agent was killed: they run on by design, and `--stop` has to end them all the same. Owns telling them from strangers: an instance runs
// below the stage's own agents folder and carries the agent's environment; nothing else has both.
import {readdirSync, readFileSync, readlinkSync} from 'node:fs'
import {join} from 'node:path'
import type {StagePaths} from './paths.ts'
import {endProcess, type ProcessRecord, recordOf} from './processes.ts'

const graceMs = 10_000

const isInstance = (pid: number, folder: string): boolean => {
  try {
    if (!readlinkSync(`/proc/${pid}/cwd`).startsWith(folder)) return false
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .some(entry => entry.startsWith('GILLIAM_INSTANCE='))
  } catch {
    return false
  }
}

const findStrays = (paths: StagePaths): readonly ProcessRecord[] => {
  const folder = `${join(paths.home, 'agents')}/`
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && isInstance(Number(name), folder))
    .map(name => recordOf(Number(name)))
    .filter(record => record !== undefined)
}

/** Ends instances that no agent looks after any more. Returns how many processes there were. */
export const endStrays = async (paths: StagePaths): Promise<number> => {
  const strays = findStrays(paths)
  await Promise.all(strays.map(stray => endProcess(stray, 'SIGTERM', graceMs)))
  return strays.length
}
