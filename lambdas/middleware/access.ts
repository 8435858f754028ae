// Who is asking, and whether the token's scope covers it. Knows tokens only as the store's answer.
import {GilliamError} from '#shared/errors.ts'
import {isAllowed, type Principal} from '#shared/scopes.ts'
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

const refusal = (principal: Principal, accepted: readonly string[]): string => {
  if (!accepted.includes(principal.scope))
    return `A token of scope “${principal.scope}” may not do this; it takes ${accepted.join(' or ')}.`
  const bound = principal.executor === undefined ? `formation “${principal.formation}”` : `executor “${principal.executor}”`
  return `This token is for ${bound} only.`
}

/** Sets `principal`, or throws unauthenticated or forbidden. Runs before the body is looked at. */
export const authenticating = (authenticate: Authenticate, now: () => number): Step => ({
  before: async ({event}) => {
    const accepted = event.endpoint.scopes
    if (accepted === 'public') return
    const token = bearerToken(event.http.headers.authorization)
    if (token === undefined) throw new GilliamError('unauthenticated', 'Send a token: `Authorization: Bearer TOKEN`.')
    const principal = await authenticate(token, now())
    if (principal === undefined) throw new GilliamError('unauthenticated', 'The token is unknown, has ended or was revoked.')
    const {executor, formation} = event.http.pathParameters ?? {}
    if (!isAllowed(principal, accepted, {executor, formation})) throw new GilliamError('forbidden', refusal(principal, accepted))
    event.principal = principal
  },
})
