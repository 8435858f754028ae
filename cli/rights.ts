// Rights as people write them: `--allow deploy,scale`, `-f crm,shop`. Turns text into what the API takes; checks only what the API could not explain.
import {closest} from '#shared/domain/closest.ts'
import {isName} from '#shared/domain/names.ts'
import {type Verb, verbs} from '#shared/scopes.ts'
import {CommandError} from './exit.ts'

const listOf = (text: string): string[] =>
  text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')

const verbOf = (text: string): Verb => {
  const verb = verbs.find(one => one === text)
  if (verb !== undefined) return verb
  const near = closest(text, verbs)
  const hint = near === undefined ? `Verbs are ${verbs.join(', ')}.` : `Did you mean “${near}”?`
  throw new CommandError('usage', `“${text}” is not a verb. ${hint}`)
}

/** `deploy,scale` → verbs; a usage error that names the nearest one otherwise. */
export const verbsOf = (text: string): Verb[] => {
  const given = listOf(text).map(verbOf)
  if (given.length === 0) throw new CommandError('usage', `--allow needs at least one of ${verbs.join(', ')}.`)
  return given
}

/** `crm,shop` → names of formations; undefined when nothing was given. */
export const formationsOf = (text: string | undefined): string[] | undefined => {
  if (text === undefined) return undefined
  const names = listOf(text)
  const bad = names.find(name => !isName(name))
  if (bad !== undefined || names.length === 0)
    throw new CommandError(
      'usage',
      `“${bad ?? text}” is not a formation name: lower-case letters, digits and dashes, at most 40, starting with a letter.`,
    )
  return names
}
