// How often proofs that come to nothing make us ask AWS: anybody may show one, and each asking is a call of ours from an address of ours. Counts in this function
// alone. Knows nothing of what is in a proof but who says to have signed it; proofs that are taken are not counted, so that any number of machines may join at
// once. Who is likely to be taken is counted apart from the rest, so that a flood of made-up proofs keeps out nobody but strangers.
import {RateLimited} from '#lambdas/middleware/rate.ts'
import {type Bucket, take} from '#shared/domain/rate-limit.ts'
import {GilliamError} from '#shared/errors.ts'
import {accountOfKey} from '#shared/join-proof.ts'

/** Proofs that came to nothing, with those that AWS is being asked about: at once, and by the minute from then on. Of strangers, and as many of accounts of ours. */
export const refusedProofs = {requests: 30, perMs: 60_000, burst: 100} as const
/** The same for one access key that was good before. */
export const refusedOfKnown = {requests: 10, perMs: 60_000, burst: 30} as const
/** Refused proofs that are remembered at once; the oldest makes room. */
export const refusedKeptMax = 1_000
/** Access keys remembered as good, the same way. */
export const knownKeptMax = 1_000
const againSeconds = 1

/** Who a proof says has signed it, unproved. */
export interface Claimed {
  /** What it has in common with others that would be refused as well. */
  readonly key: string
  /** Id of the access key. */
  readonly signer: string
}

export interface Asking {
  /**
   * Answers what `ask` does, which throws when the proof is not taken. Throws rate_limited instead of asking when one with that key was refused just before, or
   * too many of its kind were.
   */
  readonly within: <T>(claimed: Claimed, now: number, ask: () => Promise<T>) => Promise<T>
}

/** Adds the newest; the oldest makes room. */
const keep = <T>(all: Map<string, T>, key: string, value: T, max: number): void => {
  all.delete(key)
  all.set(key, value)
  const [oldest] = all.keys()
  if (all.size > max && oldest !== undefined) all.delete(oldest)
}

/** `accounts`: whose machines may join. */
export const createAsking = (accounts: ReadonlySet<string>): Asking => {
  const refused = new Map<string, true>()
  const known = new Map<string, Bucket | undefined>()
  const shared = new Map<'ours' | 'strangers', Bucket>()

  /** The bucket that a proof is counted in; one that is forgotten meanwhile takes nothing. */
  const countedAs = (signer: string) => {
    if (known.has(signer))
      return {
        limit: refusedOfKnown,
        get: () => known.get(signer),
        set: (bucket: Bucket) => void (known.has(signer) && known.set(signer, bucket)),
      }
    const kind = accounts.has(accountOfKey(signer) ?? '') ? 'ours' : 'strangers'
    return {limit: refusedProofs, get: () => shared.get(kind), set: (bucket: Bucket) => void shared.set(kind, bucket)}
  }

  return {
    within: async ({key, signer}, now, ask) => {
      if (refused.has(key)) throw new RateLimited('A proof with this key and time was refused just before; sign another.', againSeconds)
      const {limit, get, set} = countedAs(signer)
      const taken = take(limit, get(), now)
      set(taken.bucket)
      if (!taken.ok) {
        const seconds = Math.ceil(taken.retryAfterMs / 1_000)
        throw new RateLimited(`Too many proofs were refused; AWS is not asked about more of them. Try again in ${seconds} s.`, seconds)
      }
      try {
        const answer = await ask()
        const bucket = get()
        if (bucket !== undefined) set({...bucket, tokens: bucket.tokens + 1})
        keep(known, signer, known.get(signer), knownKeptMax)
        return answer
      } catch (error) {
        if (error instanceof GilliamError && error.code === 'unauthenticated') keep(refused, key, true, refusedKeptMax)
        throw error
      }
    },
  }
}
