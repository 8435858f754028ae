// `gilliam releases`: lists them, newest first, with the number of instances that run of each.
import type {Command} from 'commander'
import {age, table} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const releases = async (session: Session): Promise<void> => {
  const formation = await session.formation()
  const client = await session.client()
  const [listed, scale] = await Promise.all([
    client.call('listReleases', {params: {formation}}),
    client.call('getScale', {params: {formation}}),
  ])
  const runningOf = (release: number): number => scale.items.reduce((sum, item) => sum + (item.release === release ? item.running : 0), 0)
  const items = listed.items.map(item => ({...item, running: runningOf(item.release)}))
  const rows = items.map(item => [
    item.release,
    item.running,
    `${age(session.now() - item.createdAt)} ago`,
    item.author?.replace(/ <[^>]*>$/, ''),
    item.message,
    item.services.join(' '),
  ])
  session.print(table(['release', 'running', 'created', 'author', 'message', 'services'], rows, session.paintOut), {items})
}

export const addReleases = (program: Command, world: World): void => {
  verb(program, 'releases', 'List releases').action(act(world, releases))
}
