// What a command works with: output, the chosen stage and formation, the API client. Chooses by the documented precedence; knows no command.

import type {Client} from '#shared/client.ts'
import {type Environment, read} from '#shared/config.ts'
import {isName} from '#shared/domain/names.ts'
import {configDir, noStage, readConfig, type Stage} from './config.ts'
import type {Console} from './console.ts'
import {checkUrl, readToken} from './credentials.ts'
import {CommandError, Interrupted} from './exit.ts'
import {createProgress, type Progress} from './progress.ts'
import {findProject, manifestFormation, type Project} from './project.ts'
import type {Paint} from './render.ts'

/** What the composition root gives to commands. */
export interface World {
  readonly env: Environment & {readonly XDG_CONFIG_HOME?: string}
  readonly cwd: string
  readonly version: string
  /** Where bundles are: beside this program when it is one. */
  readonly bundles: string
  /** The Node that runs it, and as whom. */
  readonly execPath: string
  readonly uid: number | undefined
  readonly now: () => number
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly outIsTty: boolean
  readonly errIsTty: boolean
  readonly inIsTty: boolean
  readonly columns: number
  readonly paintOut: Paint
  readonly paintErr: Paint
  /** Asks on stderr and reads one line. */
  readonly ask: (question: string) => Promise<string>
  /** All of standard input. */
  readonly readIn: () => Promise<string>
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal
  readonly console: Console
}

/** Options that every command has. */
export interface CommonOptions {
  readonly stage?: string
  readonly formation?: string
  readonly json?: boolean
}

export interface ChosenStage extends Stage {
  readonly name: string
  readonly token: string
}

export interface Session extends World {
  readonly json: boolean
  readonly options: CommonOptions
  readonly progress: Progress
  /** Data for stdout: `data` with --json, else the text. */
  readonly print: (text: string, data: unknown) => void
  readonly project: () => Promise<Project>
  readonly stage: () => Promise<ChosenStage>
  readonly client: () => Promise<Client>
  /** The formation a command is about, by flag, .gilliam/ or gilliam.yml. */
  readonly formation: () => Promise<string>
  /** Waits; throws Interrupted on Ctrl-C. */
  readonly sleep: (ms: number) => Promise<void>
}

export const noStageYet = 'No stage yet. Run ./bootstrap, or `gilliam stages add NAME --api URL --token-file FILE`.'

const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

const tokenOf = async (env: Environment): Promise<string> => {
  const file = read(env, 'GILLIAM_TOKEN_FILE')
  if (read(env, 'GILLIAM_TOKEN') !== '' || file === '') return read(env, 'GILLIAM_TOKEN')
  return readToken(file, 'GILLIAM_TOKEN_FILE')
}

/** --stage, GILLIAM_STAGE, .gilliam/, then the current one; GILLIAM_API and GILLIAM_TOKEN override its parts. */
const chooseStage = async (world: World, options: CommonOptions, project: Project): Promise<ChosenStage> => {
  const api = options.stage === undefined ? read(world.env, 'GILLIAM_API') : ''
  if (api !== '') checkUrl(api, 'GILLIAM_API')
  const token = options.stage === undefined ? await tokenOf(world.env) : ''
  const named = options.stage ?? (read(world.env, 'GILLIAM_STAGE') || project.remembered.stage)
  if (api !== '' && token !== '') return {name: named ?? 'environment', api, token}
  const configuration = await readConfig(configDir(world.env))
  const {stages, current} = configuration
  const name = named ?? current
  if (name === undefined || Object.keys(stages).length === 0) throw new CommandError('usage', noStageYet)
  const stage = Object.hasOwn(stages, name) ? stages[name] : undefined
  if (stage === undefined) throw noStage(name, configuration)
  const held = token === '' ? stage.token : token
  if (held === undefined) throw new CommandError('unreachable', `Nobody is logged in to stage ${name}: \`gilliam login --stage ${name}\`.`)
  return {...stage, name, ...(api === '' ? {} : {api}), token: held}
}

const chooseFormation = async (options: CommonOptions, project: Project): Promise<string> => {
  const name = options.formation ?? project.remembered.formation ?? (await manifestFormation(project))
  if (name === undefined)
    throw new CommandError(
      'usage',
      'No formation named. Use -f NAME, put `formation: NAME` in gilliam.yml, or run `gilliam create NAME` in the project.',
    )
  if (!isName(name))
    throw new CommandError(
      'usage',
      `“${name}” is not a formation name: lower-case letters, digits and dashes, at most 40, starting with a letter.`,
    )
  return name
}

/** A client whose calls end with Interrupted on Ctrl-C. */
const interruptible = (client: Client, signal: AbortSignal): Client => ({
  call: (name, ...args) => {
    const [call, options] = args
    return client.call(name, ...([call, {signal, ...options}] as typeof args))
  },
})

export const createSession = (world: World, options: CommonOptions): Session => {
  const project = once(() => findProject(world.cwd))
  const stage = once(async () => chooseStage(world, options, await project()))
  const json = options.json === true
  return {
    ...world,
    json,
    options,
    progress: createProgress(world),
    print: (text, data) => world.out(json ? `${JSON.stringify(data, null, 2)}\n` : text),
    project,
    stage,
    client: once(async () => {
      const {api, token} = await stage()
      const {createClient} = await import('#shared/client.ts')
      return interruptible(createClient({api, token}), world.interrupted)
    }),
    formation: once(async () => chooseFormation(options, await project())),
    sleep: ms =>
      new Promise((resolve, reject) => {
        const interrupted = () => {
          clearTimeout(timer)
          reject(new Interrupted())
        }
        const timer = setTimeout(() => {
          world.interrupted.removeEventListener('abort', interrupted)
          resolve()
        }, ms)
        if (world.interrupted.aborted) interrupted()
        else world.interrupted.addEventListener('abort', interrupted, {once: true})
      }),
  }
}
