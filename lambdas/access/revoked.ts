// Which tokens were revoked of late, for relays. Says no more than ids, to anybody.
import type {Operation} from '#lambdas/middleware.ts'
import {revokedListedMax, type Store} from '#lambdas/store/index.ts'

/** Revocations may be kept a moment after others of a later time: functions' clocks differ, and writes take a while. */
const overlapMs = 30_000

/** Whoever asks goes on from `at`: a little back, or from the last one told where there are more. */
export const revokedOperation =
  (tokens: Pick<Store['tokens'], 'revokedSince'>): Operation<'getRevoked'> =>
  async ({query: {since}}, {now}) => {
    const revoked = await tokens.revokedSince(Number(since))
    const next = revoked.length < revokedListedMax ? now - overlapMs : (revoked.at(-1)?.at ?? now)
    return {tokens: revoked.map(({id}) => id), at: Math.max(Number(since), next)}
  }
