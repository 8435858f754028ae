// How a command is declared: the options all share, and the step from commander's arguments to a session. Knows no single command.
import type {Command} from 'commander'
import {closest} from '#shared/domain/closest.ts'
import {isInstanceId, parseInstanceName} from '#shared/domain/names.ts'
import {CommandError} from './exit.ts'
import {type CommonOptions, createSession, type Session, type World} from './session.ts'
import {withSuggestion} from './suggest.ts'

export type Operands = readonly (string | undefined)[]

/** Adds a command; `usage` is commander's (`stop <instance>`). `logs` takes -f for itself, so there --formation has no short form. */
export const verb = (parent: Command, usage: string, summary: string, formationFlags = '-f, --formation <name>'): Command =>
  parent
    .command(usage)
    .description(summary)
    .option('--stage <name>', 'the stage to work with')
    .option(formationFlags, 'the formation to work with')
    .option('--json', 'print JSON')

/** Runs `task` with a session made of the options given before, with and after the command; the nearest wins. */
export const act =
  <O>(world: World, task: (session: Session, operands: Operands, options: O) => Promise<void>) =>
  async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command
    const options: Record<string, unknown> = {}
    for (let level: Command | null = command; level !== null; level = level.parent) {
      for (const [key, value] of Object.entries(level.opts())) options[key] ??= value
    }
    const session = createSession(world, options as CommonOptions)
    try {
      await task(session, command.args, options as O)
    } catch (error) {
      throw await withSuggestion(session, error)
    } finally {
      session.progress.end()
    }
  }

/** A whole number from an option or operand; a usage error otherwise. */
export const number = (text: string, what: string, min: number, max: number): number => {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max))
    throw new CommandError('usage', `${what} must be a whole number from ${min} to ${max}, not “${text}”.`)
  return value
}

/** The id in `SERVICE.ID` or `ID`; a usage error otherwise. */
export const instanceId = (text: string): string => {
  const id = parseInstanceName(text)?.id ?? text
  if (!isInstanceId(id)) throw new CommandError('usage', `“${text}” is not an instance: SERVICE.ID as \`gilliam ps\` shows it, or ID.`)
  return id
}

/** `svc=n…` → counts by service. */
export const counts = (texts: readonly (string | undefined)[]): Record<string, number> =>
  Object.fromEntries(
    texts.map(text => {
      const match = /^([^=]+)=(.*)$/.exec(text ?? '')
      if (match === null) throw new CommandError('usage', `“${text}” is not of the form SERVICE=COUNT, for example users=2.`)
      return [match[1] as string, number(match[2] as string, `The count of ${match[1]}`, 0, 1_000)]
    }),
  )

/** Ends the command when a release has no such service, with the nearest it has. */
export const checkServices = async (session: Session, named: readonly string[], release = 'latest'): Promise<void> => {
  if (named.length === 0) return
  const formation = await session.formation()
  const found = await (await session.client()).call('getRelease', {params: {formation, release}})
  const known = Object.keys(found.services).sort()
  for (const name of named) {
    if (known.includes(name)) continue
    const near = closest(name, known)
    const next = near === undefined ? `Its services: ${known.join(', ')}.` : `Did you mean “${near}”?`
    throw new CommandError('notFound', `Release ${found.release} of ${formation} has no service “${name}”. ${next}`)
  }
}
