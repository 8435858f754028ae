// `gilliam executor …`: drain (give it nothing new, replace what it runs, wait until it is empty), cordon, uncordon, and rm, which forgets a lost one.
import type {Command} from 'commander'
import type {OutputOf} from '#shared/endpoints.ts'
import {parseDuration} from '#shared/manifest/units.ts'
import {CommandError, Interrupted} from '../exit.ts'
import {age} from '../render.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const pollMs = 1_000

interface DrainOptions {
  readonly undo?: boolean
  readonly wait: boolean
  readonly deadline?: string
}

type Left = OutputOf<'listExecutorInstances'>['items']

const deadlineOf = ({deadline, undo}: DrainOptions): {deadlineMs?: number} => {
  if (deadline === undefined) return {}
  const deadlineMs = parseDuration(deadline)
  if (deadlineMs === undefined)
    throw new CommandError('usage', `--deadline must be a duration with its unit (30s, 10m, 2h), not “${deadline}”.`)
  if (undo === true) throw new CommandError('usage', '--deadline and --undo do not go together.')
  return {deadlineMs}
}

const linesOf = (items: Left): ReadonlyMap<string, string> =>
  new Map(
    items.map(({formation, name, reason}) => [
      `${formation} ${name}`,
      `  ${neutralise(name)} of ${neutralise(formation)}${reason === undefined ? '' : `: ${neutralise(reason)}`}`,
    ]),
  )

/** Looks until it is empty; says at the deadline what is left then. */
const watch = async (session: Session, executor: string): Promise<OutputOf<'getExecutor'>> => {
  const client = await session.client()
  const params = {executor}
  let isLate = false
  for (;;) {
    const found = await client.call('getExecutor', {params})
    if (found.state !== 'draining') return found
    const {items} = await client.call('listExecutorInstances', {params})
    const {drainBy} = found
    const leftMs = drainBy === undefined ? undefined : drainBy - session.now()
    if (leftMs !== undefined && leftMs <= 0 && !isLate && items.length > 0) {
      isLate = true
      session.progress.say(`The deadline has passed; what is left is stopped: ${items.map(({name}) => neutralise(name)).join(', ')}.`)
    }
    const until = leftMs === undefined || leftMs <= 0 ? '' : `, ${age(leftMs)} left`
    session.progress.show(new Map([['', `${neutralise(executor)} drains: ${items.length} on it${until}`], ...linesOf(items)]))
    await session.sleep(pollMs)
  }
}

const drain = async (session: Session, executor: string, options: DrainOptions): Promise<void> => {
  const client = await session.client()
  const body = {undo: options.undo === true, ...deadlineOf(options)}
  let found = await client.call('drainExecutor', {params: {executor}, body})
  try {
    if (options.undo !== true && options.wait && found.state === 'draining') found = await watch(session, executor)
  } catch (error) {
    if (error instanceof Interrupted)
      session.progress.say(`Detached. Draining goes on; \`gilliam executor drain ${executor} --undo\` ends it.`)
    throw error
  }
  session.progress.end()
  session.progress.say(`${neutralise(executor)} is ${found.state}; instances on it: ${found.instances}.`)
  session.print(`${executor}\n`, found)
}

const cordon = async (session: Session, executor: string, undo: boolean): Promise<void> => {
  const found = await (await session.client()).call('cordonExecutor', {params: {executor}, body: {undo}})
  session.progress.say(`${neutralise(executor)} is ${found.state}; instances on it: ${found.instances}.`)
  session.print(`${executor}\n`, found)
}

const remove = async (session: Session, executor: string): Promise<void> => {
  await (await session.client()).call('forgetExecutor', {params: {executor}})
  session.progress.say(`Forgot executor ${neutralise(executor)} and revoked its token.`)
  session.print('', {id: executor})
}

const idAbout = 'as `gilliam executors` shows it'

export const addExecutor = (program: Command, world: World): void => {
  const group = program.command('executor').description('Work with one executor')
  verb(group, 'drain', 'Move everything off an executor')
    .argument('<id>', idAbout)
    .option('--deadline <time>', 'when what is left is stopped, replaced or not: 10m')
    .option('--undo', 'let it have instances again')
    .option('--no-wait', 'do not wait until it is empty')
    .action(act<DrainOptions>(world, (session, [id = ''], options) => drain(session, id, options)))
  verb(group, 'cordon', 'Give an executor nothing new')
    .argument('<id>', idAbout)
    .action(act(world, (session, [id = '']) => cordon(session, id, false)))
  verb(group, 'uncordon', 'Let a cordoned executor have instances again')
    .argument('<id>', idAbout)
    .action(act(world, (session, [id = '']) => cordon(session, id, true)))
  verb(group, 'rm', 'Forget an executor that is lost')
    .argument('<id>', idAbout)
    .action(act(world, (session, [id = '']) => remove(session, id)))
}
