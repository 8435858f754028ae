// `gilliam env`, `env set`, `env unset`: the environment of the latest release; every change makes a new release and rolls it out.
import type {Command} from 'commander'
import {isServiceName} from '#shared/domain/names.ts'
import {defaultAuthor} from '../author.ts'
import {CommandError} from '../exit.ts'
import {isRunning, type Release, rollOut} from '../rollout.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, checkServices, type Operands, verb} from '../verb.ts'

interface ChangeOptions {
  readonly message?: string
  readonly author?: string
  readonly rollout: boolean
}

/** What changes for one service, or for all of them (`service` undefined). */
interface Change {
  readonly service: string | undefined
  readonly set: Record<string, string>
  readonly unset: string[]
}

const show = async (session: Session): Promise<void> => {
  const formation = await session.formation()
  const environment = await (await session.client()).call('getEnv', {params: {formation}})
  const line =
    (scope: string) =>
    ([name, value]: [string, string]) =>
      `${scope}${name}=${neutralise(value)}`
  const lines = [
    ...Object.entries(environment.env).map(line('')),
    ...Object.entries(environment.services).flatMap(([service, env]) => Object.entries(env).map(line(`${service}:`))),
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

const grouped = (operands: Operands, add: (change: Change, text: string) => string): Change[] => {
  const changes = new Map<string | undefined, Change>()
  for (const text of operands) {
    const scratch: Change = {service: undefined, set: {}, unset: []}
    const {service} = parseName(add(scratch, text ?? ''))
    const change = changes.get(service) ?? {service, set: {}, unset: []}
    Object.assign(change.set, scratch.set)
    change.unset.push(...scratch.unset)
    changes.set(service, change)
  }
  return [...changes.values()]
}

const addSetting = (change: Change, text: string): string => {
  const equals = text.indexOf('=')
  if (equals < 1) throw new CommandError('usage', `“${text}” is not of the form NAME=VALUE or SERVICE:NAME=VALUE.`)
  change.set[parseName(text.slice(0, equals)).name] = text.slice(equals + 1)
  return text.slice(0, equals)
}

const addUnsetting = (change: Change, text: string): string => {
  change.unset.push(parseName(text).name)
  return text
}

const apply = async (session: Session, changes: readonly Change[], options: ChangeOptions): Promise<void> => {
  const formation = await session.formation()
  await checkServices(
    session,
    changes.map(({service}) => service).filter(service => service !== undefined),
  )
  const client = await session.client()
  const author = options.author ?? (await defaultAuthor(session.cwd))
  let made: Release | undefined
  for (const {service, set, unset} of changes) {
    made = await client.call('changeEnv', {
      params: {formation},
      body: {
        ...(service === undefined ? {} : {service}),
        ...(Object.keys(set).length === 0 ? {} : {set}),
        ...(unset.length === 0 ? {} : {unset}),
        ...(options.message === undefined ? {} : {message: options.message}),
        ...(author === undefined ? {} : {author}),
      },
    })
    session.progress.say(`Created release ${made.release} of ${formation}.`)
  }
  if (made === undefined) return
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
    .action(act<ChangeOptions>(world, (session, operands, options) => apply(session, grouped(operands, addSetting), options)))
  changing(verb(env, 'unset', 'Remove environment variables: a new release'))
    .argument('<[service:]name...>', 'from all services, or from one')
    .action(act<ChangeOptions>(world, (session, operands, options) => apply(session, grouped(operands, addUnsetting), options)))
}
