// How often proofs that come to nothing make us ask AWS: anybody may show one, and each asking is a call of ours from an address of ours. Counts in this function
// alone. Knows nothing of what is in a proof; proofs that are taken are not counted, so that any number of machines may join at once.
import {RateLimited} from '#lambdas/middleware/rate.ts'
import {type Bucket, take} from '#shared/domain/rate-limit.ts'
import {GilliamError} from '#shared/errors.ts'

/** Proofs that came to nothing, with those that AWS is being asked about: at once, and by the minute from then on. */
export const refusedProofs = {requests: 30, perMs: 60_000, burst: 100} as const
/** Refused proofs that are remembered at once; the oldest makes room. */
export const refusedKeptMax = 1_000
const againSeconds = 1

export interface Asking {
  /**
   * Answers what `ask` does, which throws when the proof is not taken. `key`: what the proof has in common with others that would be refused as well.
   * Throws rate_limited instead of asking when one with that key was refused just before, or too many were.
   */
  readonly within: <T>(key: string, now: number, ask: () => Promise<T>) => Promise<T>
}

export const createAsking = (): Asking => {
  const refused = new Set<string>()
  let bucket: Bucket | undefined

  const admit = (key: string, now: number): void => {
    if (refused.has(key)) throw new RateLimited('A proof with this key and time was refused just before; sign another.', againSeconds)
    const taken = take(refusedProofs, bucket, now)
    bucket = taken.bucket
    if (taken.ok) return
    const seconds = Math.ceil(taken.retryAfterMs / 1_000)
    throw new RateLimited(`Too many proofs were refused; AWS is not asked about more of them. Try again in ${seconds} s.`, seconds)
  }

  const remember = (key: string): void => {
    refused.add(key)
    const [oldest] = refused
    if (refused.size > refusedKeptMax && oldest !== undefined) refused.delete(oldest)
  }

  return {
    within: async (key, now, ask) => {
      admit(key, now)
      try {
        const answer = await ask()
        if (bucket !== undefined) bucket = {...bucket, tokens: bucket.tokens + 1}
        return answer
      } catch (error) {
        if (error instanceof GilliamError && error.code === 'unauthenticated') remember(key)
        throw error
      }
    },
  }
}
