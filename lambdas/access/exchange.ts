// An id token for a token of ours: whose it is, whether its issuer signed it for us, which trust fits, and only once.
import {createHash} from 'node:crypto'
import {decodeJwt, errors, type JWTPayload, jwtVerify} from 'jose'
import type {Operation} from '#lambdas/middleware.ts'
import type {Store, Trust} from '#lambdas/store/index.ts'
import {GilliamError} from '#shared/errors.ts'
import {claimsFit} from '#shared/trust.ts'
import type {Issuers} from './issuers.ts'

/** Asymmetric ones that providers use; never `none`, never a shared secret. */
const algorithms = ['RS256', 'ES256']
const clockToleranceSeconds = 30
const nameCharactersMax = 128

export interface ExchangeDeps {
  readonly store: Pick<Store, 'trusts' | 'tokens' | 'by'>
  readonly issuers: Issuers
}

const refused = (detail: string): GilliamError => new GilliamError('unauthenticated', detail)

/** What it says of its issuer; not to be believed yet. */
const issuerOf = (idToken: string): string | undefined => {
  try {
    return decodeJwt(idToken).iss
  } catch {
    return undefined
  }
}

const isUnknownKey = (error: unknown): boolean => error instanceof errors.JWKSNoMatchingKey

/** The claims, once the issuer’s signature, the audience and the times hold; throws unauthenticated, or unavailable without keys. */
const verify = async (issuers: Issuers, idToken: string, issuer: string, audience: string[], now: number): Promise<JWTPayload> => {
  const options = {
    algorithms,
    issuer,
    audience,
    clockTolerance: clockToleranceSeconds,
    currentDate: new Date(now),
    requiredClaims: ['exp', 'iat', 'sub'],
  }
  const attempt = async (anew: boolean) => (await jwtVerify(idToken, await issuers.keysOf(issuer, anew), options)).payload
  try {
    // Keys are changed now and then; an unknown one is worth another look.
    return await attempt(false).catch(error => (isUnknownKey(error) ? attempt(true) : Promise.reject(error)))
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
    throw refused(`The id token does not hold: ${error.message}.`)
  }
}

/** Of the trusts that fit, the one that is named or the only one. */
const choose = (fitting: readonly Trust[], named: string | undefined, claims: JWTPayload): Trust => {
  const candidates = named === undefined ? fitting : fitting.filter(({name}) => name === named)
  const [trust, ...others] = candidates
  if (trust === undefined)
    throw refused(`No trust fits the id token of “${claims.sub}” from ${claims.iss}; an admin adds one (\`gilliam trust\`).`)
  if (others.length > 0) {
    const names = candidates.map(({name}) => name).join(', ')
    throw new GilliamError('invalid_request', `Several trusts fit: ${names}. Say which (\`trust\`).`, [{path: 'trust', message: 'needed'}])
  }
  return trust
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** People are known by their address, machines by what they run for. */
const nameOf = ({login}: Trust, claims: JWTPayload): string =>
  ((login ? (text(claims.email) ?? text(claims.preferred_username)) : undefined) ?? `${claims.sub}`).slice(0, nameCharactersMax)

/** Names it for as long as it could be shown again: by its own id if it has one (RFC 7519 §4.1.7). */
const usedOf = (idToken: string, {iss, jti, exp = 0}: JWTPayload): {hash: string; until: number} => ({
  hash: createHash('sha256')
    .update(JSON.stringify(jti === undefined ? [idToken] : [iss, jti]))
    .digest('hex'),
  until: (exp + clockToleranceSeconds) * 1_000,
})

export const exchangeOperation =
  ({store, issuers}: ExchangeDeps): Operation<'exchangeToken'> =>
  async ({body: {idToken, trust: named}}, {now, actor}) => {
    const issuer = issuerOf(idToken)
    const trusts = (await store.trusts.list()).filter(trust => trust.issuer === issuer)
    // Nobody makes us ask an issuer that no admin named.
    if (issuer === undefined || trusts.length === 0)
      throw refused('No trust names the issuer of this id token; an admin adds one (`gilliam trust`).')
    const claims = await verify(issuers, idToken, issuer, [...new Set(trusts.map(({audience}) => audience))], now)
    const audiences = [claims.aud ?? []].flat()
    const fitting = trusts.filter(trust => audiences.includes(trust.audience) && claimsFit(trust.claims, claims))
    const trust = choose(fitting, named, claims)
    const name = nameOf(trust, claims)
    const {verbs, formations} = trust
    const rights = {scope: 'user', verbs, ...(formations !== undefined && {formations})} as const
    const token = {name, ...rights, trust: trust.name, ttlMs: trust.ttlSeconds * 1_000}
    const made = await store.by({...actor, name}).tokens.createUnder(token, usedOf(idToken, claims), now)
    if (made.outcome === 'ok') return made.created
    if (made.outcome === 'replayed') throw refused('This id token was exchanged before; get a new one.')
    throw refused(`Trust “${trust.name}” was removed.`)
  }
