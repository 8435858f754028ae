// Starts again what of a stage has died, with growing waits for what dies at once. Owns when; how a part is started is start.ts's. Instances are their
// agent's to look after, the database is the control plane's.
import {setTimeout as sleep} from 'node:timers/promises'
import type {Environment} from '#shared/config.ts'
import {backoffMs} from '#shared/domain/backoff.ts'
import {agentMalloc} from '#shared/host/unit.ts'
import {bundleOf} from './bundle.ts'
import {readJson} from './files.ts'
import type {BootstrapOptions, StageSettings} from './options.ts'
import {type StagePaths, stagePaths} from './paths.ts'
import {endProcess, findProcess, isAlive, type ProcessRecord, startProcess, takeLock} from './processes.ts'
import {executorIds, findAgent, findControlPlane, startAgent, startControlPlane} from './start.ts'

const lookEveryMs = 1_000
const againBaseMs = 1_000
const againMaxMs = 30_000
/** What ran for so long had started; when it dies after that it is started again at once. */
const steadyMs = 60_000
/** It may be starting a control plane, which takes up to 30 s. */
const watcherStopTimeoutMs = 60_000

/** One process of the stage. */
export interface Part {
  readonly name: string
  readonly isThere: () => Promise<boolean>
  /** Rejects when it can not be started. */
  readonly start: () => Promise<unknown>
}

interface Revival {
  readonly at: number
  /** Starts in a row that did not last. */
  readonly failures: number
}

export interface WatchOptions {
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number
  readonly say: (text: string) => void
}

/** Looks once at each part and starts what is missing and due. Never rejects. */
export const createLook = ({now, say}: WatchOptions): ((parts: readonly Part[]) => Promise<void>) => {
  const revivals = new Map<string, Revival>()
  const revive = async ({name, start}: Part): Promise<void> => {
    const {at, failures} = revivals.get(name) ?? {at: Number.NEGATIVE_INFINITY, failures: 0}
    const lasted = now() - at >= steadyMs
    if (!lasted && now() - at < backoffMs(failures, againBaseMs, againMaxMs)) return
    revivals.set(name, {at: now(), failures: lasted ? 1 : failures + 1})
    say(`${name} has ended: it is started again`)
    await start().catch((error: Error) => say(`${name} can not be started: ${error.message}`))
  }
  return async parts => {
    for (const part of parts) if (!(await part.isThere())) await revive(part)
  }
}

interface Stage {
  readonly options: BootstrapOptions
  readonly paths: StagePaths
  readonly env: Environment
}

/** What a look is to find; `onStarted` hears of what had to be started. */
export const partsOf = (
  {options, paths, env}: Stage,
  onStarted: {controlPlane: (record: ProcessRecord) => void; agent: (record: ProcessRecord) => void},
): readonly Part[] => [
  {
    name: 'the control plane',
    isThere: async () => (await findControlPlane(paths)) !== undefined,
    start: async () => onStarted.controlPlane(await startControlPlane(options, paths, env)),
  },
  ...executorIds(options.agents).map(executor => ({
    name: `agent ${executor}`,
    isThere: async () => (await findAgent(paths, executor)) !== undefined,
    start: async () => onStarted.agent(await startAgent(options, paths, env, executor)),
  })),
]

/** The same look, which leaves a stage alone that another bootstrap is starting or stopping. */
export const createGuardedLook = (paths: StagePaths, options: WatchOptions): ((parts: readonly Part[]) => Promise<void>) => {
  const look = createLook(options)
  return async parts => {
    const missing: Part[] = []
    for (const part of parts) if (!(await part.isThere())) missing.push(part)
    const unlock = missing.length === 0 ? undefined : await takeLock(paths.lock)
    await (unlock === undefined ? undefined : look(missing).finally(unlock))
  }
}

const nothing = {controlPlane: () => undefined, agent: () => undefined}

/** `./bootstrap --watch`: looks every second until told to end, and ends nothing then. Answers the exit code. */
export const watchStage = async (options: BootstrapOptions, env: Environment, signal: AbortSignal): Promise<number> => {
  const paths = stagePaths(options.home)
  const unwatch = await takeLock(paths.foreground)
  if (unwatch === undefined) return 0
  const say = (text: string) => process.stderr.write(`${new Date().toISOString()} ${text}\n`)
  const look = createGuardedLook(paths, {now: () => performance.now(), say})
  try {
    while (!signal.aborted) {
      // Whoever starts it again may ask for other agents.
      const settings = (await readJson(paths.stage).catch(() => undefined)) as StageSettings | undefined
      await look(partsOf({options: {...options, ...settings}, paths, env}, nothing))
      await sleep(lookEveryMs, undefined, {signal}).catch(() => undefined)
    }
    return 0
  } finally {
    unwatch()
  }
}

/** Its argument tells it from a bootstrap in the foreground. */
const findWatcher = (paths: StagePaths): Promise<ProcessRecord | undefined> => findProcess(paths.watcherPid, '--watch')

/** Ends the watcher that an earlier `--detach` left, if there is one. */
export const endWatcher = async (paths: StagePaths): Promise<void> => {
  const watcher = await findWatcher(paths)
  if (watcher !== undefined) await endProcess(watcher, 'SIGTERM', watcherStopTimeoutMs)
}

/** Leaves a watcher behind, in place of the one that may be there: it has this program and environment. Nothing where a foreground bootstrap watches. */
export const leaveWatcher = async ({options: {home}, paths, env}: Stage): Promise<void> => {
  await endWatcher(paths)
  await startProcess({
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1', bundleOf('bootstrap'), '--home', home, '--watch'],
    env: {...env, ...agentMalloc},
    logFile: paths.watcherLog,
    pidFile: paths.watcherPid,
  })
}

/** Whether the stage is only being put right by its watcher, which is soon done. */
export const isBeingMended = async (paths: StagePaths): Promise<boolean> => {
  const [holder, watcher] = (await Promise.all([readJson(paths.lock), readJson(paths.foreground)])) as (ProcessRecord | undefined)[]
  return holder !== undefined && holder.pid === watcher?.pid && isAlive(holder)
}
