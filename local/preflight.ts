// Everything that can be known to be wrong before anything is started, each as one line that says what to do.
import {accessSync, constants, existsSync, mkdirSync, statSync} from 'node:fs'
import {dirname} from 'node:path'
import {type Environment, read} from '#shared/config.ts'
import {findDynoxide} from './database.ts'
import {findListener, type Listener} from './listeners.ts'
import {BootstrapError, type BootstrapOptions} from './options.ts'
import type {StagePaths} from './paths.ts'
import type {ProcessRecord} from './processes.ts'

/** Oldest Node that runs TypeScript files as they are and has node:sqlite. */
const nodeMajorMin = 24

export interface Machine {
  readonly nodeVersion: string
  readonly platform: string
  /** The embedded database's program, if it is installed. */
  readonly dynoxide: string | undefined
  /** `GILLIAM_DYNAMODB_ENDPOINT`; empty when unset. */
  readonly endpoint: string
}

/** What this process sees. */
export const thisMachine = (env: Environment): Machine => ({
  nodeVersion: process.versions.node,
  platform: process.platform,
  dynoxide: findDynoxide(),
  endpoint: read(env, 'GILLIAM_DYNAMODB_ENDPOINT'),
})

/** Throws BootstrapError when this machine can not run a stage. */
export const checkMachine = ({nodeVersion, platform, dynoxide, endpoint}: Machine): void => {
  if (Number(nodeVersion.split('.')[0]) < nodeMajorMin)
    throw new BootstrapError(`this is Node ${nodeVersion}, and Gilliam needs ${nodeMajorMin}; run ./bootstrap, which brings its own`)
  if (platform !== 'linux') throw new BootstrapError(`a local stage runs on Linux only, not on ${platform}`)
  if (endpoint === '' && dynoxide === undefined)
    throw new BootstrapError(
      'the embedded database (npm package @dynoxide/linux-x64) is not installed; run `npm ci`, or set GILLIAM_DYNAMODB_ENDPOINT to a DynamoDB-compatible endpoint',
    )
}

/** Folders that are missing, from the top. Node's own recursion never ends below one that says ENOENT to everything, as /proc does. */
const makeFolder = (path: string): void => {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) throw Object.assign(new Error(`${path} is no folder`), {code: 'ENOTDIR'})
    return
  }
  makeFolder(dirname(path))
  mkdirSync(path, {mode: 0o700})
}

/** Makes the home folder. Throws BootstrapError when it can not be written. */
export const prepareHome = ({home}: StagePaths): void => {
  try {
    makeFolder(home)
    accessSync(home, constants.W_OK | constants.X_OK)
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException
    throw new BootstrapError(`can not write to the home folder ${home} (${code}); choose another with --home DIR`)
  }
}

const nameOf = (listener: Listener | 'unknown'): string =>
  listener === 'unknown' ? 'a process of another user' : `process ${listener.pid} (${listener.command})`

/** Throws BootstrapError when a port belongs to somebody else. Router and proxy are ours when they run in this stage's home. */
export const checkPorts = (options: BootstrapOptions, controlPlane: ProcessRecord | undefined): void => {
  const isOurs = (listener: Listener): boolean => listener.pid === controlPlane?.pid || listener.folder.startsWith(`${options.home}/`)
  for (const [name, port] of [
    ['api', options.apiPort],
    ['router', options.routerPort],
    ['proxy', options.proxyPort],
  ] as const) {
    const listener = findListener(port)
    if (listener === 'free' || (listener !== 'unknown' && isOurs(listener))) continue
    throw new BootstrapError(`port ${port} is taken by ${nameOf(listener)}; end it, or choose another with --${name}-port PORT`)
  }
}
