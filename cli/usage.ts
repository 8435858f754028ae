// What a command line that can not be understood is answered with: commander's finding, in our form, and what to write instead.
import type {Command} from 'commander'
import {closest} from '#shared/domain/closest.ts'

const pathOf = (command: Command): string => (command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`)

const childOf = (command: Command, word: string): string | undefined => {
  const near = closest(
    word,
    command.commands.map(child => child.name()),
  )
  return near === undefined ? undefined : `${pathOf(command)} ${near}`
}

/** `env ste` is a typo of `env set`; `routes rm` and `executors drain` belong to their singulars. */
const meant = (command: Command, word: string): string | undefined => {
  const alike = command.parent?.commands.filter(other => other !== command && closest(command.name(), [other.name()]) !== undefined) ?? []
  return [command, ...alike].map(candidate => childOf(candidate, word)).find(found => found !== undefined)
}

const nextOf = (command: Command, finding: string): string => {
  const help = `\`${pathOf(command)} --help\` shows how it is used.`
  if (finding.includes('(Did you mean ')) return ''
  if (!finding.startsWith('too many arguments')) return help
  if (command.name() === 'logs') return 'In `gilliam logs`, -f follows; the formation is --formation NAME, a service is --service NAME.'
  const found = meant(command, command.args[command.registeredArguments.length] ?? '') ?? meant(command, command.args[0] ?? '')
  return found === undefined ? help : `Did you mean \`${found}\`?`
}

/** The message of a usage error, with what to do next; `text` is commander's, as it would print it. */
export const usageMessage = (command: Command, text: string): string => {
  const finding = text.trim().replace(/^error: /, '')
  const next = nextOf(command, finding)
  return `${finding}${next === '' ? '' : `\n${next}`}\n`
}
