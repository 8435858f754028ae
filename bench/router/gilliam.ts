// Our router and our proxy as they are deployed: a program of their own, living on a feed. Owns their environment.
import {setTimeout as sleep} from 'node:timers/promises'
import {ensureBundle, ownRoot} from '#local/bundle.ts'
import {variables} from '#shared/config.ts'
import type {Processes} from './processes.ts'

const readyMsMax = 20_000

export interface ProgramOptions {
  readonly role: 'router' | 'proxy'
  readonly processes: Processes
  /** From {@link bundleProgram}. */
  readonly program: string
  /** URL of the feed. */
  readonly api: string
  readonly port: number
  readonly adminPort: number
  readonly workers: number
  readonly logFile: string
}

/** Whether the program knows what several workers are. */
export const hasWorkers = (): boolean => Object.keys(variables).includes('GILLIAM_WORKERS')

/** Makes one file of the program, as a stage does, once per run: sources that change meanwhile make no difference. */
export const bundleProgram = (folder: string): Promise<string> => ensureBundle('proxy', {root: ownRoot(), dist: folder})

/** Starts the program with metrics and the access log on, and waits until it has its table. */
export const startProgram = async ({role, processes, program, api, port, adminPort, workers, logFile}: ProgramOptions): Promise<number> => {
  const env = {
    PORT: String(port),
    PORT_9000: String(adminPort),
    GILLIAM_API: api,
    GILLIAM_TOKEN: 'bench',
    GILLIAM_ACCESS_LOG: 'all',
    GILLIAM_WORKERS: String(workers),
  }
  const pid = await processes.start({command: process.execPath, args: [program, role], port, env, outputFile: logFile})
  const deadline = Date.now() + readyMsMax
  while (!(await isReady(adminPort))) {
    if (Date.now() > deadline) throw new Error(`the ${role} did not get its table`)
    await sleep(50)
  }
  return pid
}

const isReady = async (adminPort: number): Promise<boolean> => {
  try {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`)
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}
