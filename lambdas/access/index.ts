// Tokens; and what anybody may ask: whether the control plane answers, and what its API is. Composition; one file per noun beside it.
import {type ApiFunction, createFunction} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import type {Logger} from '#shared/log.ts'
import {auditOperations} from './audit.ts'
import {tokenOperations} from './tokens.ts'

export interface AccessDeps {
  readonly store: Pick<Store, 'tokens' | 'idempotency' | 'formations' | 'audit' | 'by'>
  readonly log: Logger
  readonly now: () => number
  readonly stage: string
  /** Of the software. */
  readonly version: string
  /** Made by shared/openapi.ts where the function is composed or built. */
  readonly openapi: OutputOf<'getOpenapi'>
}

export const createAccessFunction = ({store, log, now, stage, version, openapi}: AccessDeps): ApiFunction =>
  createFunction(
    'access',
    {store, log, now},
    {
      ...tokenOperations(store),
      ...auditOperations(store),
      getHealth: async () => {
        // One small read: a control plane that can not reach its database is not well, and says so with 503.
        await store.formations.get('health')
        return {ok: true, stage, version}
      },
      getOpenapi: async () => openapi,
    },
  )
