// Whose id tokens are taken: made, listed and removed by admins; and where people log in.
import {findFormation} from '#lambdas/middleware/formation.ts'
import type {Operations} from '#lambdas/middleware.ts'
import {type Store, type Trust, trustsMax} from '#lambdas/store/index.ts'
import type {InputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import {exchangedTtlSecondsMax, tenantClaims} from '#shared/trust.ts'
import type {Issuers} from './issuers.ts'

type Named = 'createTrust' | 'listTrusts' | 'deleteTrust' | 'getLogin'
type TrustBody = InputOf<'createTrust'>['body']

const invalid = (detail: string, path: string): GilliamError => new GilliamError('invalid_request', detail, [{path, message: detail}])

const check = (issuers: Issuers, {issuer, claims, login, ttlSeconds}: TrustBody): void => {
  issuers.check(issuer)
  const tenant = tenantClaims(issuer)
  if (tenant !== undefined && !tenant.some(claim => claims[claim] !== undefined))
    throw invalid(`Everybody can have an id token of ${issuer}: bind at least one of ${tenant.join(', ')}.`, 'claims')
  if (!login && ttlSeconds > exchangedTtlSecondsMax)
    throw invalid(`A token of a machine lasts at most ${exchangedTtlSecondsMax} s; it can exchange another id token.`, 'ttlSeconds')
}

export const trustOperations = (
  store: Pick<Store, 'trusts' | 'formations' | 'by'>,
  issuers: Issuers,
): Pick<Operations<'access'>, Named> => ({
  createTrust: async ({body}, {actor, now}) => {
    check(issuers, body)
    for (const formation of body.formations ?? []) await findFormation(store, formation)
    const {formations, ...rest} = body
    const trust: Trust = {...rest, ...(formations !== undefined && {formations}), createdAt: now}
    const {outcome} = await store.by(actor).trusts.create(trust)
    if (outcome === 'exists') throw new GilliamError('already_exists', `There is a trust “${body.name}” already; remove it first.`)
    if (outcome === 'full') throw new GilliamError('limit_reached', `A stage has at most ${trustsMax} trusts.`)
    return trust
  },
  listTrusts: async () => ({items: await store.trusts.list()}),
  deleteTrust: async ({params}, {actor, now}) => {
    const {outcome} = await store.by(actor).trusts.delete(params.trust, now)
    if (outcome === 'missing') throw new GilliamError('not_found', `There is no trust “${params.trust}”.`)
    return undefined
  },
  getLogin: async () => {
    const people = (await store.trusts.list()).filter(({login}) => login)
    return {providers: people.map(({name, issuer, audience}) => ({trust: name, issuer, clientId: audience}))}
  },
})
