// Who changed what: reading the audit, of a formation or of the whole stage. Writing happens in the store, with each change.
import {holdTo} from '#lambdas/middleware/access.ts'
import {fitting} from '#lambdas/middleware/pages.ts'
import type {Operations} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {InputOf} from '#shared/endpoints.ts'
import type {Principal} from '#shared/scopes.ts'

const auditEntriesDefault = 100
const auditEntriesMax = 1_000

/** A token for one formation asks about that one. */
const formationOf = (asked: string | undefined, principal: Principal | undefined): string | undefined => {
  const own = principal?.formations
  const formation = asked ?? (own?.length === 1 ? own[0] : undefined)
  holdTo(principal, formation)
  return formation
}

const numbers = ({since, until, limit}: InputOf<'getAudit'>['query']) => ({
  ...(since !== undefined && {since: Number(since)}),
  ...(until !== undefined && {until: Number(until)}),
  limit: Math.min(auditEntriesMax, Math.max(1, Number(limit ?? auditEntriesDefault))),
})

export const auditOperations = (store: Pick<Store, 'audit'>): Pick<Operations<'access'>, 'getAudit'> => ({
  getAudit: async ({query}, {principal, now}) => {
    const formation = formationOf(query.formation, principal)
    const {cursor} = query
    const where = {...(formation !== undefined && {formation}), ...(cursor !== undefined && {cursor})}
    const page = await store.audit.list({...where, ...numbers(query)}, now)
    const items = fitting(page.items)
    const last = items.at(-1)
    return items.length < page.items.length && last !== undefined ? {items, cursor: store.audit.cursorOf(last)} : page
  },
})
