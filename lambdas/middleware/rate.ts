// How often a token may ask: counted where the request is answered, and by the hundred in the table, so that many warm functions count together and a
// token that asks seldom costs nothing. A backstop against runaway loops, not a bill: see docs/decisions/0021.
import {GilliamError} from '#shared/errors.ts'
import type {Principal, Scope} from '#shared/scopes.ts'
import type {Step} from './exchange.ts'

const windowMs = 60_000
/** Requests counted here before the table hears of them. Each warm function may let this many more through. */
export const countEvery = 100
const tokensMax = 10_000

/** Requests a minute, by scope. Tokens of scope registry and discovery are shared by many; an agent at work syncs ten times a second. */
export const requestsPerMinute: Readonly<Record<Scope, number>> = {
  admin: 120_000,
  user: 3_000,
  join: 6_000,
  executor: 6_000,
  registry: 120_000,
  discovery: 240_000,
}

/** Adds to the requests of a token within a window; answers their number. */
export type CountRequests = (tokenId: string, window: number, requests: number, windowEndsAt: number) => Promise<number>

/** Too many, with the time after which it may be tried again. */
export class RateLimited extends GilliamError {
  readonly retryAfterSeconds: number

  constructor(detail: string, retryAfterSeconds: number) {
    super('rate_limited', detail)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

const tooOften = (scope: Scope, seconds: number): RateLimited =>
  new RateLimited(`A token of scope “${scope}” may ask ${requestsPerMinute[scope]} times a minute; try again in ${seconds} s.`, seconds)

interface Counted {
  readonly window: number
  /** Since the window began, by this function. */
  own: number
  /** By all functions, as last heard. */
  all: number
}

/** Throws RateLimited. Runs after authentication; public endpoints are the gateway's to limit. */
export const limiting = (count: CountRequests, now: () => number): Step => {
  const known = new Map<string, Counted>()

  const countedOf = (tokenId: string, window: number): Counted => {
    const held = known.get(tokenId)
    if (held?.window === window) return held
    const counted = {window, own: 0, all: 0}
    known.delete(tokenId)
    known.set(tokenId, counted)
    const [oldest] = known.keys()
    if (known.size > tokensMax && oldest !== undefined) known.delete(oldest)
    return counted
  }

  const take = async ({tokenId, scope}: Principal, at: number): Promise<void> => {
    const window = Math.floor(at / windowMs)
    const windowEndsAt = (window + 1) * windowMs
    const counted = countedOf(tokenId, window)
    if (counted.all >= requestsPerMinute[scope]) throw tooOften(scope, Math.ceil((windowEndsAt - at) / 1_000))
    counted.own += 1
    if (counted.own % countEvery === 0) counted.all = Math.max(counted.all, await count(tokenId, window, countEvery, windowEndsAt))
  }

  return {
    before: async ({event}) => {
      if (event.principal !== undefined) await take(event.principal, now())
    },
  }
}
