// A relay by itself: `main.ts relay`, where one is wanted that is no proxy. Owns its start and end; reads no environment.
import type {Server} from 'node:http'
import {closeAdmin, createAdmin} from '../admin.ts'
import {listen} from '../listener.ts'
import type {RelaySettings} from '../settings.ts'
import {createRelay, type Relay, type RelayOptions} from './server.ts'

const gauge = (name: string, help: string, value: number): string => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`

const metricsOf = ({size, bytes}: Relay): string =>
  gauge('gilliam_relay_sessions', 'Sessions there are.', size()) +
  gauge('gilliam_relay_buffered_bytes', 'Bytes on their way to slow sides.', bytes())

/** Starts a relay and its admin listener; resolves to what ends them. Rejects when a port is taken. */
export const startRelayAlone = async ({host, port, adminPort}: RelaySettings, options: RelayOptions): Promise<() => Promise<void>> => {
  const relay = createRelay(options)
  const admin: Server = createAdmin({
    readiness: () => ({ok: true, sessions: relay.size()}),
    metrics: async () => metricsOf(relay),
    table: async () => ({sessions: relay.size()}),
  })
  await listen(relay.server, {host, port})
  await listen(admin, {host, port: adminPort})
  return async () => {
    await relay.close()
    await closeAdmin(admin)
  }
}
