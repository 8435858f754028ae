// The keys of issuers that an admin trusts: found by discovery, kept for a while, never asked for more often than is polite. Owns what is fetched and how
// much of it; nothing but trusted issuers ever gets here.
import {createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey} from 'jose'
import {GilliamError} from '#shared/errors.ts'

/** How long keys are used without asking again. */
export const keysKeptMs = 3_600_000
/** Between two askings of one issuer, whatever id tokens claim to be signed with. */
export const keysCooldownMs = 30_000
const documentBytesMax = 262_144
const fetchTimeoutMs = 5_000
const issuersMax = 200
const keysMax = 100

export interface IssuerOptions {
  readonly now: () => number
  /** Lets issuers on this very machine speak plain HTTP; for tests and trials. */
  readonly loopbackHttp?: boolean
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

const limited = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > documentBytesMax) throw new Error(`more than ${documentBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A JSON object at exactly this URL: redirects are not followed. */
const fetchObject = async (url: URL): Promise<Record<string, unknown>> => {
  const answer = await fetch(url, {redirect: 'error', signal: AbortSignal.timeout(fetchTimeoutMs), headers: {accept: 'application/json'}})
  if (answer.status !== 200 || answer.body === null) throw new Error(`answered ${answer.status}`)
  const value: unknown = JSON.parse(await limited(answer.body))
  if (!isRecord(value)) throw new Error('no JSON object')
  return value
}

/** OpenID Connect Discovery 1.0 §4: the document lies below the issuer and says its name. */
const discover = async (issuer: string, secure: (text: unknown) => URL): Promise<JWTVerifyGetKey> => {
  const document = await fetchObject(secure(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`))
  if (document.issuer !== issuer) throw new Error(`its document is of issuer “${String(document.issuer).slice(0, 200)}”`)
  const {keys} = await fetchObject(secure(document.jwks_uri))
  if (!Array.isArray(keys) || keys.length > keysMax) throw new Error(`not a list of at most ${keysMax} keys`)
  return createLocalJWKSet({keys} as JSONWebKeySet)
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return 'unknown'
  return error.cause instanceof Error ? error.cause.message : error.message
}

export const createIssuers = ({now, loopbackHttp = false}: IssuerOptions): Issuers => {
  const known = new Map<string, Known>()

  const secure = (text: unknown): URL => {
    const url = typeof text === 'string' ? URL.parse(text) : null
    if (url === null || url.username !== '' || url.password !== '') throw new Error('no URL')
    if (url.protocol !== 'https:' && !(loopbackHttp && isLoopback(url))) throw new Error('not an https URL')
    return url
  }

  const ask = (issuer: string): Promise<JWTVerifyGetKey> => {
    const keys = discover(issuer, secure).catch(error => {
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
