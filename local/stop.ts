// Stops a stage: agents with their instances first, so that they can still report; then the control plane, then the database. The state stays.
import {readdir} from 'node:fs/promises'
import {dirname} from 'node:path'
import {findDatabase, stopDatabase} from './database.ts'
import {readJson} from './files.ts'
import type {StagePaths} from './paths.ts'
import {endProcess, type ProcessRecord} from './processes.ts'
import {findAgent, findControlPlane, stopAgent, stopControlPlane} from './start.ts'
import {endStrays} from './strays.ts'
import {endWatcher} from './watch.ts'

const foregroundTimeoutMs = 330_000

/** Ids of the executors that ever ran in this stage. */
const knownExecutors = async (paths: StagePaths): Promise<readonly string[]> => {
  const names = await readdir(dirname(paths.agent('any').home)).catch(() => [])
  return names.filter(name => name.endsWith('.pid')).map(name => name.slice(0, -'.pid'.length))
}

/** Lets whoever watches the stage end first: it would start again what is stopped here. */
export const stopForeground = async (paths: StagePaths): Promise<void> => {
  const watcher = (await readJson(paths.foreground)) as ProcessRecord | undefined
  // It may not have come so far as to hold the lock.
  await endWatcher(paths)
  if (watcher !== undefined && watcher.pid !== process.pid) await endProcess(watcher, 'SIGTERM', foregroundTimeoutMs)
}

/** Of each agent what it was to stop and could not, as lines for people; nobody but the next agent of this home can. */
export const describeLeft = async (paths: StagePaths): Promise<readonly string[]> => {
  const executors = await knownExecutors(paths)
  const found = await Promise.all(
    executors.map(async executor => {
      const left = (await readJson(paths.agent(executor).left)) as readonly string[] | undefined
      return left === undefined
        ? []
        : [
            `${left.join(', ')} on ${executor} could not be stopped and may run on; the next start looks after it (see ${paths.agent(executor).log})`,
          ]
    }),
  )
  return found.flat()
}

/** Stops everything that runs in the stage's home; false when nothing did. Safe to repeat. */
export const stopStage = async (paths: StagePaths, progress: (text: string) => void): Promise<boolean> => {
  const executors = await knownExecutors(paths)
  const agents = (await Promise.all(executors.map(executor => findAgent(paths, executor)))).filter(agent => agent !== undefined)
  if (agents.length > 0) progress('stopping the instances')
  await Promise.all(agents.map(agent => stopAgent(agent, true)))
  const strays = await endStrays(paths)
  const controlPlane = await findControlPlane(paths)
  if (controlPlane !== undefined) {
    progress('stopping the control plane')
    await stopControlPlane(controlPlane)
  }
  const database = await findDatabase(paths.database)
  if (database !== undefined) await stopDatabase(paths.database)
  return agents.length > 0 || strays > 0 || controlPlane !== undefined || database !== undefined
}
