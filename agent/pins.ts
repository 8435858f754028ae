// What tags of images mean, agreed on with the control plane: what this executor found out waits here for the next sync, and whoever needs it for the answer.
// Asks no registry and starts nothing.
import {unlessAborted} from '#shared/abort.ts'
import type {ImagePin} from '#shared/domain/image.ts'

/** An answered pin; without a digest it is none of this executor's business (any more). */
export type AnsweredPin = Omit<ImagePin, 'digest'> & {readonly digest?: string | undefined}

interface Open {
  readonly pin: ImagePin
  readonly answer: Promise<string>
  readonly settle: (digest: string | undefined) => void
}

const keyOf = ({formation, release, image}: AnsweredPin): string => `${formation}/${release} ${image}`

export class Pins {
  readonly #open = new Map<string, Open>()
  readonly #onUrgent: () => void

  /** `onUrgent`: there is something to tell. */
  constructor(onUrgent: () => void) {
    this.#onUrgent = onUrgent
  }

  /** Tells what was found here, and resolves to what holds for the release; waits for the control plane for as long as it takes. Rejects with the signal's reason. */
  agree(pin: ImagePin, signal: AbortSignal): Promise<string> {
    return unlessAborted((this.#open.get(keyOf(pin)) ?? this.#begin(pin)).answer, signal)
  }

  /** What is to be told, at most `max` of it. */
  due(max: number): readonly ImagePin[] {
    return [...this.#open.values()].slice(0, max).map(({pin}) => pin)
  }

  answered(pins: readonly AnsweredPin[]): void {
    for (const pin of pins) this.#open.get(keyOf(pin))?.settle(pin.digest)
  }

  #begin(pin: ImagePin): Open {
    const key = keyOf(pin)
    const {promise: answer, resolve, reject} = Promise.withResolvers<string>()
    // Whoever waited may have left.
    answer.catch(() => undefined)
    const settle = (digest: string | undefined) => {
      this.#open.delete(key)
      if (digest === undefined) reject(new Error(`release ${pin.release} of ${pin.formation} is not to run ${pin.image} here`))
      else resolve(digest)
    }
    const open = {pin, answer, settle}
    this.#open.set(key, open)
    this.#onUrgent()
    return open
  }
}
