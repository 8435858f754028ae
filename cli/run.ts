// One run of the command line: parses, acts, and turns whatever happens into a message on stderr and an exit code.
import {CommanderError} from 'commander'
import {closest} from '#shared/domain/closest.ts'
import {GilliamError} from '#shared/errors.ts'
import {exitCodes, exitOf} from './exit.ts'
import {createProgram} from './program.ts'
import {neutralise} from './safe.ts'
import {createSession, type World} from './session.ts'

const lines = (text: string): string => text.split('\n').map(neutralise).join('\n')

const messageOf = (error: unknown): string => {
  if (error instanceof GilliamError) {
    const fields = (error.errors ?? [])
      .filter(({message}) => !error.message.includes(message))
      .map(({path, message}) => `\n  ${path}: ${message}`)
      .join('')
    const next =
      error.code === 'unauthenticated' ? '\nThe stage’s token may have ended: `./bootstrap` or `gilliam stages add` writes a new one.' : ''
    return `${error.message}${fields}${next}`
  }
  return error instanceof Error ? error.message : String(error)
}

/** A mistyped formation is the commonest “not found”: says which existing one is like it. Best effort. */
const suggestFormation = async (world: World, program: ReturnType<typeof createProgram>, error: unknown): Promise<string> => {
  if (!(error instanceof GilliamError) || error.code !== 'not_found') return ''
  try {
    const session = createSession(world, program.opts())
    const {items} = await (await session.client()).call('listFormations', {}, {timeoutMs: 2_000, triesMax: 1})
    const names = items.map(({name}) => name)
    const quoted = /“([^”]+)”|\b([a-z][a-z0-9-]*)\b/g
    const words = [...error.message.matchAll(quoted)].map(match => match[1] ?? match[2] ?? '')
    if (words.some(word => names.includes(word))) return ''
    const near = words.map(word => closest(word, names)).find(name => name !== undefined)
    return near === undefined ? '' : `\nDid you mean the formation “${near}”?`
  } catch {
    return ''
  }
}

/** Runs with the arguments after the program's name; returns the exit code. */
export const run = async (args: readonly string[], world: World): Promise<number> => {
  const program = createProgram(world)
  try {
    if (args.length === 0) {
      world.err(program.helpInformation())
      return exitCodes.usage.code
    }
    await program.parseAsync(args, {from: 'user'})
    return exitCodes.ok.code
  } catch (error) {
    // commander has written its message already; help and version count as done.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code
    const exit = exitOf(error)
    if (exit !== 'interrupted') {
      world.err(`${world.paintErr('red', 'gilliam:')} ${lines(messageOf(error) + (await suggestFormation(world, program, error)))}\n`)
    }
    return exitCodes[exit].code
  }
}
