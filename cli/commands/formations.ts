// `gilliam formations`: every formation of the stage.
import type {Command} from 'commander'
import {age, table} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const formations = async (session: Session): Promise<void> => {
  const {items} = await (await session.client()).call('listFormations')
  const rows = items.map(({name, state, latestRelease, createdAt}) => [name, state, latestRelease, age(session.now() - createdAt)])
  session.print(table(['name', 'state', 'latest release', 'age'], rows, session.paintOut), {items})
}

export const addFormations = (program: Command, world: World): void => {
  verb(program, 'formations', 'List formations').action(act(world, formations))
}
