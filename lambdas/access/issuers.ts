// The keys of issuers that an admin trusts: found by discovery, kept for a while, never asked for more often than is polite. Owns what is fetched and how
// much of it; nothing but trusted issuers ever gets here.
import {createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey} from 'jose'
import {GilliamError} from '#shared/errors.ts'
import {type FetchOptions, fetchObject} from './fetch.ts'
import {checkHost} from './reach.ts'

/** How long keys are used without asking again. */
export const keysKeptMs = 3_600_000
/** Between two askings of one issuer, whatever id tokens claim to be signed with. */
export const keysCooldownMs = 30_000
const issuersMax = 200
const keysMax = 100

export interface IssuerOptions {
  readonly now: () => number
  /** How they are asked. One that may be on this very machine may speak plain HTTP there. */
  readonly fetching: FetchOptions
}

export interface Issuers {
  /** Throws invalid_request when no issuer could have that URL. */
  readonly check: (issuer: string) => void
  /** Throws unavailable when the issuer does not tell them. `anew`: asks again, unless it did so within `keysCooldownMs`. */
  readonly keysOf: (issuer: string, anew?: boolean) => Promise<JWTVerifyGetKey>
}

interface Known {
  readonly askedAt: number
  readonly keys: Promise<JWTVerifyGetKey>
}

const isLoopback = (url: URL): boolean => url.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)

/** OpenID Connect Discovery 1.0 §4: the document lies below the issuer and says its name. */
const discover = async (issuer: string, secure: (text: unknown) => URL, fetching: FetchOptions): Promise<JWTVerifyGetKey> => {
  const document = await fetchObject(secure(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`), fetching)
  if (document.issuer !== issuer) throw new Error(`its document is of issuer “${String(document.issuer).slice(0, 200)}”`)
  const {keys} = await fetchObject(secure(document.jwks_uri), fetching)
  if (!Array.isArray(keys) || keys.length > keysMax) throw new Error(`not a list of at most ${keysMax} keys`)
  return createLocalJWKSet({keys} as JSONWebKeySet)
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return 'unknown'
  return error.cause instanceof Error ? error.cause.message : error.message
}

export const createIssuers = ({now, fetching}: IssuerOptions): Issuers => {
  const known = new Map<string, Known>()

  const secure = (text: unknown): URL => {
    const url = typeof text === 'string' ? URL.parse(text) : null
    if (url === null || url.username !== '' || url.password !== '') throw new Error('no URL')
    if (url.protocol !== 'https:' && !(fetching.reach === 'machine' && isLoopback(url))) throw new Error('not an https URL')
    checkHost(url, fetching.reach)
    return url
  }

  const ask = (issuer: string): Promise<JWTVerifyGetKey> => {
    const keys = discover(issuer, secure, fetching).catch(error => {
      throw new GilliamError('unavailable', `The keys of issuer ${issuer} can not be fetched: ${reasonOf(error)}.`)
    })
    known.delete(issuer)
    known.set(issuer, {askedAt: now(), keys})
    const [oldest] = known.keys()
    if (known.size > issuersMax && oldest !== undefined) known.delete(oldest)
    return keys
  }

  return {
    check: issuer => {
      try {
        const {search, hash} = secure(issuer)
        if (search !== '' || hash !== '') throw new Error('an issuer has neither query nor fragment')
      } catch (error) {
        throw new GilliamError('invalid_request', `“${issuer}” can not be an issuer: ${reasonOf(error)}.`, [
          {path: 'issuer', message: reasonOf(error)},
        ])
      }
    },

    keysOf: async (issuer, anew = false) => {
      const held = known.get(issuer)
      if (held === undefined) return ask(issuer)
      const age = now() - held.askedAt
      if (age >= keysKeptMs || (anew && age >= keysCooldownMs)) return ask(issuer)
      // A failure is remembered as long as asking again would be impolite.
      return held.keys.catch(error => (age >= keysCooldownMs ? ask(issuer) : Promise.reject(error)))
    },
  }
}
