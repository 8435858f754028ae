// One run of the command line: parses, acts, and turns whatever happens into a message on stderr and an exit code.
import {CommanderError} from 'commander'
import {read} from '#shared/config.ts'
import {GilliamError} from '#shared/errors.ts'
import {exitCodes, exitOf, Ran} from './exit.ts'
import {createProgram} from './program.ts'
import {neutralise} from './safe.ts'
import type {World} from './session.ts'

const lines = (text: string): string => text.split('\n').map(neutralise).join('\n')

/** What to do about a failure that says nothing of its cause by itself. */
const nextOf = (error: GilliamError, env: World['env']): string => {
  if (error.code === 'unauthenticated')
    return read(env, 'GILLIAM_TOKEN') !== '' || read(env, 'GILLIAM_TOKEN_FILE') !== ''
      ? '\nThe token is the one of GILLIAM_TOKEN or GILLIAM_TOKEN_FILE: correct or unset it, or name a stage with --stage.'
      : '\nThe stage’s token may have ended: `./bootstrap` or `gilliam stages add` writes a new one.'
  return error.code === 'unavailable' && error.message.includes('ECONNREFUSED') && /127\.0\.0\.1|localhost/.test(error.message)
    ? '\nNothing listens there. `./bootstrap --detach` starts a stage of this machine.'
    : ''
}

const messageOf = (error: unknown, env: World['env']): string => {
  if (error instanceof GilliamError) {
    const fields = (error.errors ?? [])
      .filter(({message}) => !error.message.includes(message))
      .map(({path, message}) => `\n  ${path}: ${message}`)
      .join('')
    return `${error.message}${fields}${nextOf(error, env)}`
  }
  return error instanceof Error ? error.message : String(error)
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
    if (error instanceof Ran) return error.code
    const exit = exitOf(error)
    if (exit !== 'interrupted') {
      world.err(`${world.paintErr('red', 'gilliam:')} ${lines(messageOf(error, world.env))}\n`)
    }
    return exitCodes[exit].code
  }
}
