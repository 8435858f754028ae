// `./bootstrap` once Node is there: reads the command line, then starts, watches or stops a stage. Progress on standard error, results on standard output.
import {setTimeout as sleep} from 'node:timers/promises'
import {GilliamError} from '#shared/errors.ts'
import {BootstrapError, type BootstrapOptions, readBootstrapOptions, urlOf, usage} from './options.ts'
import {stagePaths} from './paths.ts'
import {type ProcessRecord, takeLock} from './processes.ts'
import {bringBack, bringUp, type Context, endStarted, preflight, type RunningStage, type Started} from './stage.ts'
import {findControlPlane} from './start.ts'
import {createStatusLine, describeStage} from './status.ts'
import {stopForeground, stopStage} from './stop.ts'

const watchEveryMs = 1_000
const exitUsage = 2

const status = createStatusLine(process.stderr)
const progress = (text: string) => status.show(`${text} …`)

const print = (options: BootstrapOptions, controlPlane: ProcessRecord | undefined): void => {
  const {stage, home} = options
  const [api, router, proxy] = [urlOf(options.apiPort), urlOf(options.routerPort), urlOf(options.proxyPort)]
  status.end()
  if (options.json) {
    process.stdout.write(`${JSON.stringify({stage, api, router, proxy, home, pid: controlPlane?.pid ?? null})}\n`)
    return
  }
  process.stdout.write(
    `Stage “${stage}” is up.\n  control plane  ${api}\n  router         ${router}\n  proxy          ${proxy}\n  state          ${home}\n`,
  )
}

/** Takes the stage for starting or stopping; throws when another bootstrap has it. */
const lock = async (context: Context): Promise<() => void> => {
  const unlock = await takeLock(context.paths.lock)
  if (unlock === undefined)
    throw new BootstrapError(`another ./bootstrap is starting or stopping the stage in ${context.options.home}; wait for it`)
  return unlock
}

const up = async (context: Context, started: Started): Promise<RunningStage> => {
  await preflight(context)
  const unlock = await lock(context)
  try {
    return await bringUp(context, started)
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
  const controlPlane = await findControlPlane(paths)
  const unlock = controlPlane === undefined ? () => undefined : await lock(context)
  try {
    const wasRunning = await stopStage(paths, progress)
    status.end()
    process.stderr.write(
      wasRunning ? `Stage “${options.stage}” is stopped; its state is in ${options.home}\n` : `nothing runs in ${options.home}\n`,
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
  if (!context.options.json) process.stdout.write('Ctrl-C stops it.\n')
  try {
    while (!context.signal.aborted) {
      if (unwatch !== undefined) await bringBack(context, started).catch((error: Error) => status.show(error.message))
      status.show(await describeStage(running.client))
      await sleep(watchEveryMs, undefined, {signal: context.signal}).catch(() => undefined)
    }
    status.end()
    progress('stopping')
    await endStarted(context, started)
    status.end()
    return 0
  } finally {
    unwatch?.()
  }
}

const run = async (): Promise<number> => {
  const options = await readBootstrapOptions(process.argv.slice(2), process.env)
  if (options === undefined) {
    process.stdout.write(usage)
    return 0
  }
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort())
  const context: Context = {options, paths: stagePaths(options.home), env: process.env, signal: abort.signal, progress}
  if (options.mode === 'stop') return stop(context)
  const started: Started = {agents: []}
  const running = await up(context, started)
  print(options, running.controlPlane)
  return options.mode === 'detach' ? 0 : watch(context, started, running)
}

try {
  process.exit(await run())
} catch (error) {
  status.end()
  const isExpected = error instanceof BootstrapError || error instanceof GilliamError
  const isAborted = error instanceof Error && error.name === 'AbortError'
  process.stderr.write(`bootstrap: ${isAborted ? 'interrupted' : isExpected ? error.message : (error as Error).stack}\n`)
  process.exit(error instanceof BootstrapError ? exitUsage : 1)
}
