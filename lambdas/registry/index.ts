// The service registry (announce, look up, withdraw) and the discovery feed of router and proxy.

import {findFormation} from '#lambdas/middleware/formation.ts'
import {type ApiFunction, createFunction} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {instanceName} from '#shared/domain/names.ts'
import type {Logger} from '#shared/log.ts'
import {discoverOperation} from './discovery.ts'
import {announceOperation, entryOf, noEntry, owned} from './entries.ts'

export interface RegistryDeps {
  readonly store: Store
  readonly log: Logger
  readonly now: () => number
  /** Until a reader of the feed should ask again, in milliseconds. */
  readonly nextPollMs: number
  /** The same for one that has heard of nothing new for long; `nextPollMs` by default. */
  readonly idlePollMs?: number
}

export const createRegistryFunction = ({store, log, now, nextPollMs, idlePollMs = nextPollMs}: RegistryDeps): ApiFunction =>
  createFunction(
    'registry',
    {store, log, now},
    {
      getRegistry: async ({params: {formation}}, call) => {
        await findFormation(store, formation)
        const entries = await store.registry.list(formation, call.now)
        return Object.fromEntries(entries.map(({service, id, body}) => [instanceName(service, id), body]))
      },
      getAnnouncement: async ({params}, call) => {
        const {formation, service, id} = entryOf(params)
        const entry = await store.registry.get(formation, service, id, call.now)
        if (entry !== undefined) return entry.body
        await findFormation(store, formation)
        throw noEntry(params)
      },
      announce: announceOperation(store),
      withdraw: async ({params}) => {
        const {formation, service, id} = entryOf(params)
        const {outcome} = await store.registry.withdraw(formation, service, id)
        if (outcome === 'owned') throw owned(params)
        if (outcome === 'missing') {
          await findFormation(store, formation)
          throw noEntry(params)
        }
        return undefined
      },
      discover: discoverOperation(store, {busyMs: nextPollMs, idleMs: idlePollMs}),
    },
  )
