// `gilliam executors`: the machines instances run on.
import type {Command} from 'commander'
import type {OutputOf} from '#shared/endpoints.ts'
import {age, cores, table} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

type Listed = OutputOf<'listExecutors'>['items'][number]

/** Why it gets nothing new, or leaves, and until when. */
const note = ({state, diskFreeMib, leaving, drainBy}: Listed, now: number): string => {
  const until = drainBy === undefined ? '' : drainBy > now ? `empty within ${age(drainBy - now)}` : 'was to be empty by now'
  const full = state === 'full' ? `${diskFreeMib} MiB left on its disk: make room, nothing new goes there` : ''
  return [full, leaving?.reason, until].filter(Boolean).join('; ')
}

const executors = async (session: Session): Promise<void> => {
  const {items} = await (await session.client()).call('listExecutors')
  const now = session.now()
  const rows = items.map(executor => [
    executor.id,
    executor.state,
    executor.host,
    executor.zone,
    executor.runtimes.join(' '),
    executor.instances,
    `${cores(executor.cpuMilliUsed)}/${cores(executor.cpuMilli)}`,
    `${executor.memoryMibUsed}/${executor.memoryMib}Mi`,
    executor.tags.join(' '),
    age(now - executor.joinedAt),
    note(executor, now),
  ])
  const headings = ['id', 'state', 'host', 'zone', 'runtimes', 'instances', 'cpu', 'memory', 'tags', 'age', 'note']
  session.print(table(headings, rows, session.paintOut), {items})
}

export const addExecutors = (program: Command, world: World): void => {
  verb(program, 'executors', 'List executors').action(act(world, executors))
}
