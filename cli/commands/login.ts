// `gilliam login`: proves to a stage who one is, by the stage's identity provider or as a CI job, and keeps the token it gives.
import type {Command} from 'commander'
import {type Client, createClient} from '#shared/client.ts'
import {read} from '#shared/config.ts'
import {isName} from '#shared/domain/names.ts'
import {configDir, readConfig, type Stage, writeStage} from '../config.ts'
import {checkUrl} from '../credentials.ts'
import {logIn} from '../device.ts'
import {CommandError} from '../exit.ts'
import {jobIdToken} from '../id-token.ts'
import {time} from '../render.ts'
import {neutralise} from '../safe.ts'
import type {Session, World} from '../session.ts'
import {act, verb} from '../verb.ts'

interface LoginOptions {
  readonly api?: string
  readonly trust?: string
  readonly ci?: boolean
  readonly audience?: string
}

const defaultStage = 'default'

interface Chosen {
  readonly name: string
  readonly api: string
  readonly before?: Stage
}

/** The stage by `--stage`, else the current one; by `--api` one that is not known yet. */
const choose = async (session: Session, {api}: LoginOptions): Promise<Chosen> => {
  const {stages, current} = await readConfig(configDir(session.env))
  const named = session.options.stage ?? (read(session.env, 'GILLIAM_STAGE') || undefined)
  const given = api ?? (read(session.env, 'GILLIAM_API') || undefined)
  const name = named ?? (given === undefined ? current : defaultStage)
  if (name === undefined) throw new CommandError('usage', 'Which stage? Use --api URL, with --stage NAME if you know several.')
  if (!isName(name)) throw new CommandError('usage', `“${name}” is not a name of a stage: lower-case letters, digits and dashes.`)
  const before = Object.hasOwn(stages, name) ? stages[name] : undefined
  const url = given ?? before?.api
  if (url === undefined) throw new CommandError('notFound', `No stage “${name}” is known yet; say where it is: --api URL.`)
  return {name, api: checkUrl(url, '--api'), ...(before !== undefined && before.api === url && {before})}
}

const byDevice = async (session: Session, client: Client, {trust}: LoginOptions): Promise<string> => {
  const {providers} = await client.call('getLogin')
  const offered = trust === undefined ? providers : providers.filter(provider => provider.trust === trust)
  const [first] = offered
  if (first === undefined)
    throw new CommandError(
      'notFound',
      trust === undefined
        ? 'Nobody can log in to this stage: it names no identity provider (`gilliam trust oidc`).'
        : `Nobody logs in by “${trust}”.`,
    )
  if (offered.some(({issuer, clientId}) => issuer !== first.issuer || clientId !== first.clientId))
    throw new CommandError(
      'usage',
      `The stage knows several identity providers; choose one: --trust ${offered.map(one => one.trust).join(' | ')}`,
    )
  return logIn({
    issuer: first.issuer,
    clientId: first.clientId,
    show: (url, code) => session.progress.say(`Open ${neutralise(url)} and enter ${neutralise(code)}. Waiting …`),
    sleep: session.sleep,
    now: session.now,
  })
}

const login = async (session: Session, options: LoginOptions): Promise<void> => {
  const {name, api, before} = await choose(session, options)
  const client = createClient({api})
  const idToken = options.ci === true ? await jobIdToken(session.env, options.audience ?? api) : await byDevice(session, client, options)
  const {trust} = options
  // Not tried again by itself: an id token is taken once.
  const given = await client.call('exchangeToken', {body: {idToken, ...(trust !== undefined && {trust})}}, {triesMax: 1})
  const {token, ...shown} = given
  if (token === undefined) throw new CommandError('failed', 'The control plane gave a token without its secret.')
  await writeStage(configDir(session.env), name, {...before, api, token, login: given.id})
  const where = given.formations === undefined ? '' : ` in ${given.formations.join(', ')}`
  session.progress.say(
    `Logged in to stage ${name} as ${neutralise(given.name)} until ${time(given.expiresAt)}: ${(given.verbs ?? []).join(', ')}${where}.`,
  )
  session.print('', {stage: name, ...shown})
}

export const addLogin = (program: Command, world: World): void => {
  verb(program, 'login', 'Log in to a stage by its identity provider')
    .option('--api <url>', 'its control plane, when it is not known yet')
    .option('--trust <name>', 'by which trust, when the stage has several')
    .option('--ci', 'as a CI job, with the id token of the job')
    .option('--audience <text>', 'whom GitHub’s id token is for; the control plane’s URL by default')
    .action(act<LoginOptions>(world, (session, _, options) => login(session, options)))
}
