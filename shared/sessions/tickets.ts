// Tickets to a relay: who may be which side of which session, until when, signed by the control plane. They name nothing else. Owns their format and check.
import {exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT} from 'jose'

/** EdDSA with Ed25519 (RFC 8037). */
const algorithm = 'EdDSA'
const audience = 'gilliam-relay'
/** How long a ticket may be presented, in seconds. What is used once is remembered by the relay for at least as long. */
export const ticketSeconds = 60
/** Clocks of the control plane and a relay may differ by this much, in seconds. */
export const ticketSkewSeconds = 30

export type Side = 'client' | 'agent'

export interface Ticket {
  /** Id of the session. */
  readonly session: string
  readonly side: Side
  /** Whose sessions share what the relay has. */
  readonly formation: string
  /** When the session is over at the latest, in milliseconds since the epoch. */
  readonly until: number
  /** Id of the token that the session was asked for with; of the client's only. */
  readonly holder?: string
}

/** A ticket that was checked. */
export interface Presented extends Ticket {
  /** When it was signed, in milliseconds since the epoch. */
  readonly madeAt: number
}

/** Half of a key pair, as JWK (RFC 7517). */
export interface RelayKey {
  readonly kid: string
  readonly crv: string
  readonly kty: string
  readonly x: string
}

export interface SigningKey extends RelayKey {
  readonly d: string
}

const textOf = (jwk: JWK, name: 'crv' | 'kty' | 'x' | 'd'): string => jwk[name] as string

/** A new key pair, as its private half. */
export const makeSigningKey = async (kid: string): Promise<SigningKey> => {
  const {privateKey} = await generateKeyPair(algorithm, {extractable: true})
  const jwk = await exportJWK(privateKey)
  return {kid, crv: textOf(jwk, 'crv'), kty: textOf(jwk, 'kty'), x: textOf(jwk, 'x'), d: textOf(jwk, 'd')}
}

export const publicOf = ({kid, crv, kty, x}: RelayKey): RelayKey => ({kid, crv, kty, x})

export const signTicket = async (key: SigningKey, {session, side, formation, until, holder}: Ticket, now: number): Promise<string> => {
  const {kid, ...jwk} = key
  const seconds = Math.floor(now / 1_000)
  return new SignJWT({side, formation, until, at: now, ...(holder !== undefined && {holder})})
    .setProtectedHeader({alg: algorithm, kid})
    .setSubject(session)
    .setAudience(audience)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + ticketSeconds)
    .sign(await importJWK(jwk, algorithm))
}

/** The ticket; undefined when it was not signed with one of `keys`, is over, or is for something else. */
export const verifyTicket = async (keys: readonly RelayKey[], token: string, now: number): Promise<Presented | undefined> => {
  try {
    const {payload} = await jwtVerify(
      token,
      async ({kid}) => {
        const found = keys.find(key => key.kid === kid)
        if (found === undefined) throw new Error('no such key')
        const {kid: _, ...jwk} = found
        return importJWK(jwk, algorithm)
      },
      {
        algorithms: [algorithm],
        audience,
        currentDate: new Date(now),
        clockTolerance: ticketSkewSeconds,
        requiredClaims: ['sub', 'exp', 'side', 'formation', 'until', 'at'],
      },
    )
    const {sub, side, formation, until, at, holder} = payload
    if (sub === undefined || (side !== 'client' && side !== 'agent') || typeof formation !== 'string') return undefined
    if (typeof until !== 'number' || typeof at !== 'number') return undefined
    return {session: sub, side, formation, until, madeAt: at, ...(typeof holder === 'string' && {holder})}
  } catch {
    return undefined
  }
}
