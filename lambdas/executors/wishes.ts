// Which agent each ring wants, remembered for a while by the function: syncs, which are many, read nothing for it.
import type {Store} from '#lambdas/store/index.ts'
import type {AgentWish} from '#shared/domain/agent.ts'

const wishesKeptMsDefault = 60_000

/** What a ring wants; undefined when nothing was said of it. */
export type Wishes = (ring: string, now: number) => Promise<AgentWish | undefined>

/** What was said is heard of at most `keptMs` later. */
export const createWishes = (agents: Store['agents'], keptMs = wishesKeptMsDefault): Wishes => {
  let loaded: {readonly at: number; readonly wishes: Promise<ReadonlyMap<string, AgentWish>>} | undefined
  const load = async () => new Map((await agents.rings()).map(({ring, since, bundle}) => [ring, {since, ...(bundle && {bundle})}]))
  return async (ring, now) => {
    if (loaded === undefined || now - loaded.at >= keptMs) {
      const next = {at: now, wishes: load()}
      next.wishes.catch(() => {
        if (loaded === next) loaded = undefined
      })
      loaded = next
    }
    return (await loaded.wishes).get(ring)
  }
}
