// The way between a host and the control plane: what is asked may be lost, late or repeated, and so may the answer. Owns what is lost when.
import type {ControlPlane} from './control-plane.ts'
import type {Random} from './random.ts'
import type {Replica} from './replica.ts'
import type {Timeline} from './timeline.ts'

export interface Link {
  /** Nothing passes. */
  isCut: boolean
  /** Shares of requests and of answers that are lost, and of requests that arrive again later. */
  lossShare: number
  /** Share of requests that are held up for up to {@link heldUpMs}. */
  heldUpShare: number
}

export const callTimeoutMs = 15_000
const wayMs = 30
const heldUpMs = 40_000

export const clearLink = (): Link => ({isCut: false, lossShare: 0, heldUpShare: 0})

export type Answered<T> = {readonly answer: T} | {readonly error: unknown}

export class Network {
  readonly #timeline: Timeline
  readonly #random: Random
  readonly #plane: ControlPlane

  constructor(timeline: Timeline, random: Random, plane: ControlPlane) {
    this.#timeline = timeline
    this.#random = random
    this.#plane = plane
  }

  /** Whether there is anybody to answer. */
  get isUp(): boolean {
    return this.#plane.isUp
  }

  /** One call; resolves with its answer, with the control plane's error, or after {@link callTimeoutMs} with another. */
  call<T>(link: Link, ask: (replica: Replica) => Promise<T>): Promise<Answered<T>> {
    const random = this.#random
    const isHeldUp = random.chance(link.heldUpShare)
    return new Promise(settled => {
      const timeout = this.#timeline.after(callTimeoutMs, 'timeout', () => settled({error: new Error('timeout')}))
      const resolve = (answered: Answered<T>) => {
        timeout.isCancelled = true
        settled(answered)
      }
      if (random.chance(link.lossShare)) return
      const arrive = (settle: (answered: Answered<T>) => void) => {
        const replica = this.#plane.any()
        if (link.isCut || replica === undefined) return settle({error: new Error('no connection')})
        ask(replica).then(
          answer => settle({answer}),
          (error: unknown) => settle({error}),
        )
      }
      const answerLost = random.chance(link.lossShare)
      const reply = (answered: Answered<T>) => {
        if (!answerLost) this.#timeline.after(random.next() * wayMs, 'answer', () => !link.isCut && resolve(answered))
      }
      this.#timeline.after(random.next() * (isHeldUp ? heldUpMs : wayMs), 'request', () => arrive(reply))
      if (random.chance(link.lossShare)) this.#timeline.after(random.next() * heldUpMs, 'repeated request', () => arrive(() => undefined))
    })
  }
}
