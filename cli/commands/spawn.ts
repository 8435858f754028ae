// `gilliam spawn SERVICE`: one instance outside the desired scale, with placement rules of its own.
import type {Command} from 'commander'
import {parsePort} from '#shared/manifest/units.ts'
import {CommandError, Interrupted} from '../exit.ts'
import {type Instance, instanceLine} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, checkServices, number, verb} from '../verb.ts'
import {type Look, watch} from '../watch.ts'

interface SpawnOptions {
  readonly require?: readonly string[]
  readonly rank?: string
  readonly assignedTo?: string
  readonly port?: readonly string[]
  readonly release?: string
  readonly wait?: boolean
}

const portOf = (text: string) => {
  const port = parsePort(text)
  if (port === undefined) throw new CommandError('usage', `“${text}” is not a port from 1 to 65535, or HOST:SERVICE such as 8080:80.`)
  return port
}

const wait = async (session: Session, spawned: Instance): Promise<Instance> => {
  const client = await session.client()
  let latest = spawned
  const look = async (): Promise<Look> => {
    latest = await client.call('getInstance', {params: {formation: spawned.formation, instance: spawned.id}})
    const ended = latest.endedAt !== undefined
    return {
      instances: [latest],
      verdict: latest.state === 'running' ? {ok: true} : ended ? {ok: false, reason: `it is ${latest.state}`} : undefined,
    }
  }
  try {
    const watched = await watch(session, look)
    if (!watched.ok) throw new CommandError('failed', [`${spawned.name} does not run: ${watched.reason}`, ...watched.lines].join('\n'))
    return latest
  } catch (error) {
    if (error instanceof Interrupted)
      session.progress.say(`Detached. \`gilliam ps\` shows ${spawned.name}; \`gilliam stop ${spawned.name}\` ends it.`)
    throw error
  }
}

const spawn = async (session: Session, service: string, options: SpawnOptions): Promise<void> => {
  const formation = await session.formation()
  const release = options.release === undefined ? undefined : number(options.release, 'A release', 1, 999_999_999)
  await checkServices(session, [service], release === undefined ? 'latest' : String(release))
  const spawned = await (await session.client()).call('spawnInstance', {
    params: {formation},
    body: {
      service,
      ...(release === undefined ? {} : {release}),
      requirements: [...(options.require ?? [])],
      ...(options.rank === undefined ? {} : {rank: options.rank}),
      ...(options.assignedTo === undefined ? {} : {executor: options.assignedTo}),
      ports: (options.port ?? []).map(portOf),
    },
  })
  const shown = options.wait === true ? await wait(session, spawned) : spawned
  if (options.wait !== true) session.progress.say(instanceLine(shown, session.paintErr))
  session.print(`${shown.name}\n`, shown)
}

const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]

export const addSpawn = (program: Command, world: World): void => {
  verb(program, 'spawn', 'Start one instance outside the desired scale')
    .argument('<service>', 'a service of the release')
    .option('--require <expression>', 'a requirement besides the service’s own; may be repeated', collect)
    .option('--rank <expression>', 'a rank instead of the service’s own')
    .option('--assigned-to <executor>', 'run it on this executor')
    .option('-p, --port <port>', 'a port besides the service’s own, or HOST:SERVICE to fix the host port; may be repeated', collect)
    .option('-r, --release <n>', 'the release to run; the latest by default')
    .option('--wait', 'wait until it runs')
    .action(act<SpawnOptions>(world, (session, [service = ''], options) => spawn(session, service, options)))
}
