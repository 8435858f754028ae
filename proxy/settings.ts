// What router and proxy are told by their environment. Reads and checks it; starts nothing.
import {availableParallelism} from 'node:os'
import {type Environment, read, readNumber, readShare} from '#shared/config.ts'
import {type AccessLogMode, accessLogModes} from './access-log.ts'
import type {Role} from './destination.ts'
import type {OutsidePolicy} from './forward.ts'

/** More workers than this help nobody. */
export const workersMax = 64
/** Workers of a router unless it is told: as many as there are processors, at most so many. */
const routerWorkers = 2
const reloadDrainMsDefault = 600_000

export interface Settings {
  readonly role: Role['name']
  readonly host: string
  readonly port: number
  readonly adminPort: number
  /** Where one-off work and live logs meet; undefined: not here. */
  readonly relayPort: number | undefined
  readonly workers: number
  /** A worker that a reload replaced is cut off after this long. */
  readonly reloadDrainMs: number
  readonly outside: OutsidePolicy
  readonly accessLog: AccessLogMode
  readonly tracesSampledShare: number
  /** Interface on whose address a proxy listens too, for containers. */
  readonly bridge: string | undefined
  readonly snapshotFile: string | undefined
  readonly zone: string | undefined
  readonly logLevel: string
}

const readPort = (env: Environment, name: 'PORT' | 'PORT_9000' | 'PORT_9001'): number => {
  const port = Number(env[name])
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`${name} must be a port number, not “${env[name] ?? ''}”`)
  return port
}

const oneOf = <T extends string>(
  env: Environment,
  name: 'GILLIAM_PROXY_OUTSIDE' | 'GILLIAM_ACCESS_LOG',
  values: readonly T[],
  fallback: T,
): T => {
  const text = read(env, name, fallback)
  const value = values.find(candidate => candidate === text)
  if (value === undefined) throw new Error(`${name} must be one of ${values.join(', ')}, not “${text}”`)
  return value
}

const readWorkers = (env: Environment, role: Role['name']): number => {
  const fallback = role === 'router' ? Math.min(routerWorkers, availableParallelism()) : 1
  const workers = readNumber(env, 'GILLIAM_WORKERS', fallback, 1)
  if (workers > workersMax) throw new Error(`GILLIAM_WORKERS must be at most ${workersMax}, not “${workers}”`)
  return workers
}

export type RelaySettings = Pick<Settings, 'host' | 'port' | 'adminPort' | 'logLevel'>

/** Of a relay by itself. Throws as {@link readSettings} does. */
export const readRelaySettings = (env: Environment): RelaySettings => ({
  host: env.HOST ?? '127.0.0.1',
  port: readPort(env, 'PORT'),
  adminPort: readPort(env, 'PORT_9000'),
  logLevel: read(env, 'GILLIAM_LOG_LEVEL', 'info'),
})

/** Throws an error that names the variable when one is not as it must be. */
export const readSettings = (role: string | undefined, env: Environment): Settings => {
  if (role !== 'router' && role !== 'proxy') throw new Error('say which: router, proxy or relay')
  return {
    role,
    host: env.HOST ?? '127.0.0.1',
    port: readPort(env, 'PORT'),
    adminPort: readPort(env, 'PORT_9000'),
    relayPort: env.PORT_9001 === undefined ? undefined : readPort(env, 'PORT_9001'),
    workers: readWorkers(env, role),
    reloadDrainMs: readNumber(env, 'GILLIAM_RELOAD_DRAIN_MS', reloadDrainMsDefault),
    outside: oneOf<OutsidePolicy>(env, 'GILLIAM_PROXY_OUTSIDE', ['allow', 'forbid'], 'allow'),
    accessLog: oneOf<AccessLogMode>(env, 'GILLIAM_ACCESS_LOG', accessLogModes, 'sample'),
    tracesSampledShare: readShare(env, 'GILLIAM_TRACES_SAMPLED', 1),
    bridge: role === 'proxy' ? read(env, 'GILLIAM_PROXY_BRIDGE') || undefined : undefined,
    snapshotFile: read(env, 'GILLIAM_SNAPSHOT') || undefined,
    zone: read(env, 'GILLIAM_ZONE') || undefined,
    logLevel: read(env, 'GILLIAM_LOG_LEVEL', 'info'),
  }
}
