// Tickets to relays, signed for those who ask: what the functions that make sessions and that tell agents of them share. Keeps the key that it has read.
import {randomBytes} from 'node:crypto'
import type {Store} from '#lambdas/store/index.ts'
import {makeSigningKey, type SigningKey, signTicket, type Ticket} from '#shared/sessions/tickets.ts'

const kidBytes = 8

/** Undefined when there is no key yet, so that nobody can have made a session. */
export type Sign = (ticket: Ticket, now: number) => Promise<string | undefined>

/** Signs with the key that is kept. */
export const createSign = (sessions: Pick<Store['sessions'], 'signingKey'>): Sign => {
  let key: SigningKey | undefined
  return async (ticket, now) => {
    key ??= await sessions.signingKey()
    return key === undefined ? undefined : signTicket(key, ticket, now)
  }
}

/** The same for whoever makes sessions: the first of a stage makes its key. */
export const createFirstSign = (
  sessions: Pick<Store['sessions'], 'signingKey' | 'keepKey'>,
): ((ticket: Ticket, now: number) => Promise<string>) => {
  let key: SigningKey | undefined
  return async (ticket, now) => {
    key ??= (await sessions.signingKey()) ?? (await sessions.keepKey(await makeSigningKey(randomBytes(kidBytes).toString('hex'))))
    return signTicket(key, ticket, now)
  }
}
