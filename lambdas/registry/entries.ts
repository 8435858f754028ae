// Entries that services outside the platform announce: their names, how long they live, and who may not be overwritten.
import {findActive} from '#lambdas/middleware/formation.ts'
import type {Operation} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {parseInstanceName} from '#shared/domain/names.ts'
import {announcementsPerFormationMax, announcementTtlMsDefault, announcementTtlMsMax} from '#shared/domain/registry.ts'
import {GilliamError} from '#shared/errors.ts'

interface Named {
  readonly formation: string
  readonly name: string
}

export const entryOf = ({formation, name}: Named): {formation: string; service: string; id: string} => {
  const parsed = parseInstanceName(name)
  if (parsed === undefined) throw new Error('the schema lets only SERVICE.INSTANCE through')
  return {formation, ...parsed}
}

export const noEntry = ({formation, name}: Named): GilliamError =>
  new GilliamError('not_found', `Nothing live is announced as “${name}” in formation “${formation}”.`)

export const owned = ({formation, name}: Named): GilliamError =>
  new GilliamError('already_exists', `“${name}” in formation “${formation}” is an instance of the platform: its executor announces it.`)

/** Milliseconds an entry lives: `?ttl=` in seconds, else a number `ttl` in its body, else the default. Throws invalid_request. */
export const ttlMsOf = (query: string | undefined, body: Readonly<Record<string, unknown>>): number => {
  const own = Object.hasOwn(body, 'ttl') && typeof body.ttl === 'number' ? body.ttl : undefined
  const seconds = query === undefined ? own : Number(query)
  if (seconds === undefined) return announcementTtlMsDefault
  const ttlMs = Math.round(seconds * 1_000)
  if (ttlMs >= 1_000 && ttlMs <= announcementTtlMsMax) return ttlMs
  const message = `from 1 to ${announcementTtlMsMax / 1_000} seconds`
  throw new GilliamError('invalid_request', `A ttl is ${message}, not ${seconds}.`, [
    {path: query === undefined ? 'ttl' : 'query.ttl', message},
  ])
}

export const announceOperation =
  (store: Store): Operation<'announce'> =>
  async ({params, query, body}, {now}) => {
    const ttlMs = ttlMsOf(query.ttl, body)
    await findActive(store, params.formation)
    const {outcome} = await store.registry.announce({...entryOf(params), body, expiresAt: now + ttlMs}, now)
    if (outcome === 'owned') throw owned(params)
    if (outcome === 'full')
      throw new GilliamError(
        'limit_reached',
        `Formation “${params.formation}” has ${announcementsPerFormationMax} entries from outside, and takes no more; withdraw some, or wait until they end.`,
      )
    return body
  }
