// Making, listing and revoking tokens: nobody hands out more than they have, and everybody sees only what they made.
import {findFormation} from '#lambdas/middleware/formation.ts'
import type {Operations} from '#lambdas/middleware.ts'
import {type Store, type TokenRecord, tokenChildrenMax, tokenDepthMax} from '#lambdas/store/index.ts'
import type {InputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import {isStageAdmin, isWithin, type Principal, type Rights} from '#shared/scopes.ts'

type Named = 'createToken' | 'listTokens' | 'revokeToken'
type TokenStores = Pick<Store, 'tokens' | 'formations' | 'by'>
type TokenBody = InputOf<'createToken'>['body']

const invalid = (detail: string, path: string, message: string): GilliamError =>
  new GilliamError('invalid_request', detail, [{path, message}])

/** A right that would not hold, or a credential that is nobody's, is refused rather than ignored. */
const checkRights = ({scope, verbs, formations, uses}: Rights): void => {
  if (scope === 'executor')
    throw invalid('Executors get their tokens by joining; create a token of scope “join”.', 'scope', 'not “executor”')
  if (scope === 'user' && verbs === undefined) throw invalid('A token of scope “user” needs verbs.', 'verbs', 'needed with scope “user”')
  if (scope !== 'user' && verbs !== undefined)
    throw invalid(`Only tokens of scope “user” have verbs, not “${scope}”.`, 'verbs', 'only with scope “user”')
  if (uses !== undefined && scope !== 'join')
    throw invalid(`Only tokens of scope “join” have uses, not “${scope}”.`, 'uses', 'only with scope “join”')
  if (formations !== undefined && scope !== 'user' && scope !== 'registry')
    throw invalid(
      `Only tokens of scope “user” or “registry” can be for certain formations, not “${scope}”.`,
      'formations',
      'only with scope “user” or “registry”',
    )
}

const rightsOf = ({scope, verbs, formations, uses}: TokenBody): Rights => ({
  scope,
  ...(verbs !== undefined && {verbs: [...new Set(verbs)]}),
  ...(formations !== undefined && {formations: [...new Set(formations)]}),
  ...(uses !== undefined && {uses}),
})

const create = async (store: TokenStores, body: TokenBody, maker: Principal, now: number) => {
  const rights = rightsOf(body)
  checkRights(rights)
  if (!isWithin(rights, maker))
    throw new GilliamError(
      'forbidden',
      'A token can make only tokens that may do no more than itself: fewer verbs or formations, same scope.',
    )
  for (const formation of rights.formations ?? []) await findFormation(store, formation)
  const token = {name: body.name, ...rights, ttlMs: body.ttlSeconds * 1_000}
  if (maker.scope === 'admin') return store.tokens.create(token, now)
  const made = await store.tokens.createChild(token, maker, now)
  if (made.outcome === 'ok') return made.created
  if (made.outcome === 'missing') throw new GilliamError('unauthenticated', 'The token is unknown, has ended or was revoked.')
  throw new GilliamError(
    'limit_reached',
    `A token can have made at most ${tokenChildrenMax} that have not ended, and be made at most ${tokenDepthMax} tokens away from the first.`,
  )
}

/** Itself and what was made with it, at any distance; everything for an admin. */
const visible = (all: readonly TokenRecord[], principal: Principal): readonly TokenRecord[] => {
  if (isStageAdmin(principal)) return all
  const own = new Set([principal.tokenId])
  for (let distance = 0; distance < tokenDepthMax; distance++)
    for (const {id, parent} of all) if (parent !== undefined && own.has(parent)) own.add(id)
  return all.filter(({id}) => own.has(id))
}

const asked = (principal: Principal | undefined): Principal => {
  if (principal === undefined) throw new Error('no endpoint of tokens is public')
  return principal
}

export const tokenOperations = (store: TokenStores): Pick<Operations<'access'>, Named> => ({
  createToken: ({body}, {principal, actor, now}) => create(store.by(actor), body, asked(principal), now),
  listTokens: async (_, {principal, now}) => ({items: visible(await store.tokens.list(now), asked(principal))}),
  revokeToken: async ({params: {token}}, {principal, actor, now}) => {
    const known = visible(await store.tokens.list(now), asked(principal)).some(({id}) => id === token)
    // An admin may finish a revocation that was interrupted: what is being revoked is not listed any more.
    const revoked = known || isStageAdmin(asked(principal)) ? await store.by(actor).tokens.revoke(token, now) : {outcome: 'missing'}
    if (revoked.outcome === 'missing') throw new GilliamError('not_found', `There is no token “${token}”.`)
    return undefined
  },
})
