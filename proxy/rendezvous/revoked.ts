// Ends sessions whose token was revoked: asks the control plane now and then, while there are sessions. Owns from when on it asks.
import type {Logger} from '#shared/log.ts'
import type {Rendezvous} from './rendezvous.ts'

/** Clocks differ, and a ticket may be older than its session: so far it asks back, in milliseconds. */
const backMs = 300_000

/** Ids of tokens revoked at `since` or later, in milliseconds since the epoch, and from when on to ask the next time. */
export type FetchRevoked = (since: number) => Promise<{readonly tokens: readonly string[]; readonly at: number}>

export interface RevokedOptions {
  readonly fetchRevoked: FetchRevoked
  readonly everyMs: number
  readonly rendezvous: Rendezvous
  readonly log: Logger
  readonly now: () => number
}

/** Begins; resolves nothing and rejects nothing. Answers what ends it. */
export const watchRevoked = ({fetchRevoked, everyMs, rendezvous, log, now}: RevokedOptions): (() => void) => {
  let since: number | undefined
  let isAsking = false
  const ask = async (): Promise<void> => {
    since ??= now() - backMs
    const {tokens, at} = await fetchRevoked(since)
    rendezvous.revoke(tokens)
    since = at
  }
  const timer = setInterval(() => {
    // Nobody who comes anew has a ticket of before.
    if (rendezvous.size === 0) since = undefined
    if (rendezvous.size === 0 || isAsking) return
    isAsking = true
    ask()
      .catch(error => log.warn({err: error}, 'which tokens were revoked can not be asked'))
      .finally(() => {
        isAsking = false
      })
  }, everyMs)
  timer.unref()
  return () => clearInterval(timer)
}
