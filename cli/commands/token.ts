// `gilliam token create | list | revoke`: credentials for agents, services and CI.
import type {Command} from 'commander'
import {parseDuration} from '#shared/manifest/units.ts'
import {type Scope, scopes} from '#shared/scopes.ts'
import {CommandError} from '../exit.ts'
import {table, time} from '../render.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

interface CreateOptions {
  readonly scope: string
  readonly ttl?: string
}

const scopeOf = (text: string): Scope => {
  const scope = scopes.find(one => one === text)
  if (scope === undefined) throw new CommandError('usage', `“${text}” is not a scope; scopes are ${scopes.join(', ')}.`)
  return scope
}

/** The API’s limits. */
const ttlMsMin = 60_000
const ttlMsMax = 366 * 86_400_000

const secondsOf = (text: string): number => {
  const ms = parseDuration(text)
  if (ms === undefined) throw new CommandError('usage', `“${text}” is not a duration with its unit, such as 12h or 30d.`)
  if (ms < ttlMsMin || ms > ttlMsMax) throw new CommandError('usage', `A token lives from 1m to 366d, not ${text}.`)
  return Math.round(ms / 1_000)
}

const create = async (session: Session, name: string, options: CreateOptions): Promise<void> => {
  const {formation} = session.options
  const created = await (await session.client()).call('createToken', {
    body: {
      name,
      scope: scopeOf(options.scope),
      ...(formation === undefined ? {} : {formation}),
      ...(options.ttl === undefined ? {} : {ttlSeconds: secondsOf(options.ttl)}),
    },
  })
  session.progress.say(`Token ${created.id} (${created.scope}) ends ${time(created.expiresAt)}. It is shown only now:`)
  session.print(`${created.token ?? ''}\n`, created)
}

const list = async (session: Session): Promise<void> => {
  const {items} = await (await session.client()).call('listTokens')
  const rows = items.map(token => [
    token.id,
    token.name,
    token.scope,
    token.formation ?? token.executor,
    time(token.createdAt),
    time(token.expiresAt),
  ])
  session.print(table(['id', 'name', 'scope', 'bound to', 'created', 'ends'], rows, session.paintOut), {items})
}

const revoke = async (session: Session, token: string): Promise<void> => {
  if (!/^[0-9a-f]{16}$/.test(token))
    throw new CommandError('usage', `“${token}” is not a token’s id: 16 hexadecimal digits, as \`gilliam token list\` shows them.`)
  await (await session.client()).call('revokeToken', {params: {token}})
  session.progress.say(`Revoked token ${token}.`)
  session.print('', {id: token})
}

export const addToken = (program: Command, world: World): void => {
  const group = program.command('token').description('Create, list and revoke tokens')
  verb(group, 'create', 'Create a token; with -f bound to a formation')
    .argument('<name>', 'what it is for')
    .requiredOption('--scope <scope>', scopes.join(', '))
    .option('--ttl <duration>', 'how long it lives, from 1m to 366d; 30d by default')
    .action(act<CreateOptions>(world, (session, [name = ''], options) => create(session, name, options)))
  verb(group, 'list', 'List tokens, without their secrets').action(act(world, list))
  verb(group, 'revoke', 'Revoke a token at once')
    .argument('<id>', 'as `gilliam token list` shows it')
    .action(act(world, (session, [id = '']) => revoke(session, id)))
}
