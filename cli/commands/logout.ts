// `gilliam logout`: gives back the token that `gilliam login` was given, and forgets it here whatever the stage says. Tokens from elsewhere it leaves alone.
import type {Command} from 'commander'
import {createClient} from '#shared/client.ts'
import {read} from '#shared/config.ts'
import {GilliamError} from '#shared/errors.ts'
import {configDir, forgetToken, noStage, readConfig, type Stage} from '../config.ts'
import {CommandError} from '../exit.ts'
import {neutralise} from '../safe.ts'
import {noStageYet, type Session, type World} from '../session.ts'
import {act, verb} from '../verb.ts'

/** Somebody waits, and the token is forgotten in any case. */
const revokeTimeoutMs = 5_000
const revokeTriesMax = 2

interface LoggedIn {
  readonly name: string
  readonly api: string
  readonly token: string
  /** Its id. */
  readonly login: string
}

const heldBy = (name: string, {api, token, login}: Stage): LoggedIn => {
  if (token === undefined) throw new CommandError('conflict', `Nobody is logged in to stage ${name}.`)
  if (login === undefined)
    throw new CommandError(
      'conflict',
      `The token of stage ${name} is not from \`gilliam login\`; others may use it too. \`gilliam stages rm ${name}\` forgets it, \`gilliam token revoke\` revokes it.`,
    )
  return {name, api, token, login}
}

/** The stage by `--stage`, else the current one, as `gilliam login` chooses. */
const choose = async (session: Session): Promise<LoggedIn> => {
  const configuration = await readConfig(configDir(session.env))
  const {stages, current} = configuration
  const name = session.options.stage ?? (read(session.env, 'GILLIAM_STAGE') || current)
  if (name === undefined) throw new CommandError('usage', noStageYet)
  const stage = Object.hasOwn(stages, name) ? stages[name] : undefined
  if (stage === undefined) throw noStage(name, configuration)
  return heldBy(name, stage)
}

/** Why the token may still hold; undefined once it certainly does not. */
const revoke = async ({interrupted}: Session, {api, token, login}: LoggedIn): Promise<string | undefined> => {
  const options = {timeoutMs: revokeTimeoutMs, triesMax: revokeTriesMax, signal: interrupted}
  try {
    await createClient({api, token}).call('revokeToken', {params: {token: login}}, options)
    return undefined
  } catch (error) {
    if (error instanceof GilliamError && (error.code === 'unauthenticated' || error.code === 'not_found')) return undefined
    return error instanceof Error && error.message !== '' ? error.message : 'interrupted'
  }
}

const logout = async (session: Session): Promise<void> => {
  const stage = await choose(session)
  const {name, token, login} = stage
  const reason = await revoke(session, stage)
  await forgetToken(configDir(session.env), name, token)
  session.print('', {stage: name, id: login, revoked: reason === undefined, ...(reason !== undefined && {reason})})
  if (reason === undefined) return session.progress.say(`Logged out of stage ${name}.`)
  throw new CommandError(
    'failed',
    `Token ${login} is forgotten here, but stage ${name} did not revoke it: ${neutralise(reason)} It holds until it ends, or until an admin runs \`gilliam token revoke ${login} --stage ${name}\`.`,
  )
}

export const addLogout = (program: Command, world: World): void => {
  verb(program, 'logout', 'Give back the token of a login').action(act(world, logout))
}
