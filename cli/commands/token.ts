// `gilliam token create | list | revoke`: credentials for agents, services and CI.
import type {Command} from 'commander'
import type {OutputOf} from '#shared/endpoints.ts'
import {parseDuration} from '#shared/manifest/units.ts'
import {type Scope, scopes, type Verb, verbs} from '#shared/scopes.ts'
import {CommandError} from '../exit.ts'
import {age, table, time} from '../render.ts'
import {formationsOf, verbsOf} from '../rights.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

interface CreateOptions {
  readonly scope?: string
  readonly allow?: string
  readonly ttl?: string
  readonly uses?: string
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

const usesOf = (text: string): number => {
  if (!/^[1-9]\d{0,4}$/.test(text))
    throw new CommandError('usage', `--uses is how many executors may join, from 1 to 10000, not “${text}”.`)
  return Number(text)
}

/** `--allow` makes a token of scope `user`, `--scope` one of another scope. */
const rightsOf = ({scope, allow}: CreateOptions): {scope: Scope; verbs?: Verb[]} => {
  const chosen = scope === undefined ? undefined : scopeOf(scope)
  if (allow !== undefined && (chosen ?? 'user') === 'user') return {scope: 'user', verbs: verbsOf(allow)}
  if (allow !== undefined) throw new CommandError('usage', `--allow is for scope user; a token of scope ${scope} has no verbs.`)
  if (chosen === undefined || chosen === 'user')
    throw new CommandError('usage', `Say what it may do: --allow VERB,… (${verbs.join(', ')}), or --scope.`)
  return {scope: chosen}
}

const create = async (session: Session, name: string, options: CreateOptions): Promise<void> => {
  const formations = formationsOf(session.options.formation)
  const created = await (await session.client()).call('createToken', {
    body: {
      name,
      ...rightsOf(options),
      ...(formations === undefined ? {} : {formations}),
      ...(options.ttl === undefined ? {} : {ttlSeconds: secondsOf(options.ttl)}),
      ...(options.uses === undefined ? {} : {uses: usesOf(options.uses)}),
    },
  })
  session.progress.say(`Token ${created.id} (${mayOf(created)}) ends ${time(created.expiresAt)}. It is shown only now:`)
  session.print(`${created.token ?? ''}\n`, created)
}

type Shown = OutputOf<'createToken'>

const mayOf = ({scope, verbs: given, uses, usesLeft}: Shown): string => {
  if (uses !== undefined) return `${scope} ${usesLeft} of ${uses}`
  return given === undefined ? scope : given.join(',')
}

const list = async (session: Session): Promise<void> => {
  const {items} = await (await session.client()).call('listTokens')
  const rows = items.map(token => [
    token.id,
    token.name,
    mayOf(token),
    token.formations?.join(',') ?? token.executor,
    time(token.createdAt),
    time(token.expiresAt),
    token.lastUsedAt === undefined ? 'never' : `${age(session.now() - token.lastUsedAt)} ago`,
  ])
  session.print(table(['id', 'name', 'may', 'bound to', 'created', 'ends', 'used'], rows, session.paintOut), {items})
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
  verb(group, 'create', 'Create a token; with -f bound to formations')
    .argument('<name>', 'what it is for')
    .option('--allow <verbs>', `what it may do, with commas between: ${verbs.join(', ')}`)
    .option('--scope <scope>', `for machines instead of --allow: ${scopes.join(', ')}`)
    .option('--uses <count>', 'with --scope join: how many executors may join with it; without limit by default')
    .option('--ttl <duration>', 'how long it lives, from 1m to 366d; 30d by default')
    .action(act<CreateOptions>(world, (session, [name = ''], options) => create(session, name, options)))
  verb(group, 'list', 'List tokens, without their secrets').action(act(world, list))
  verb(group, 'revoke', 'Revoke a token at once')
    .argument('<id>', 'as `gilliam token list` shows it')
    .action(act(world, (session, [id = '']) => revoke(session, id)))
}
