// Starts the router, the proxy or a relay: `main.ts router`, `main.ts proxy`, `main.ts relay`. The composition root: reads the environment, handles signals, and is primary or worker.
import {networkInterfaces} from 'node:os'
import type {Environment} from '#shared/config.ts'
import {createLogger} from '#shared/log.ts'
import {startBridge} from './bridge.ts'
import {limitsDefault} from './limits.ts'
import {readRelaySettings, readSettings, type Settings} from './settings.ts'
import type {ToPrimary, ToWorker} from './workers/messages.ts'

/** What a primary calls its workers with, after the role. */
const workerArgument = 'worker'

/** Workers have no use for the credential of the control plane. */
const withoutToken = ({GILLIAM_TOKEN: _, GILLIAM_TOKEN_FILE: __, ...env}: Environment): Environment => env

/** What listens elsewhere, containers reach there. */
const isLoopback = (host: string): boolean => host === 'localhost' || host.startsWith('127.')

const lead = async (settings: Settings, env: Environment): Promise<void> => {
  const {role, logLevel: level, host, port, adminPort, workers, bridge} = settings
  const log = createLogger(role, {level})
  const [{startPrimary}, {createDiscover, createRelaySource}, {shutdown}] = await Promise.all([
    import('./workers/primary.ts'),
    import('./control-plane.ts'),
    import('./listener.ts'),
  ])
  const starting = startPrimary({
    settings,
    discover: createDiscover(env),
    relay: createRelaySource(env),
    limits: limitsDefault,
    program: process.argv[1] as string,
    args: [role, workerArgument],
    env: withoutToken(env),
    log,
    now: Date.now,
    random: Math.random,
  })
  const end = (): void => {
    void starting.then(primary => primary.stop(shutdown(limitsDefault))).then(() => process.exit(0))
  }
  process.once('SIGTERM', end)
  process.once('SIGINT', end)
  process.on('SIGHUP', () => void starting.then(primary => primary.reload()))
  await starting
  if (bridge !== undefined && isLoopback(host)) startBridge({name: bridge, target: {host, port}, interfaces: networkInterfaces, log})
  log.info({address: host, port, admin: adminPort, workers}, `${role} listens`)
}

const work = async (settings: Settings): Promise<void> => {
  const log = createLogger(settings.role, {level: settings.logLevel})
  // The primary says when to end. A signal to the whole group is not for us.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
  const {runWorker} = await import('./workers/worker.ts')
  const channel = {
    send: (message: ToPrimary): Promise<void> =>
      new Promise((resolve, reject) => {
        if (process.send === undefined) reject(new Error('a worker is started by its primary only'))
        else process.send(message, undefined, undefined, (error: Error | null) => (error === null ? resolve() : reject(error)))
      }),
    onMessage: (listener: (message: ToWorker) => void) => void process.on('message', message => listener(message as ToWorker)),
    onClosed: (listener: () => void) => void process.on('disconnect', listener),
  }
  runWorker(settings, channel, log, code => process.exit(code))
}

const relay = async (env: Environment): Promise<void> => {
  const settings = readRelaySettings(env)
  const log = createLogger('relay', {level: settings.logLevel})
  const [{startRelayAlone}, {createRelaySource}, {relayLimitsDefault}] = await Promise.all([
    import('./rendezvous/program.ts'),
    import('./control-plane.ts'),
    import('./rendezvous/limits.ts'),
  ])
  const end = await startRelayAlone(settings, {...createRelaySource(env), limits: relayLimitsDefault, log, now: Date.now})
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end().then(() => process.exit(0)))
  log.info({address: settings.host, port: settings.port, admin: settings.adminPort}, 'relay listens')
}

const main = async (): Promise<void> => {
  const [, , role, part] = process.argv
  if (role === 'relay') return relay(process.env)
  const settings = readSettings(role, process.env)
  await (part === workerArgument ? work(settings) : lead(settings, process.env))
}

main().catch((error: unknown) => {
  process.stderr.write(`gilliam ${process.argv[2] ?? 'data plane'}: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
