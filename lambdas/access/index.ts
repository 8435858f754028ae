// Tokens; and what anybody may ask: whether the control plane answers, and what its API is. Composition; one file per noun beside it.
import {type ApiFunction, createFunction} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import type {Logger} from '#shared/log.ts'
import type {SecretBox} from '#shared/ports.ts'
import {auditOperations} from './audit.ts'
import {exchangeOperation} from './exchange.ts'
import type {FetchOptions} from './fetch.ts'
import {createIssuers} from './issuers.ts'
import {revokedOperation} from './revoked.ts'
import {secretOperations} from './secrets.ts'
import {tokenOperations} from './tokens.ts'
import {trustOperations} from './trusts.ts'

export interface AccessDeps {
  readonly store: Pick<
    Store,
    'tokens' | 'idempotency' | 'formations' | 'audit' | 'trusts' | 'secrets' | 'releases' | 'instances' | 'scales' | 'sessions' | 'by'
  >
  readonly log: Logger
  readonly now: () => number
  readonly stage: string
  /** Where issuers of id tokens may be, and how they are asked; on the internet by default. */
  readonly issuers?: FetchOptions
  /** Of the software. */
  readonly version: string
  /** Made by shared/openapi.ts where the function is composed or built. */
  readonly openapi: OutputOf<'getOpenapi'>
  /** Seals secrets; without it none can be set. */
  readonly box?: SecretBox
}

export const createAccessFunction = ({
  store,
  log,
  now,
  stage,
  version,
  openapi,
  box,
  issuers: fetching = {reach: 'public'},
}: AccessDeps): ApiFunction => {
  const issuers = createIssuers({now, fetching})
  return createFunction(
    'access',
    {store, log, now},
    {
      ...tokenOperations(store),
      ...trustOperations(store, issuers),
      ...auditOperations(store),
      ...secretOperations(store, box, stage),
      exchangeToken: exchangeOperation({store, issuers}),
      getHealth: async () => {
        // One small read: a control plane that can not reach its database is not well, and says so with 503.
        await store.formations.get('health')
        return {ok: true, stage, version}
      },
      getRelayKeys: async () => ({keys: [...(await store.sessions.publicKeys())]}),
      getRevoked: revokedOperation(store.tokens),
      getOpenapi: async () => openapi,
    },
  )
}
