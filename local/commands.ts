// The three things `./bootstrap` can do with a stage: start it and return, start and watch it, stop it. Writes results to standard output and progress to
// standard error.
import {existsSync} from 'node:fs'
import {homedir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Environment} from '#shared/config.ts'
import {ownRoot} from './bundle.ts'
import {replaceFile} from './files.ts'
import {installStage, type StageUnit, uninstallStage} from './install.ts'
import {BootstrapError, type BootstrapOptions, urlsOf} from './options.ts'
import {stagePaths} from './paths.ts'
import {type ProcessRecord, takeLock} from './processes.ts'
import {
  bringUp,
  type Context,
  createMending,
  endStarted,
  prepare,
  type RunningStage,
  type Started,
  settingsOf,
  waitUntilUp,
} from './stage.ts'
import {findControlPlane} from './start.ts'
import {createStatusLine, describeStage} from './status.ts'
import {describeLeft, stopForeground, stopStage} from './stop.ts'
import {isBeingMended, leaveWatcher} from './watch.ts'

const status = createStatusLine(process.stderr)
const progress = (text: string) => status.show(`${text} …`)

const say = (text: string) => {
  status.end()
  process.stderr.write(`${text}\n`)
}

/** As people write it: `~` for their own folder. */
const shown = (folder: string): string => (folder.startsWith(`${homedir()}/`) ? `~${folder.slice(homedir().length)}` : folder)

const watchEveryMs = 1_000
/** A watcher may be starting a control plane, which takes up to 30 s. */
const mendingTimeoutMs = 45_000
const lockPollMs = 100

const print = (options: BootstrapOptions, controlPlane: ProcessRecord | undefined): void => {
  const {stage, home} = options
  const {api, router, proxy} = urlsOf(options)
  status.end()
  if (options.json) {
    process.stdout.write(`${JSON.stringify({stage, api, router, proxy, home, pid: controlPlane?.pid ?? null})}\n`)
    return
  }
  process.stdout.write(
    `Stage “${stage}” is up.\n  control plane  ${api}\n  router         ${router}\n  proxy          ${proxy}\n  state          ${shown(home)}\n`,
  )
}

/** Takes the stage for starting or stopping; throws when another bootstrap has it. */
const lock = async (context: Context): Promise<() => void> => {
  const {paths} = context
  let unlock = await takeLock(paths.lock)
  for (let waitedMs = 0; unlock === undefined && waitedMs < mendingTimeoutMs && (await isBeingMended(paths)); waitedMs += lockPollMs) {
    await sleep(lockPollMs)
    unlock = await takeLock(paths.lock)
  }
  if (unlock === undefined)
    throw new BootstrapError(`another ./bootstrap is starting or stopping the stage in ${context.options.home}; wait for it`)
  return unlock
}

const up = async (context: Context, started: Started): Promise<RunningStage> => {
  prepare(context)
  const unlock = await lock(context)
  try {
    const running = await bringUp(context, started)
    if (context.options.mode === 'detach' && context.options.watched) await leaveWatcher(context)
    return running
  } catch (error) {
    status.end()
    await endStarted(context, started)
    throw error
  } finally {
    unlock()
  }
}

const stop = async (context: Context): Promise<number> => {
  const {options, paths} = context
  await stopForeground(paths)
  const unlock = existsSync(paths.home) ? await lock(context) : () => undefined
  try {
    const wasRunning = await stopStage(paths, progress)
    for (const line of await describeLeft(paths)) say(line)
    status.end()
    process.stderr.write(
      wasRunning
        ? `Stage “${options.stage}” is stopped; its state is in ${shown(options.home)}\n`
        : `nothing runs in ${shown(options.home)}\n`,
    )
    if (options.json) print(options, undefined)
    return 0
  } finally {
    unlock()
  }
}

/** Shows the status and starts again what dies, until told to stop. */
const watch = async (context: Context, started: Started, running: RunningStage): Promise<number> => {
  const unwatch = await takeLock(context.paths.foreground)
  const isOurs = started.controlPlane !== undefined
  const mend = createMending(context, started, text => status.show(text))
  if (!context.options.json)
    process.stdout.write(isOurs ? 'Ctrl-C stops it.\n' : 'It ran already: Ctrl-C leaves it running, --stop stops it.\n')
  try {
    while (!context.signal.aborted) {
      if (unwatch !== undefined) await mend()
      status.show(await describeStage(running.client))
      await sleep(watchEveryMs, undefined, {signal: context.signal}).catch(() => undefined)
    }
    status.end()
    progress('stopping')
    await endStarted(context, started)
    for (const line of await describeLeft(context.paths)) say(line)
    status.end()
    return 0
  } finally {
    unwatch?.()
  }
}

const unitOf = ({options: {stage, home}, env}: Context): StageUnit => ({
  ...{stage, home, env, bootstrap: join(ownRoot(), 'bootstrap'), isSystem: process.getuid?.() === 0},
})

/** Leaves the stage to systemd, with these ports and agents; what runs already runs on. */
const install = async (context: Context): Promise<number> => {
  const {options, paths} = context
  prepare(context)
  const running = await findControlPlane(paths)
  if (running === undefined) replaceFile(paths.stage, `${JSON.stringify(settingsOf(options), null, 2)}\n`)
  await stopForeground(paths)
  const file = await installStage(unitOf(context), say)
  await waitUntilUp(options, context.signal)
  print(options, await findControlPlane(paths))
  say(`${file} starts it at every boot; ./bootstrap --uninstall removes it`)
  return 0
}

const uninstall = async (context: Context): Promise<number> => {
  await uninstallStage(unitOf(context))
  return stop(context)
}

/** Does what the command line asks; answers the exit code. Throws BootstrapError for what one line explains. */
export const perform = async (options: BootstrapOptions, env: Environment, signal: AbortSignal): Promise<number> => {
  const context: Context = {options, paths: stagePaths(options.home), env, signal, progress, say}
  try {
    if (options.mode === 'stop') return await stop(context)
    if (options.mode === 'install') return await install(context)
    if (options.mode === 'uninstall') return await uninstall(context)
    const started: Started = {agents: []}
    const running = await up(context, started)
    print(options, running.controlPlane)
    return options.mode === 'detach' ? 0 : await watch(context, started, running)
  } finally {
    status.end()
  }
}
