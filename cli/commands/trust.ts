// `gilliam trust github | gitlab | buildkite | oidc | list | rm`: who gets tokens for proving elsewhere who they are.
import {type Command, Option} from 'commander'
import {nameCharactersMax} from '#shared/domain/names.ts'
import type {CallOf, OutputOf} from '#shared/endpoints.ts'
import {parseDuration} from '#shared/manifest/units.ts'
import {verbs} from '#shared/scopes.ts'
import {claimsOf, type TrustProvider, trustShapes} from '#shared/trust.ts'
import {CommandError} from '../exit.ts'
import {table} from '../render.ts'
import {formationsOf, verbsOf} from '../rights.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

interface TrustOptions {
  readonly allow: string
  readonly ref?: string
  readonly environment?: string
  readonly claim: readonly string[]
  readonly audience?: string
  readonly clientId?: string
  readonly issuer?: string
  readonly name?: string
  readonly ttl?: string
}

const claimOf = (text: string): [string, string] => {
  const at = text.indexOf('=')
  if (at < 1) throw new CommandError('usage', `“${text}” is not of the form NAME=VALUE, for example sub=me.`)
  return [text.slice(0, at), text.slice(at + 1)]
}

const nameFrom = (...parts: readonly (string | undefined)[]): string =>
  parts
    .filter(part => part !== undefined)
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, nameCharactersMax)
    .replace(/-+$/, '')

const secondsOf = (text: string): number => {
  const ms = parseDuration(text)
  if (ms === undefined) throw new CommandError('usage', `“${text}” is not a duration with its unit, such as 15m or 1h.`)
  return Math.round(ms / 1_000)
}

const create = async (session: Session, body: CallOf<'createTrust'>['body'], {allow: _, ttl}: TrustOptions): Promise<void> => {
  const formations = formationsOf(session.options.formation)
  const made = await (await session.client()).call('createTrust', {
    body: {...body, ...(formations !== undefined && {formations}), ...(ttl !== undefined && {ttlSeconds: secondsOf(ttl)})},
  })
  session.progress.say(`Trust ${made.name}: ${whoOf(made)} may ${mayOf(made)}, for ${made.ttlSeconds} s at a time.`)
  session.print(`${made.name}\n`, made)
}

const provide = async (session: Session, provider: TrustProvider, project: string, options: TrustOptions): Promise<void> => {
  const {ref, environment} = options
  const claims = claimsOf(provider, {project, ...(ref !== undefined && {branch: ref}), ...(environment !== undefined && {environment})})
  if (claims === undefined)
    throw new CommandError(
      'usage',
      `${provider} knows no project “${project}”${environment === undefined ? '' : ' with an environment'}; it is OWNER/NAME.`,
    )
  const body = {
    name: options.name ?? nameFrom(provider, project, ref, environment),
    issuer: options.issuer ?? trustShapes[provider].issuer,
    audience: options.audience ?? (await session.stage()).api,
    claims: {...claims, ...Object.fromEntries(options.claim.map(claimOf))},
    verbs: verbsOf(options.allow),
  }
  await create(session, body, options)
}

const oidc = async (session: Session, issuer: string, options: TrustOptions): Promise<void> => {
  const {clientId, audience, claim} = options
  const to = clientId ?? audience
  if (to === undefined || (clientId !== undefined && audience !== undefined))
    throw new CommandError('usage', 'Say whom its id tokens are for: --client-id ID for people who log in, or --audience TEXT.')
  const body = {
    name: options.name ?? nameFrom(URL.parse(issuer)?.hostname ?? issuer, claim[0]?.replace('=', '-')),
    issuer,
    audience: to,
    login: clientId !== undefined,
    claims: Object.fromEntries(claim.map(claimOf)),
    verbs: verbsOf(options.allow),
  }
  await create(session, body, options)
}

type Trust = OutputOf<'createTrust'>

const whoOf = ({issuer, claims}: Trust): string =>
  `${issuer.replace('https://', '')} ${Object.entries(claims)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')}`
const mayOf = ({verbs: given, formations}: Trust): string =>
  `${given.join(',')}${formations === undefined ? '' : ` in ${formations.join(',')}`}`

const list = async (session: Session): Promise<void> => {
  const {items} = await (await session.client()).call('listTrusts')
  const rows = items.map(trust => [trust.name, trust.login ? 'people' : 'CI', whoOf(trust), mayOf(trust)])
  session.print(table(['name', 'for', 'who', 'may'], rows, session.paintOut), {items})
}

const remove = async (session: Session, trust: string): Promise<void> => {
  await (await session.client()).call('deleteTrust', {params: {trust}})
  session.progress.say(`Removed trust ${trust}, and revoked the tokens given under it.`)
  session.print('', {name: trust})
}

const collect = (text: string, before: readonly string[]): string[] => [...before, text]

const trusting = (command: Command): Command =>
  command
    .requiredOption('--allow <verbs>', `what they may do, with commas between: ${verbs.join(', ')}`)
    .addOption(
      new Option('--claim <name=value>', 'what else their id tokens must say; may be repeated').argParser(collect).default([], 'none'),
    )
    .option('--audience <text>', 'whom their id tokens are for; the control plane’s URL by default')
    .option('--name <name>', 'how the trust is called')
    .option('--ttl <duration>', 'how long their tokens last; 15m by default, at most 1h, and 12h for people')

export const addTrust = (program: Command, world: World): void => {
  const group = program.command('trust').description('Give tokens to CI and people who prove elsewhere who they are')
  for (const provider of Object.keys(trustShapes) as TrustProvider[])
    trusting(verb(group, provider, `Trust jobs of a ${provider} project; with -f for formations`))
      .argument('<project>', 'OWNER/NAME')
      .option('--ref <branch>', 'only of this branch')
      .option('--environment <name>', 'only of this environment')
      .option('--issuer <url>', 'of an installation of your own')
      .action(act<TrustOptions>(world, (session, [project = ''], options) => provide(session, provider, project, options)))
  trusting(verb(group, 'oidc', 'Trust any OpenID Connect issuer; with -f for formations'))
    .argument('<issuer>', 'its URL')
    .option('--client-id <id>', 'people log in by it, as this client')
    .action(act<TrustOptions>(world, (session, [issuer = ''], options) => oidc(session, issuer, options)))
  verb(group, 'list', 'List trusts').action(act(world, list))
  verb(group, 'rm', 'Remove a trust, and revoke the tokens given under it')
    .argument('<name>', 'as `gilliam trust list` shows it')
    .action(act(world, (session, [name = '']) => remove(session, name)))
}
