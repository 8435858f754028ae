// `gilliam scale`: how many instances of each service are wanted; waits until they run.
import type {Command} from 'commander'
import {isTerminal} from '#shared/domain/instance.ts'
import {CommandError, Interrupted} from '../exit.ts'
import {type Instance, seconds, table} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, checkServices, counts, number, verb} from '../verb.ts'
import {type Look, watch} from '../watch.ts'

interface ScaleOptions {
  readonly release?: string
  readonly wait: boolean
}

const show = async (session: Session, formation: string): Promise<void> => {
  const {items} = await (await session.client()).call('getScale', {params: {formation}})
  const rows = items.map(item => [item.release, item.service, item.desired, item.running, item.waiting, item.failed])
  session.print(table(['release', 'service', 'desired', 'running', 'waiting', 'failed'], rows, session.paintOut), {items})
}

/** Done when exactly the wanted number of each service runs and nothing is still stopping. */
const isReached = (instances: readonly Instance[], wanted: Readonly<Record<string, number>>): boolean =>
  Object.entries(wanted).every(([service, count]) => {
    const live = instances.filter(instance => instance.service === service && !isTerminal(instance.state as 'running'))
    return live.length === count && live.every(instance => instance.state === 'running')
  })

const wait = async (session: Session, formation: string, release: number, wanted: Readonly<Record<string, number>>): Promise<void> => {
  const client = await session.client()
  let before: ReadonlySet<string> | undefined
  const look = async (): Promise<Look> => {
    const {items} = await client.call('listInstances', {params: {formation}, query: {release: String(release), all: 'true'}})
    before ??= new Set(items.filter(instance => instance.endedAt !== undefined).map(({id}) => id))
    const concerned = items.filter(
      instance => instance.origin === 'scale' && Object.hasOwn(wanted, instance.service) && before?.has(instance.id) === false,
    )
    return {instances: concerned, verdict: isReached(concerned, wanted) ? {ok: true} : undefined}
  }
  try {
    const watched = await watch(session, look)
    if (!watched.ok)
      throw new CommandError(
        'failed',
        [
          `Not all instances run: ${watched.reason}`,
          ...watched.lines,
          'The control plane goes on trying; `gilliam ps` shows how it stands.',
        ].join('\n'),
      )
    session.progress.end()
    session.progress.say(`Done in ${seconds(watched.tookMs)}.`)
  } catch (error) {
    if (error instanceof Interrupted) session.progress.say('Detached. Scaling goes on; `gilliam ps` shows how it stands.')
    throw error
  }
}

const scale = async (session: Session, operands: readonly (string | undefined)[], options: ScaleOptions): Promise<void> => {
  const formation = await session.formation()
  if (operands.length === 0) return show(session, formation)
  const services = counts(operands)
  const release = options.release === undefined ? undefined : number(options.release, 'A release', 1, 999_999_999)
  await checkServices(session, Object.keys(services), release === undefined ? 'latest' : String(release))
  const client = await session.client()
  const {items} = await client.call('setScale', {params: {formation}, body: {services, ...(release === undefined ? {} : {release})}})
  const concerned = release ?? Math.max(...items.filter(item => Object.hasOwn(services, item.service)).map(item => item.release))
  if (options.wait) await wait(session, formation, concerned, services)
  await show(session, formation)
}

export const addScale = (program: Command, world: World): void => {
  verb(program, 'scale', 'Show or set how many instances run')
    .argument('[service=count...]', 'instances wanted; without any, shows them')
    .option('-r, --release <n>', 'the release to scale; the latest by default')
    .option('--no-wait', 'do not wait until they run')
    .action(act<ScaleOptions>(world, (session, operands, options) => scale(session, operands, options)))
}
