// Who is asking, and whether the token covers it. Knows tokens only as the store's answer.
import {GilliamError} from '#shared/errors.ts'
import {type Access, mayEnter, type Principal, type Refusal, refusalOf} from '#shared/scopes.ts'
import type {Step} from './exchange.ts'

/** Longest bearer token looked at, in characters; ours are far shorter. */
export const tokenCharactersMax = 256

/** Finds out whose secret it is; undefined when it is unknown, ended or revoked. */
export type Authenticate = (secret: string, now: number) => Promise<Principal | undefined>

/** The token of `Authorization: Bearer TOKEN` (RFC 6750 §2.1); undefined when the header is anything else. */
export const bearerToken = (header: string | undefined): string | undefined => {
  const match = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(header ?? '')
  const token = match?.[1]
  return token === undefined || token.length > tokenCharactersMax ? undefined : token
}

const boundTo = ({formations = []}: Principal): string => `formation “${formations.join('”, “')}”`

const explain = (refusal: Refusal, principal: Principal, {scopes, verb}: Access): string => {
  const {scope, executor, verbs = []} = principal
  const wanted = [...scopes, ...(verb === undefined ? [] : [`user with verb “${verb}”`])].join(' or ')
  const reasons: Record<Refusal, string> = {
    scope: `A token of scope “${scope}” may not do this; it takes ${wanted}.`,
    verb: `This token is for ${verbs.join(', ')}; this takes verb “${verb}”.`,
    executor: `This token is for executor “${executor}” only.`,
    formation: `This token is for ${boundTo(principal)} only.`,
    stage: `This token is for ${boundTo(principal)} only, and this is about the whole stage.`,
  }
  return reasons[refusal]
}

/**
 * Holds a token to its formations where no path names one (`bound: 'own'` in the endpoint table); undefined stands for what belongs to no formation.
 * Throws forbidden.
 */
export const holdTo = (principal: Principal | undefined, formation: string | undefined): void => {
  if (principal !== undefined && !mayEnter(principal, formation))
    throw new GilliamError('forbidden', `This token is for ${boundTo(principal)} only.`)
}

/** Sets `principal`, or throws unauthenticated or forbidden. Runs before the body is looked at. */
export const authenticating = (authenticate: Authenticate, now: () => number): Step => ({
  before: async ({event}) => {
    const {scopes, verb, bound} = event.endpoint
    if (scopes === 'public') return
    const token = bearerToken(event.http.headers.authorization)
    if (token === undefined) throw new GilliamError('unauthenticated', 'Send a token: `Authorization: Bearer TOKEN`.')
    const principal = await authenticate(token, now())
    if (principal === undefined) throw new GilliamError('unauthenticated', 'The token is unknown, has ended or was revoked.')
    const {executor, formation} = event.http.pathParameters ?? {}
    const access: Access = {scopes, ...(verb !== undefined && {verb}), ...(bound !== undefined && {bound})}
    const path = {...(executor !== undefined && {executor}), ...(formation !== undefined && {formation})}
    const refusal = refusalOf(principal, access, path)
    if (refusal !== undefined) throw new GilliamError('forbidden', explain(refusal, principal, access))
    event.principal = principal
  },
})
