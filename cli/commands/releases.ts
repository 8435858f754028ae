// `gilliam releases`: lists them, newest first.
import type {Command} from 'commander'
import {age, table} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const releases = async (session: Session): Promise<void> => {
  const formation = await session.formation()
  const {items} = await (await session.client()).call('listReleases', {params: {formation}})
  const rows = items.map(item => [
    item.release,
    `${age(session.now() - item.createdAt)} ago`,
    item.author?.replace(/ <[^>]*>$/, ''),
    item.message,
    item.services.join(' '),
  ])
  session.print(table(['release', 'created', 'author', 'message', 'services'], rows, session.paintOut), {items})
}

export const addReleases = (program: Command, world: World): void => {
  verb(program, 'releases', 'List releases').action(act(world, releases))
}
