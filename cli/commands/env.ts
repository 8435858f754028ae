// `gilliam env`, `env set`, `env unset`: the environment of the latest release; every change makes a new release and rolls it out.
import type {Command} from 'commander'
import type {CallOf} from '#shared/endpoints.ts'
import {defaultAuthor} from '../author.ts'
import {type Changes, isNeeded, messageOf, settings, unsettings} from '../env-changes.ts'
import {findRollout, isRunning, rollOut} from '../rollout.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, checkServices, verb} from '../verb.ts'

interface ChangeOptions {
  readonly message?: string
  readonly author?: string
  readonly rollout: boolean
}

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

/** A release that is on its way, or failed, is worth another try. */
const isSettled = async (session: Session, formation: string, release: number): Promise<boolean> => {
  const rollout = await findRollout(session, formation, release)
  return rollout === undefined || rollout.state === 'finished'
}

/** One request, and so one release, however many scopes change; none when nothing would change. */
const apply = async (session: Session, changes: Changes, options: ChangeOptions): Promise<void> => {
  const formation = await session.formation()
  const services = [...changes].flatMap(([service, change]) => (service === undefined ? [] : [[service, change] as const]))
  await checkServices(
    session,
    services.map(([service]) => service),
  )
  const client = await session.client()
  const before = await client.call('getEnv', {params: {formation}})
  if (!isNeeded(changes, formation, before) && (await isSettled(session, formation, before.release))) {
    session.progress.say(`Nothing to change: release ${before.release} of ${formation} has these values already.`)
    session.print(`release ${before.release}\n`, await client.call('getRelease', {params: {formation, release: String(before.release)}}))
    return
  }
  const author = options.author ?? (await defaultAuthor(session.cwd))
  const body: CallOf<'changeEnv'>['body'] = {
    ...changes.get(undefined),
    ...(services.length === 0 ? {} : {services: Object.fromEntries(services)}),
    message: options.message ?? messageOf(changes),
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
    .option('-m, --message <text>', 'what changed; by default the names of the variables')
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
