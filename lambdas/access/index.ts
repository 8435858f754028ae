// Tokens; and what anybody may ask: whether the control plane answers, and what its API is.
import {findFormation} from '#lambdas/middleware/formation.ts'
import {type ApiFunction, createFunction} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {InputOf, OutputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'

export interface AccessDeps {
  readonly store: Pick<Store, 'tokens' | 'idempotency' | 'formations'>
  readonly log: Logger
  readonly now: () => number
  readonly stage: string
  /** Of the software. */
  readonly version: string
  /** Made by shared/openapi.ts where the function is composed or built. */
  readonly openapi: OutputOf<'getOpenapi'>
}

type TokenBody = InputOf<'createToken'>['body']

/** A binding that would not hold, or a credential that is nobody's, is refused rather than ignored. */
const checkToken = async (store: Pick<Store, 'formations'>, {scope, formation}: TokenBody): Promise<void> => {
  if (scope === 'executor')
    throw new GilliamError('invalid_request', 'Executors get their tokens by joining; create a token of scope “join”.', [
      {path: 'scope', message: 'not “executor”'},
    ])
  if (formation === undefined) return
  if (scope !== 'registry')
    throw new GilliamError('invalid_request', `Only tokens of scope “registry” can be for one formation, not “${scope}”.`, [
      {path: 'formation', message: 'only with scope “registry”'},
    ])
  await findFormation(store, formation)
}

export const createAccessFunction = ({store, log, now, stage, version, openapi}: AccessDeps): ApiFunction =>
  createFunction(
    'access',
    {store, log, now},
    {
      createToken: async ({body}, call) => {
        await checkToken(store, body)
        const {ttlSeconds, ...token} = body
        return store.tokens.create({...token, ttlMs: ttlSeconds * 1_000}, call.now)
      },
      listTokens: async (_, call) => ({items: await store.tokens.list(call.now)}),
      revokeToken: async ({params}) => {
        const {outcome} = await store.tokens.revoke(params.token)
        if (outcome === 'missing') throw new GilliamError('not_found', `There is no token “${params.token}”.`)
        return undefined
      },
      getHealth: async () => {
        // One small read: a control plane that can not reach its database is not well, and says so with 503.
        await store.formations.get('health')
        return {ok: true, stage, version}
      },
      getOpenapi: async () => openapi,
    },
  )
