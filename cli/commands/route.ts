// `gilliam route DOMAIN/PATH TARGET` and `gilliam route rm NAME`.
import type {Command} from 'commander'
import {parseRoute, splitRoute} from '#shared/domain/route.ts'
import {CommandError} from '../exit.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

/** The manifest's reader is loaded only when there is something to read. */
const optionsOf = async (texts: readonly string[]) =>
  texts.length === 0 ? {problems: []} : (await import('#shared/manifest/route-options.ts')).parseRouteOptions(texts)

interface AddOptions {
  readonly name?: string
  readonly with?: readonly string[]
}

const add = async (session: Session, source: string, target: string, {name, with: texts = []}: AddOptions): Promise<void> => {
  const route = {...splitRoute(source), target}
  const {compilePattern} = await import('#shared/patterns.ts')
  const parsed = parseRoute(route, compilePattern)
  if (!parsed.ok) throw new CommandError('usage', parsed.errors.map(({path, message}) => `${path}: ${message}`).join('\n'))
  const {options, problems} = await optionsOf(texts)
  if (problems.length > 0) throw new CommandError('usage', problems.join('\n'))
  const body = {...route, ...(name === undefined ? {} : {name}), ...(options === undefined ? {} : {options})}
  const created = await (await session.client()).call('createRoute', {body})
  session.print(`${created.name}\n`, created)
}

const remove = async (session: Session, name: string): Promise<void> => {
  await (await session.client()).call('deleteRoute', {params: {route: name}})
  session.progress.say(`Removed route ${name}.`)
  session.print('', {name})
}

const repeated = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]

export const addRoute = (program: Command, world: World): void => {
  const route = verb(program, 'route', 'Create a route')
    .argument('<domain/path>', 'what requests it matches, for example crm.example.com/user/{name}; without a domain, any')
    .argument('<target>', 'where they go, for example users.crm.service/{name}, or a redirect: 308 https://www.example.com/{name}')
    .option('--name <name>', 'its name; made from domain and path by default')
    .option('--with <options>', "options as in a manifest: 'hold: 10s', 'timeouts: {total: 30s}'; may be repeated", repeated)
    .action(act<AddOptions>(world, (session, [source = '', target = ''], options) => add(session, source, target, options)))
  verb(route, 'rm', 'Remove a route')
    .argument('<name>', 'its name, as `gilliam routes` shows it')
    .action(act(world, (session, [name = '']) => remove(session, name)))
}
