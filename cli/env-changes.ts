// What `env set` and `env unset` are asked to change: reads it from operands, and compares it with what there is. Pure.
import {closest} from '#shared/domain/closest.ts'
import {isReservedVariable, isServiceName} from '#shared/domain/names.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import {CommandError} from './exit.ts'
import type {Operands} from './verb.ts'

/** What changes in one scope. */
interface Change {
  set?: Record<string, string>
  unset?: string[]
}

type Environment = OutputOf<'getEnv'>

/** The API’s limit. */
const messageCharactersMax = 1_024

/** What changes for single services, and for all of them (`undefined`). */
export type Changes = ReadonlyMap<string | undefined, Change>

/** `NAME` or `SERVICE:NAME`. */
const parseName = (text: string): {service: string | undefined; name: string} => {
  const colon = text.indexOf(':')
  const service = colon < 0 ? undefined : text.slice(0, colon)
  const name = text.slice(colon + 1)
  if ((service !== undefined && !isServiceName(service)) || !/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name))
    throw new CommandError(
      'usage',
      `“${text}” is not NAME or SERVICE:NAME; names have letters, digits and underscores and do not start with a digit.`,
    )
  return {service, name}
}

/** `env set`’s operands; a usage error for one that is not a setting, or sets what only the platform sets. */
export const settings = (operands: Operands): Changes => {
  const changes = new Map<string | undefined, Change>()
  for (const text of operands) {
    const equals = (text ?? '').indexOf('=')
    if (text === undefined || equals < 1) throw new CommandError('usage', `“${text}” is not of the form NAME=VALUE or SERVICE:NAME=VALUE.`)
    const {service, name} = parseName(text.slice(0, equals))
    if (isReservedVariable(name))
      throw new CommandError(
        'usage',
        `${name} is set by Gilliam in every instance (PORT…, GILLIAM_…) and can not be changed; choose another name.`,
      )
    changes.set(service, {set: {...changes.get(service)?.set, [name]: text.slice(equals + 1)}})
  }
  return changes
}

/** `env unset`’s operands; a usage error for one that is not a name. */
export const unsettings = (operands: Operands): Changes => {
  const changes = new Map<string | undefined, Change>()
  for (const text of operands) {
    const {service, name} = parseName(text ?? '')
    changes.set(service, {unset: [...(changes.get(service)?.unset ?? []), name]})
  }
  return changes
}

const labelOf = (service: string | undefined, name: string): string => `${service === undefined ? '' : `${service}:`}${name}`

/** Whether anything would be different afterwards. What is to be unset must be there. */
export const isNeeded = (changes: Changes, formation: string, {release, env, services}: Environment): boolean => {
  let needed = false
  for (const [service, {set = {}, unset = []}] of changes) {
    const now = service === undefined ? env : (services[service] ?? {})
    needed ||= unset.length > 0 || Object.entries(set).some(([name, value]) => now[name] !== value)
    const missing = unset.find(name => !Object.hasOwn(now, name))
    if (missing === undefined) continue
    const near = closest(missing, Object.keys(now))
    const next = near === undefined ? '`gilliam env` shows those it has.' : `Did you mean ${labelOf(service, near)}?`
    throw new CommandError('notFound', `Release ${release} of ${formation} has no variable ${labelOf(service, missing)}. ${next}`)
  }
  return needed
}

/** `Set users:GREETING`, `Unset A, B`: names only, values may be secret. */
export const messageOf = (changes: Changes): string => {
  const names = (of: (change: Change) => string[]) =>
    [...changes].flatMap(([service, change]) => of(change).map(name => labelOf(service, name)))
  const set = names(change => Object.keys(change.set ?? {}))
  const unset = names(change => change.unset ?? [])
  return (set.length > 0 ? `Set ${set.join(', ')}` : `Unset ${unset.join(', ')}`).slice(0, messageCharactersMax)
}
