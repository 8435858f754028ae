// The stages a user works with and their credentials: one 0600 file in the user's configuration folder. Owns that file; knows nothing of projects.
import {randomBytes} from 'node:crypto'
import {mkdir, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {homedir} from 'node:os'
import {join} from 'node:path'
import {type Environment, read} from '#shared/config.ts'
import {closest} from '#shared/domain/closest.ts'
import {isName} from '#shared/domain/names.ts'
import {GilliamError} from '#shared/errors.ts'

/** One installation of the platform, as this user reaches it. */
export interface Stage {
  /** URL of the control plane. */
  readonly api: string
  /** Bearer token; none after `gilliam logout`. */
  readonly token?: string
  /** The id of the token, if `gilliam login` was given it: this user’s own, and nobody else’s. */
  readonly login?: string
  readonly router?: string
  readonly proxy?: string
}

export interface Configuration {
  /** The stage used when neither flag, environment nor project names one. */
  readonly current?: string
  readonly stages: Readonly<Record<string, Stage>>
}

const fileName = 'config.json'

/** The configuration folder: `$GILLIAM_CONFIG`, else `$XDG_CONFIG_HOME/gilliam`, else `~/.config/gilliam`. */
export const configDir = (env: Environment & {readonly XDG_CONFIG_HOME?: string}): string => {
  const own = read(env, 'GILLIAM_CONFIG')
  if (own !== '') return own
  const xdg = env.XDG_CONFIG_HOME
  return join(xdg === undefined || xdg === '' ? join(homedir(), '.config') : xdg, 'gilliam')
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const isUrl = (value: unknown): value is string => typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value)

const parseStage = (value: unknown, name: string, file: string): Stage => {
  const broken = (why: string) =>
    new GilliamError('invalid_request', `${file}: stage “${name}” ${why}. Correct the file, or remove it and add the stage again.`)
  if (!isName(name) || !isRecord(value)) throw broken('is not a name with an object')
  const {api, token, login, router, proxy} = value
  if (!isUrl(api)) throw broken('has no http(s) URL in “api”')
  if (token !== undefined && (typeof token !== 'string' || token === '')) throw broken('has a “token” that is none')
  return {
    api,
    ...(token === undefined ? {} : {token}),
    ...(token !== undefined && typeof login === 'string' ? {login} : {}),
    ...(isUrl(router) ? {router} : {}),
    ...(isUrl(proxy) ? {proxy} : {}),
  }
}

const parse = (text: string, file: string): Configuration => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new GilliamError('invalid_json', `${file} is not JSON. Correct the file, or remove it and run ./bootstrap again.`)
  }
  if (!isRecord(value) || !isRecord(value.stages ?? {}))
    throw new GilliamError(
      'invalid_request',
      `${file} is not an object with “stages”. Correct the file, or remove it and run ./bootstrap again.`,
    )
  const stages = Object.fromEntries(Object.entries(value.stages ?? {}).map(([name, stage]) => [name, parseStage(stage, name, file)]))
  return {...(typeof value.current === 'string' ? {current: value.current} : {}), stages}
}

/** The configuration in `dir`; no stages when there is no file. Throws a GilliamError that names the file when it can not be understood. */
export const readConfig = async (dir: string): Promise<Configuration> => {
  const file = join(dir, fileName)
  try {
    return parse(await readFile(file, 'utf8'), file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {stages: {}}
    throw error
  }
}

/** Replaces the configuration as a whole: readers see the old file or the new one, never a part. Mode 0600, folder 0700. */
const writeConfig = async (dir: string, configuration: Configuration): Promise<void> => {
  await mkdir(dir, {recursive: true, mode: 0o700})
  const temporary = join(dir, `.${fileName}.${randomBytes(6).toString('hex')}`)
  try {
    await writeFile(temporary, `${JSON.stringify(configuration, null, 2)}\n`, {mode: 0o600, flag: 'wx', flush: true})
    await rename(temporary, join(dir, fileName))
  } catch (error) {
    await rm(temporary, {force: true})
    throw error
  }
}

/** What to say of a stage that is not in the configuration. */
export const noStage = (name: string, {stages}: Configuration): GilliamError => {
  const near = closest(name, Object.keys(stages))
  return new GilliamError(
    'not_found',
    `No stage “${name}”. ${near === undefined ? '`gilliam stages` lists them.' : `Did you mean “${near}”?`}`,
  )
}

/** Adds or replaces a stage; the first one becomes the current one. */
export const writeStage = async (dir: string, name: string, stage: Stage): Promise<void> => {
  const before = await readConfig(dir)
  await writeConfig(dir, {current: before.current ?? name, stages: {...before.stages, [name]: stage}})
}

/** Forgets the token of a stage, and keeps where it is; nothing when it has another token by now. */
export const forgetToken = async (dir: string, name: string, token: string): Promise<void> => {
  const before = await readConfig(dir)
  const stage = Object.hasOwn(before.stages, name) ? before.stages[name] : undefined
  if (stage?.token !== token) return
  const {token: _, login: __, ...left} = stage
  await writeConfig(dir, {...before, stages: {...before.stages, [name]: left}})
}

/** Makes a stage the current one; it must exist. */
export const useStage = async (dir: string, name: string): Promise<void> => {
  const before = await readConfig(dir)
  if (!Object.hasOwn(before.stages, name)) throw noStage(name, before)
  await writeConfig(dir, {...before, current: name})
}

/** Forgets a stage and its token; it must exist. Without the current one, none is current. */
export const removeStage = async (dir: string, name: string): Promise<void> => {
  const before = await readConfig(dir)
  if (!Object.hasOwn(before.stages, name)) throw noStage(name, before)
  const {current, stages} = before
  const left = Object.fromEntries(Object.entries(stages).filter(([other]) => other !== name))
  await writeConfig(dir, {...(current === undefined || current === name ? {} : {current}), stages: left})
}
