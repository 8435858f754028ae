// `gilliam volumes`, `volumes release SERVICE`, `volumes rm SERVICE`: storage that stays with an executor.
import type {Command} from 'commander'
import {confirm, type Irrevocable} from '../confirm.ts'
import {table, time} from '../render.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const list = async (session: Session): Promise<void> => {
  const formation = await session.formation()
  const {items} = await (await session.client()).call('listVolumes', {params: {formation}})
  const rows = items.map(({service, executor, holder, id, createdAt, removal}) => [
    service,
    executor,
    holder ?? '',
    `${formation}.${service}.${id}`,
    time(createdAt),
    removal === undefined ? '' : `${removal.state}${removal.text === undefined ? '' : `: ${neutralise(removal.text)}`}`,
  ])
  session.print(table(['service', 'executor', 'instance', 'folder', 'made', 'removal'], rows, session.paintOut), {items})
}

const release = async (session: Session, service: string): Promise<void> => {
  const formation = await session.formation()
  await (await session.client()).call('releaseVolume', {params: {formation, service}})
  session.progress.say(`Gave the volume of ${service} up: its next instance begins empty. The data stays where it is.`)
  session.print('', {formation, service})
}

const lossOf = (service: string): Irrevocable => ({
  deed: `Removing the data of ${service}`,
  loss: `All that the volume of ${service} holds is removed for good`,
  name: service,
  undone: 'Not removed',
})

const remove = async (session: Session, service: string, yes: boolean): Promise<void> => {
  const formation = await session.formation()
  const client = await session.client()
  const {items} = await client.call('listVolumes', {params: {formation}})
  const found = items.find(each => each.service === service && each.removal === undefined)
  if (!yes) await confirm(session, lossOf(service))
  await client.call('releaseVolume', {params: {formation, service}, query: {data: 'remove'}})
  session.progress.say(`Gave the volume of ${service} up; ${found?.executor ?? 'its executor'} removes its data.`)
  session.print('', {formation, service})
}

export const addVolumes = (program: Command, world: World): void => {
  const group = verb(program, 'volumes', 'List volumes and the executors they stay with').action(act(world, list))
  verb(group, 'release', 'Give a volume up, and begin with an empty one')
    .argument('<service>', 'the service whose volume it is')
    .action(act(world, (session, [service = '']) => release(session, service)))
  verb(group, 'rm', 'Give a volume up, and have its data removed')
    .argument('<service>', 'the service whose volume it is')
    .option('--yes', 'do not ask')
    .action(act<{yes?: boolean}>(world, (session, [service = ''], {yes}) => remove(session, service, yes === true)))
}
