// `gilliam env`, `env set`, `env unset`: the environment of the latest release; every change makes a new release and rolls it out.
import type {Command} from 'commander'
import {isServiceName} from '#shared/domain/names.ts'
import type {CallOf} from '#shared/endpoints.ts'
import {defaultAuthor} from '../author.ts'
import {CommandError} from '../exit.ts'
import {isRunning, rollOut} from '../rollout.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, checkServices, type Operands, verb} from '../verb.ts'

interface ChangeOptions {
  readonly message?: string
  readonly author?: string
  readonly rollout: boolean
}

/** What changes in one scope. */
interface Change {
  set?: Record<string, string>
  unset?: string[]
}

/** What changes for single services, and for all of them (`undefined`). */
type Changes = ReadonlyMap<string | undefined, Change>

/** The database keeps no order of names. */
const byName = <T>(record: Readonly<Record<string, T>>): [string, T][] => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))

const show = async (session: Session): Promise<void> => {
  const formation = await session.formation()
  const environment = await (await session.client()).call('getEnv', {params: {formation}})
  const line =
    (scope: string) =>
    ([name, value]: [string, string]) =>
      `${scope}${name}=${neutralise(value)}`
  const lines = [
    ...byName(environment.env).map(line('')),
    ...byName(environment.services).flatMap(([service, env]) => byName(env).map(line(`${service}:`))),
  ]
  session.print(lines.map(text => `${text}\n`).join(''), environment)
}

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

const settings = (operands: Operands): Changes => {
  const changes = new Map<string | undefined, Change>()
  for (const text of operands) {
    const equals = (text ?? '').indexOf('=')
    if (text === undefined || equals < 1) throw new CommandError('usage', `“${text}” is not of the form NAME=VALUE or SERVICE:NAME=VALUE.`)
    const {service, name} = parseName(text.slice(0, equals))
    changes.set(service, {set: {...changes.get(service)?.set, [name]: text.slice(equals + 1)}})
  }
  return changes
}

const unsettings = (operands: Operands): Changes => {
  const changes = new Map<string | undefined, Change>()
  for (const text of operands) {
    const {service, name} = parseName(text ?? '')
    changes.set(service, {unset: [...(changes.get(service)?.unset ?? []), name]})
  }
  return changes
}

/** One request, and so one release, however many scopes change. */
const apply = async (session: Session, changes: Changes, options: ChangeOptions): Promise<void> => {
  const formation = await session.formation()
  const services = [...changes].flatMap(([service, change]) => (service === undefined ? [] : [[service, change] as const]))
  await checkServices(
    session,
    services.map(([service]) => service),
  )
  const client = await session.client()
  const author = options.author ?? (await defaultAuthor(session.cwd))
  const body: CallOf<'changeEnv'>['body'] = {
    ...changes.get(undefined),
    ...(services.length === 0 ? {} : {services: Object.fromEntries(services)}),
    ...(options.message === undefined ? {} : {message: options.message}),
    ...(author === undefined ? {} : {author}),
  }
  const made = await client.call('changeEnv', {params: {formation}, body})
  session.progress.say(`Created release ${made.release} of ${formation}.`)
  if (options.rollout && (await isRunning(session, formation))) await rollOut(session, made)
  else session.progress.say('Nothing was restarted; `gilliam deploy` or `gilliam scale` starts the new release.')
  session.print(`release ${made.release}\n`, made)
}

const changing = (command: Command): Command =>
  command
    .option('-m, --message <text>', 'what changed')
    .option('--author <name>', 'who changed it; git’s user by default')
    .option('--no-rollout', 'only create the release')

export const addEnv = (program: Command, world: World): void => {
  const env = verb(program, 'env', 'Show the environment of the latest release').action(act(world, show))
  changing(verb(env, 'set', 'Set environment variables: a new release'))
    .argument('<[service:]name=value...>', 'for all services, or for one')
    .action(act<ChangeOptions>(world, (session, operands, options) => apply(session, settings(operands), options)))
  changing(verb(env, 'unset', 'Remove environment variables: a new release'))
    .argument('<[service:]name...>', 'from all services, or from one')
    .action(act<ChangeOptions>(world, (session, operands, options) => apply(session, unsettings(operands), options)))
}
