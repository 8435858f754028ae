// Knows when containers are over: one stream of the engine's events for all of them, and a look at each whenever that stream begins. While the engine does
// not answer nothing is known, and nothing is said.
import {setTimeout as sleep} from 'node:timers/promises'
import type {Exit} from '../../instance.ts'
import {type EngineApi, EngineRefusal} from './api.ts'
import {jsonLines} from './frames.ts'

const againMsMin = 50
/** Until this is over after the engine is back, nobody knows what ended meanwhile; a connection on the machine costs next to nothing. */
const againMsMax = 250

/** What the engine tells of a container (ContainerInspect), as far as it is needed. */
export interface ContainerView {
  readonly id: string
  readonly state: 'created' | 'running' | 'ended'
  readonly exit: Exit
  /** Its output went to somebody, and into no log file. */
  readonly isAttached: boolean
}

interface Inspected {
  readonly Id: string
  readonly State: {
    readonly Status: string
    readonly Running: boolean
    readonly ExitCode: number
    readonly OOMKilled: boolean
    readonly Error: string
  }
  readonly Config: {readonly OpenStdin: boolean}
}

const viewOf = ({Id, State, Config}: Inspected): ContainerView => {
  const {Status, Running, ExitCode, OOMKilled, Error: complaint} = State
  const exit: Exit = {code: ExitCode, ...(OOMKilled ? {oom: true} : {}), ...(complaint === '' ? {} : {reason: complaint})}
  return {id: Id, state: Running ? 'running' : Status === 'created' ? 'created' : 'ended', exit, isAttached: Config.OpenStdin}
}

/** The container as it is now; undefined when there is none of this name or id. Throws when the engine does not answer. */
export const inspect = async (api: EngineApi, container: string): Promise<ContainerView | undefined> => {
  try {
    return viewOf(await api.call<Inspected>('GET', `/containers/${container}/json`))
  } catch (error) {
    if (error instanceof EngineRefusal && error.status === 404) return undefined
    throw error
  }
}

const containerOf = (event: unknown): string | undefined => {
  if (typeof event !== 'object' || event === null || !('id' in event)) return undefined
  return typeof event.id === 'string' ? event.id : undefined
}

/** What is to be done with a container as soon as the engine answers. */
type Wish = (api: EngineApi, container: string) => Promise<void>

interface Followed {
  readonly ended: Promise<Exit>
  readonly resolve: (exit: Exit) => void
  wish?: Wish
}

export class Watch {
  readonly #api: EngineApi
  readonly #label: string
  readonly #onLost: (error: unknown) => void
  readonly #followed = new Map<string, Followed>()
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined
  #isListening = false

  /** `label`: what all containers have that are to be followed. `onLost` is called when the engine stops answering. */
  constructor(options: {api: EngineApi; label: string; onLost: (error: unknown) => void}) {
    this.#api = options.api
    this.#label = options.label
    this.#onLost = options.onLost
  }

  /** Resolves when the container (by id) is over: with its exit, or an empty one when it was removed by somebody. */
  follow(container: string): Promise<Exit> {
    const known = this.#followed.get(container)
    if (known !== undefined) return known.ended
    const {promise: ended, resolve} = Promise.withResolvers<Exit>()
    this.#followed.set(container, {ended, resolve})
    if (this.#running === undefined) this.#running = this.#run()
    // It may be over before the stream of events tells of it.
    else void this.#look(container).catch(() => undefined)
    return ended
  }

  /** Does something with a followed container, now or when the engine answers again; the last wish counts. */
  wish(container: string, wish: Wish): void {
    const followed = this.#followed.get(container)
    if (followed === undefined) return
    followed.wish = wish
    void this.#fulfil(container, followed).catch(() => undefined)
  }

  /** Whether the engine is not heard of, or has not done what was last wished. */
  isOutOfReach(container: string): boolean {
    return !this.#isListening || this.#followed.get(container)?.wish !== undefined
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const {signal} = this.#closing
    let waitMs = againMsMin
    while (!signal.aborted) {
      try {
        await this.#listen(() => {
          waitMs = againMsMin
        })
      } catch (error) {
        if (!signal.aborted && waitMs === againMsMin) this.#onLost(error)
      }
      await sleep(waitMs, undefined, {signal}).catch(() => undefined)
      waitMs = Math.min(waitMs * 2, againMsMax)
    }
  }

  async #listen(onOpen: () => void): Promise<void> {
    const filters = JSON.stringify({type: ['container'], event: ['die', 'destroy'], label: [this.#label]})
    const events = await this.#api.stream('GET', '/events', {query: {filters}, signal: this.#closing.signal})
    try {
      // From here on nothing is missed; before, anything may have been.
      for (const [container, followed] of [...this.#followed]) {
        await this.#look(container)
        await this.#fulfil(container, followed)
      }
      onOpen()
      this.#isListening = true
      for await (const event of jsonLines(events)) {
        const container = containerOf(event)
        if (container !== undefined && this.#followed.has(container)) await this.#look(container)
      }
    } finally {
      this.#isListening = false
      events.destroy()
    }
  }

  async #look(container: string): Promise<void> {
    const view = await inspect(this.#api, container)
    if (view !== undefined && view.state !== 'ended') return
    this.#followed.get(container)?.resolve(view?.exit ?? {})
    this.#followed.delete(container)
  }

  async #fulfil(container: string, followed: Followed): Promise<void> {
    const {wish} = followed
    if (wish === undefined || !this.#followed.has(container)) return
    await wish(this.#api, container)
    if (followed.wish === wish) delete followed.wish
  }
}
