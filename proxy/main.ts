// Starts the router or the proxy: `main.ts router`, `main.ts proxy`. The composition root: reads the environment, makes the client, handles signals.
import {readFileSync} from 'node:fs'
import {createClient} from '#shared/client.ts'
import {type Environment, read, readShare, required} from '#shared/config.ts'
import {GilliamError} from '#shared/errors.ts'
import {createLogger} from '#shared/log.ts'
import {type AccessLogMode, accessLogModes} from './access-log.ts'
import {startDataPlane} from './data-plane.ts'
import {type DiscoveryOptions, idleHoldMs} from './discovery.ts'
import type {OutsidePolicy} from './forward.ts'
import {limitsDefault} from './limits.ts'
import {toDescriptor} from './line-writer.ts'

/** One call to the feed; the loop is what repeats it. */
const discoverTimeoutMs = idleHoldMs + 5_000

const readPort = (env: Environment, name: 'PORT' | 'PORT_9000'): number => {
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

/** The feed through the API client. The token is read again when the control plane refuses it, so it can be replaced while we run. */
const createDiscover = (env: Environment): DiscoveryOptions['discover'] => {
  const api = required(env, 'GILLIAM_API')
  const tokenFile = read(env, 'GILLIAM_TOKEN_FILE')
  const token = (): string => (tokenFile === '' ? required(env, 'GILLIAM_TOKEN') : readFileSync(tokenFile, 'utf8').trim())
  let client = createClient({api, token: token()})
  return async (asked, signal) => {
    try {
      return await client.call('discover', {body: asked}, {timeoutMs: discoverTimeoutMs, triesMax: 1, signal})
    } catch (error) {
      if (error instanceof GilliamError && error.code === 'unauthenticated') client = createClient({api, token: token()})
      throw error
    }
  }
}

const main = async (): Promise<void> => {
  const role = process.argv[2]
  if (role !== 'router' && role !== 'proxy') throw new Error('say which: router or proxy')
  const env: Environment = process.env
  const log = createLogger(role, {level: read(env, 'GILLIAM_LOG_LEVEL', 'info')})
  const snapshotFile = read(env, 'GILLIAM_SNAPSHOT')
  const zone = read(env, 'GILLIAM_ZONE')
  const plane = await startDataPlane({
    role,
    host: env.HOST ?? '127.0.0.1',
    port: readPort(env, 'PORT'),
    adminPort: readPort(env, 'PORT_9000'),
    outside: oneOf<OutsidePolicy>(env, 'GILLIAM_PROXY_OUTSIDE', ['allow', 'forbid'], 'allow'),
    accessLog: oneOf<AccessLogMode>(env, 'GILLIAM_ACCESS_LOG', accessLogModes, 'sample'),
    discover: createDiscover(env),
    ...(snapshotFile === '' ? {} : {snapshotFile}),
    ...(zone === '' ? {} : {zone}),
    accessLogSink: toDescriptor(1),
    tracesSampledShare: readShare(env, 'GILLIAM_TRACES_SAMPLED', 1),
    limits: limitsDefault,
    log,
    now: Date.now,
    random: Math.random,
  })
  const {address, port} = plane.address
  log.info({address, port, admin: plane.adminAddress.port}, `${role} listens`)
  const end = (): void => {
    void plane.stop().then(() => process.exit(0))
  }
  process.once('SIGTERM', end)
  process.once('SIGINT', end)
}

main().catch((error: unknown) => {
  process.stderr.write(`gilliam ${process.argv[2] ?? 'data plane'}: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
