// The tokens a local stage lives on: the user's admin token in the CLI's configuration, and the files that hold what agents and the data plane use.
import {createHash} from 'node:crypto'
import {mkdir, readFile} from 'node:fs/promises'
import {dirname} from 'node:path'
import {readConfig, type Stage, writeStage} from '#cli/config.ts'
import {type Client, createClient} from '#shared/client.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Scope} from '#shared/scopes.ts'
import {replaceFile} from './files.ts'

const tokenTtlMs = 365 * 86_400_000
/** A token file is renewed at a start of the stage when its token ends sooner than this. */
const renewBeforeMs = 90 * 86_400_000

export interface AdminOptions {
  readonly stage: string
  readonly urls: Pick<Stage, 'api' | 'router' | 'proxy'>
  /** Folder of the CLI's configuration. */
  readonly configFolder: string
  readonly database: {readonly endpoint: string; readonly table: string; readonly ownCredentials: boolean}
  readonly now: () => number
  /** Tells the user something that is no failure. */
  readonly say: (text: string) => void
}

/** Answers a client with the user's admin token, made directly in the store when the CLI's configuration has none that works, and written there. */
export const adminClient = async ({stage, urls, configFolder, database, now, say}: AdminOptions): Promise<Client> => {
  const before = (await readConfig(configFolder)).stages[stage]
  const held = before?.api === urls.api ? before.token : undefined
  const isKnown = held !== undefined && (await isAccepted(urls.api, held))
  const token = isKnown ? held : await mintAdmin(database, stage, now)
  if (!isKnown || before?.router !== urls.router || before?.proxy !== urls.proxy) await writeStage(configFolder, stage, {...urls, token})
  if (before !== undefined && before.api !== urls.api)
    say(
      `\`gilliam\` knew a stage “${stage}” at ${before.api}, and now means this one by that name; --stage NAME gives this one a name of its own`,
    )
  return createClient({api: urls.api, token})
}

const isAccepted = async (api: string, token: string): Promise<boolean> => {
  try {
    await createClient({api, token}).call('listFormations')
    return true
  } catch (error) {
    if (error instanceof GilliamError && (error.code === 'unauthenticated' || error.code === 'forbidden')) return false
    throw error
  }
}

const mintAdmin = async (database: AdminOptions['database'], stage: string, now: () => number): Promise<string> => {
  // Needed once per stage, and heavy.
  const [{createStore}, {connectDynamoDB}] = await Promise.all([import('#lambdas/store/index.ts'), import('./dynamodb.ts')])
  const dynamo = connectDynamoDB(database.endpoint, () => undefined, database.ownCredentials)
  try {
    const store = createStore({client: dynamo.client, table: database.table})
    return (await store.tokens.create({name: `bootstrap ${stage}`, scope: 'admin', ttlMs: tokenTtlMs}, now())).token
  } finally {
    dynamo.destroy()
  }
}

export interface TokenFileOptions {
  readonly client: Client
  readonly file: string
  readonly name: string
  readonly scope: Exclude<Scope, 'admin' | 'executor'>
  readonly now: () => number
}

/** Keeps the token in `file` (0600) while it is known and far from its end; else makes a new one there. */
export const ensureTokenFile = async ({client, file, name, scope, now}: TokenFileOptions): Promise<void> => {
  await mkdir(dirname(file), {recursive: true, mode: 0o700})
  const held = await readFile(file, 'utf8').catch(() => '')
  const id = createHash('sha256').update(held.trim()).digest('hex').slice(0, 16)
  const {items} = await client.call('listTokens')
  if (items.some(token => token.id === id && token.scope === scope && token.expiresAt - now() > renewBeforeMs)) return
  const {token} = await client.call('createToken', {body: {name, scope, ttlSeconds: tokenTtlMs / 1_000}})
  if (token === undefined) throw new Error('the control plane made a token without its secret')
  replaceFile(file, `${token}\n`)
}
