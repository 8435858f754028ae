// `gilliam volumes`, `volumes release SERVICE`: storage that stays with an executor.
import type {Command} from 'commander'
import {table, time} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const list = async (session: Session): Promise<void> => {
  const formation = await session.formation()
  const {items} = await (await session.client()).call('listVolumes', {params: {formation}})
  const rows = items.map(({service, executor, holder, id, createdAt}) => [
    service,
    executor,
    holder ?? '',
    `${formation}.${service}.${id}`,
    time(createdAt),
  ])
  session.print(table(['service', 'executor', 'instance', 'folder', 'made'], rows, session.paintOut), {items})
}

const release = async (session: Session, service: string): Promise<void> => {
  const formation = await session.formation()
  await (await session.client()).call('releaseVolume', {params: {formation, service}})
  session.progress.say(`Gave the volume of ${service} up: its next instance begins empty. The data stays where it is.`)
  session.print('', {formation, service})
}

export const addVolumes = (program: Command, world: World): void => {
  const group = verb(program, 'volumes', 'List volumes and the executors they stay with').action(act(world, list))
  verb(group, 'release', 'Give a volume up, and begin with an empty one')
    .argument('<service>', 'the service whose volume it is')
    .action(act(world, (session, [service = '']) => release(session, service)))
}
