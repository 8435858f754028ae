// `gilliam route DOMAIN/PATH TARGET` and `gilliam route rm NAME`.
import type {Command} from 'commander'
import {parseRoute, splitRoute} from '#shared/domain/route.ts'
import {CommandError} from '../exit.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

const add = async (session: Session, source: string, target: string, name: string | undefined): Promise<void> => {
  const route = {...splitRoute(source), target}
  const {compilePattern} = await import('#shared/patterns.ts')
  const parsed = parseRoute(route, compilePattern)
  if (!parsed.ok) throw new CommandError('usage', parsed.errors.map(({path, message}) => `${path}: ${message}`).join('\n'))
  const created = await (await session.client()).call('createRoute', {body: {...route, ...(name === undefined ? {} : {name})}})
  session.print(`${created.name}\n`, created)
}

const remove = async (session: Session, name: string): Promise<void> => {
  await (await session.client()).call('deleteRoute', {params: {route: name}})
  session.progress.say(`Removed route ${name}.`)
  session.print('', {name})
}

export const addRoute = (program: Command, world: World): void => {
  const route = verb(program, 'route', 'Create a route')
    .argument('<domain/path>', 'what requests it matches, for example crm.example.com/user/{name}; without a domain, any')
    .argument('<target>', 'where they go, for example users.crm.service/{name}')
    .option('--name <name>', 'its name; made from domain and path by default')
    .action(act<{name?: string}>(world, (session, [source = '', target = ''], {name}) => add(session, source, target, name)))
  verb(route, 'rm', 'Remove a route')
    .argument('<name>', 'its name, as `gilliam routes` shows it')
    .action(act(world, (session, [name = '']) => remove(session, name)))
}
