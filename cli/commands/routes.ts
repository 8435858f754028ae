// `gilliam routes`: every route, in the order in which they are tried.
import type {Command} from 'commander'
import {table} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const routes = async (session: Session): Promise<void> => {
  const {items} = await (await session.client()).call('listRoutes')
  const rows = items.map(route => [route.name, route.domain, route.path, route.target, route.formation])
  session.print(table(['name', 'domain', 'path', 'target', 'formation'], rows, session.paintOut), {items})
}

export const addRoutes = (program: Command, world: World): void => {
  verb(program, 'routes', 'List routes in order of precedence').action(act(world, routes))
}
