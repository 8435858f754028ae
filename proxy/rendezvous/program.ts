// A relay by itself: `main.ts relay`, where one is wanted that is no proxy. Owns its start and end; reads no environment.
import type {Server} from 'node:http'
import {closeAdmin, createAdmin} from '../admin.ts'
import {listen} from '../listener.ts'
import type {RelaySettings} from '../settings.ts'
import {createRelay, type RelayOptions} from './server.ts'

const metricsOf = (sessions: number): string =>
  `# HELP gilliam_relay_sessions Sessions there are.\n# TYPE gilliam_relay_sessions gauge\ngilliam_relay_sessions ${sessions}\n`

/** Starts a relay and its admin listener; resolves to what ends them. Rejects when a port is taken. */
export const startRelayAlone = async ({host, port, adminPort}: RelaySettings, options: RelayOptions): Promise<() => Promise<void>> => {
  const relay = createRelay(options)
  const admin: Server = createAdmin({
    readiness: () => ({ok: true, sessions: relay.size()}),
    metrics: async () => metricsOf(relay.size()),
    table: async () => ({sessions: relay.size()}),
  })
  await listen(relay.server, {host, port})
  await listen(admin, {host, port: adminPort})
  return async () => {
    await relay.close()
    await closeAdmin(admin)
  }
}
