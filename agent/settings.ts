// What an agent is told by its environment, checked once at start. Reads nothing but the environment passed in and the machine's size.
import {availableParallelism, totalmem} from 'node:os'
import {delimiter, dirname, join, resolve} from 'node:path'
import {type Environment, read, readNumber, required} from '#shared/config.ts'
import {ringLabel} from '#shared/domain/agent.ts'
import type {ExecutorDescriptor} from '#shared/domain/executor.ts'
import {isName} from '#shared/domain/names.ts'
import type {RuntimeName} from '#shared/domain/release.ts'
import {readAttributes} from './attributes.ts'
import {type ContainerSettings, offeredRuntimes, readContainerSettings, readRuntimes} from './containers/settings.ts'
import type {ExecutorEnvironment} from './environment.ts'
import {type PortRange, parsePortRange} from './ports.ts'
import {type Limit, limitNames} from './runtime/cgroup.ts'
import type {Owner} from './runtime/owner.ts'

export interface Settings {
  readonly home: string
  readonly api: string
  /** Undefined when the agent has joined already and need not again. `role`: as an EC2 machine that proves who it is; `prover` is the socket of who signs. */
  readonly join?: {readonly tokenFile: string} | 'role' | {readonly prover: string}
  readonly descriptor: ExecutorDescriptor
  readonly environment: ExecutorEnvironment
  /** What instances are run by here. */
  readonly runtimes: readonly RuntimeName[]
  readonly containers: ContainerSettings
  readonly portRange: PortRange
  /** What instances are held to, where this machine can. */
  readonly limits: ReadonlySet<Limit>
  /** Whom instances run as; undefined for as the agent. */
  readonly owner?: Owner
  readonly busyMs: number
  readonly logLevel: string
  /** What nobody uses any more may take, in bytes; a share of the disk when undefined. */
  readonly unusedBytesMax?: number
  /** Where it looks for notices that its machine is to go. */
  readonly notices: {readonly file?: string; readonly ec2: boolean}
}

const readDescriptor = (env: Environment, host: string, runtimes: readonly RuntimeName[]): ExecutorDescriptor => {
  const id = required(env, 'GILLIAM_EXECUTOR')
  if (!isName(id)) throw new Error(`GILLIAM_EXECUTOR must be lower-case letters, digits and dashes, not “${id}”`)
  const attributes = readAttributes(read(env, 'GILLIAM_EXECUTOR_ATTRIBUTES'))
  const ring = attributes.labels?.[ringLabel]
  if (ring !== undefined && !isName(ring))
    throw new Error(`GILLIAM_EXECUTOR_ATTRIBUTES: the label ${ringLabel} must be lower-case letters, digits and dashes, not “${ring}”`)
  return {
    zone: 'default',
    domain: 'default',
    network: 'default',
    tags: [],
    labels: {},
    cpuMilli: availableParallelism() * 1_000,
    memoryMib: Math.floor(totalmem() / 1_048_576),
    pricePerHour: 0,
    ...attributes,
    id,
    host,
    runtimes,
  }
}

const readJoin = (env: Environment): Settings['join'] => {
  const how = read(env, 'GILLIAM_JOIN', 'token')
  const prover = read(env, 'GILLIAM_PROVER')
  if (how === 'role') return prover === '' ? how : {prover}
  if (how !== 'token') throw new Error(`GILLIAM_JOIN must be token or role, not “${how}”`)
  const tokenFile = read(env, 'GILLIAM_JOIN_TOKEN_FILE')
  return tokenFile === '' ? undefined : {tokenFile}
}

const isLimit = (name: string): name is Limit => (limitNames as readonly string[]).includes(name)

const readLimits = (env: Environment): ReadonlySet<Limit> => {
  const names = read(env, 'GILLIAM_LIMITS', 'memory,pids,files').split(',')
  const limits = names.map(name => name.trim()).filter(isLimit)
  if (limits.length === names.length) return new Set(limits)
  throw new Error(`GILLIAM_LIMITS may name ${limitNames.join(', ')}, with commas between, not “${names.join(',')}”`)
}

const readOwner = (env: Environment): {owner?: Owner} => {
  const text = read(env, 'GILLIAM_RUN_AS')
  if (text === '') return {}
  const [, uid, gid] = /^(\d{1,9}):(\d{1,9})$/.exec(text) ?? []
  if (uid === undefined || Number(uid) === 0)
    throw new Error(`GILLIAM_RUN_AS must be UID:GID, in numbers, of a user that is not root, not “${text}”`)
  return {owner: {uid: Number(uid), gid: Number(gid)}}
}

const readNotices = (env: Environment, join: Settings['join']): Settings['notices'] => {
  const from = read(env, 'GILLIAM_NOTICES')
  if (from !== '' && from !== 'ec2') throw new Error(`GILLIAM_NOTICES must be ec2 or empty, not “${from}”`)
  const file = read(env, 'GILLIAM_NOTICE_FILE')
  return {ec2: from === 'ec2' || join === 'role', ...(file !== '' && {file})}
}

/** Reads the settings. `nodePath` is the program the agent runs on: instances find the same one first. Rejects with an error that names the variable. */
export const readSettings = async (env: Environment, nodePath: string): Promise<Settings> => {
  const host = read(env, 'GILLIAM_EXECUTOR_HOST', '127.0.0.1')
  const runtimes = readRuntimes(env)
  const containers = readContainerSettings(env)
  const descriptor = readDescriptor(env, host, offeredRuntimes(runtimes, containers))
  const api = required(env, 'GILLIAM_API')
  const home = resolve(required(env, 'GILLIAM_AGENT_HOME'))
  const proxy = read(env, 'GILLIAM_PROXY')
  const join = readJoin(env)
  const unusedBytesMax = readNumber(env, 'GILLIAM_UNUSED_BYTES_MAX', 0)
  return {
    home,
    api,
    descriptor,
    ...(join === undefined ? {} : {join}),
    environment: {
      stage: read(env, 'GILLIAM_STAGE', 'local'),
      executor: descriptor.id,
      zone: descriptor.zone,
      api,
      host,
      ...(proxy === '' ? {} : {proxy}),
      path: [dirname(nodePath), env.PATH ?? '/usr/local/bin:/usr/bin:/bin'].join(delimiter),
      lang: env.LANG ?? 'C.UTF-8',
    },
    runtimes,
    containers,
    portRange: parsePortRange(read(env, 'GILLIAM_PORT_RANGE', '20000-29999')),
    limits: readLimits(env),
    ...readOwner(env),
    busyMs: readNumber(env, 'GILLIAM_SYNC_BUSY_MS', 1_000, 10),
    notices: readNotices(env, join),
    logLevel: read(env, 'GILLIAM_LOG_LEVEL', 'info'),
    ...(unusedBytesMax > 0 && {unusedBytesMax}),
  }
}

/** The settings, with labels of the executor that the agent itself knows; they win over those that are set. */
export const withLabels = (settings: Settings, labels: Readonly<Record<string, string>>): Settings => {
  const {descriptor} = settings
  return {...settings, descriptor: {...descriptor, labels: {...descriptor.labels, ...labels}}}
}

/** The places of things in an agent's home. */
export const layoutOf = (home: string) => ({
  lock: join(home, 'lock'),
  credential: join(home, 'credential.json'),
  state: join(home, 'state.json'),
  /** Keys of what the last agent was to stop and could not, for whoever told it to. */
  left: join(home, 'left.json'),
  slugs: join(home, 'slugs'),
  instances: join(home, 'instances'),
  volumes: {process: join(home, 'volumes'), docker: join(home, 'container-volumes')},
  backups: join(home, 'backups'),
})

export type Layout = ReturnType<typeof layoutOf>
