// Which relay the two sides of a session meet at: the one the stage is told of, or one of those that announce themselves. Both sides hear the same address.
import type {RegistryEntry, Store} from '#lambdas/store/index.ts'
import {GilliamError} from '#shared/errors.ts'
import {relayFormation, relayPort} from '#shared/sessions/places.ts'

/** Finds a relay for a session, by its id. Throws no_relay. */
export type FindRelay = (session: string, now: number) => Promise<string>

/** Only what an executor announces of an instance: who may announce what is outside the platform is not to hear what sessions say. */
const addressOf = ({body, executor}: RegistryEntry): string | undefined => {
  if (executor === undefined) return undefined
  const ports = typeof body.ports === 'object' && body.ports !== null ? (body.ports as Record<string, unknown>) : {}
  const port = ports[String(relayPort)]
  if (typeof body.host !== 'string' || typeof port !== 'number') return undefined
  return `ws://${body.host.includes(':') ? `[${body.host}]` : body.host}:${port}/`
}

/** `fixed`: what GILLIAM_RELAY says; empty: proxies of the stage that run as instances take sessions themselves. */
export const createFindRelay =
  (registry: Pick<Store['registry'], 'list'>, fixed: string): FindRelay =>
  async (session, now) => {
    if (fixed !== '') return fixed
    const addresses = (await registry.list(relayFormation, now)).map(addressOf).filter(address => address !== undefined)
    const address = addresses[Number.parseInt(session.slice(0, 8), 16) % addresses.length]
    if (address === undefined)
      throw new GilliamError(
        'no_relay',
        `No relay is there: no instance in formation “${relayFormation}” announces port ${relayPort}, and GILLIAM_RELAY names none.`,
      )
    return address
  }
