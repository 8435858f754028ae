// Composition root of the CLI: reads environment, terminal and signals, runs one command, and sets the exit code.
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {createInterface} from 'node:readline/promises'
import {text} from 'node:stream/consumers'
import {styleText} from 'node:util'
import {consoleOf} from './console.ts'
import {exitCodes, Interrupted} from './exit.ts'
import type {Paint} from './render.ts'
import {run} from './run.ts'
import type {World} from './session.ts'

// Bundles have it in them, and run without their tree.
const {version} = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {version: string}

/** https://no-color.org */
const hasColour = (stream: NodeJS.WriteStream): boolean => stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'

const painter =
  (colour: boolean): Paint =>
  (style, text) =>
    colour ? styleText(style, text, {validateStream: false}) : text

/** A reader that goes away (`gilliam ps | head -1`) ends us without a word. */
const quietly = (stream: NodeJS.WriteStream): ((text: string) => void) => {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok.code)
    throw error
  })
  return text => {
    stream.write(text)
  }
}

const ask = async (question: string, signal: AbortSignal): Promise<string> => {
  const prompt = createInterface({input: process.stdin, output: process.stderr})
  try {
    return await prompt.question(question, {signal})
  } catch (error) {
    throw signal.aborted ? new Interrupted() : error
  } finally {
    prompt.close()
  }
}

const interrupt = new AbortController()
const catchers: ((signal: NodeJS.Signals) => void)[] = []
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    const catcher = catchers.at(-1)
    if (catcher !== undefined) catcher(signal)
    else if (interrupt.signal.aborted) process.exit(exitCodes.interrupted.code)
    else interrupt.abort(new Interrupted())
  })
}
const catchSignals = (listener: (signal: NodeJS.Signals) => void): (() => void) => {
  catchers.push(listener)
  return () => void catchers.splice(catchers.indexOf(listener), 1)
}

const world: World = {
  env: process.env,
  cwd: process.cwd(),
  version,
  bundles: import.meta.filename.endsWith('.ts') ? join(import.meta.dirname, '..', 'dist') : import.meta.dirname,
  execPath: process.execPath,
  uid: process.getuid?.(),
  now: Date.now,
  out: quietly(process.stdout),
  err: quietly(process.stderr),
  outIsTty: process.stdout.isTTY === true,
  errIsTty: process.stderr.isTTY === true,
  inIsTty: process.stdin.isTTY === true,
  columns: process.stderr.columns || 80,
  paintOut: painter(hasColour(process.stdout)),
  paintErr: painter(hasColour(process.stderr)),
  readIn: () => text(process.stdin),
  ask: question => ask(question, interrupt.signal),
  interrupted: interrupt.signal,
  console: consoleOf(process, catchSignals),
}

process.exitCode = await run(process.argv.slice(2), world)
