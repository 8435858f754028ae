// Where syncs go: the API, or the address for syncs that it told of, for as long as that works. Owns when it is tried again; makes no calls itself.
import {GilliamError} from '#shared/errors.ts'

/** Longest wait for an answer by the way of its own, in milliseconds: the API is asked then, within the same sync and the lease. */
export const syncRouteTimeoutMs = 5_000
/** After a failure the API is asked for this long, whatever it says. */
const avoidMs = 300_000

/** Whether an address may be sent the credential: as safe as the API’s own. */
const isAsSafe = (url: string, api: string): boolean => {
  try {
    const {protocol, username, password} = new URL(url)
    return username === '' && password === '' && (protocol === 'https:' || (protocol === 'http:' && new URL(api).protocol === 'http:'))
  } catch {
    return false
  }
}

/** What our own code answers is about the agent; anything else is about the way: not reached, throttled, gone, or not ours any more. */
export const isOfTheWay = (error: unknown): boolean =>
  error instanceof GilliamError && (error.code === 'unavailable' || error.code === 'internal')

export class SyncRoute {
  readonly #api: string
  readonly #now: () => number
  #url: string | undefined
  #avoidedUntil = Number.NEGATIVE_INFINITY

  /** `now` is in milliseconds, of a clock that does not jump. */
  constructor(api: string, now: () => number) {
    this.#api = api
    this.#now = now
  }

  /** The address to try before the API; undefined when there is none, or it failed a while ago. */
  get url(): string | undefined {
    return this.#now() < this.#avoidedUntil ? undefined : this.#url
  }

  /** The API has said where syncs may go; undefined: nowhere else. */
  told(url: string | undefined): void {
    this.#url = url !== undefined && isAsSafe(url, this.#api) ? url : undefined
  }

  failed(): void {
    this.#avoidedUntil = this.#now() + avoidMs
  }
}
