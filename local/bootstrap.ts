// `./bootstrap` once Node is there: reads the command line and turns failures into one line and an exit code. Loads the rest only when it is needed.
import {BootstrapError, readBootstrapOptions, usage} from './options.ts'

/** Exit codes: 1 for a fault of ours or of the control plane, 2 for what the user can put right, 130 when interrupted. */
const exitFault = 1
const exitRefused = 2
const exitInterrupted = 130

const run = async (): Promise<number> => {
  const options = await readBootstrapOptions(process.argv.slice(2), process.env)
  if (options === undefined) {
    process.stdout.write(usage)
    return 0
  }
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort())
  obeyImpatience(options.mode === 'stop' || options.mode === 'uninstall' ? 1 : 2)
  // It stays for long, and needs little.
  if (options.mode === 'watch') return (await import('./watch.ts')).watchStage(options, process.env, abort.signal)
  const {perform} = await import('./commands.ts')
  return perform(options, process.env, abort.signal)
}

/** Whoever asks for it more than once wants it to end at once: parts that were told to stop go on with that by themselves. */
const obeyImpatience = (ctrlCsMax: number): void => {
  let ctrlCs = 0
  process.on('SIGINT', () => {
    ctrlCs += 1
    if (ctrlCs < ctrlCsMax) return
    process.stderr.write('\nbootstrap: interrupted; what was told to stop goes on with it, ./bootstrap --stop does the rest\n')
    process.exit(exitInterrupted)
  })
}

const explain = (error: unknown): {readonly line: string; readonly code: number} => {
  if (!(error instanceof Error)) return {line: String(error), code: exitFault}
  if (error instanceof BootstrapError) return {line: error.message, code: exitRefused}
  if (error.name === 'AbortError') return {line: 'interrupted', code: exitInterrupted}
  return {line: error.name === 'GilliamError' ? error.message : (error.stack ?? error.message), code: exitFault}
}

try {
  process.exit(await run())
} catch (error) {
  const {line, code} = explain(error)
  process.stderr.write(`bootstrap: ${line}\n`)
  process.exit(code)
}
