// What the formations take of a relay's memory: how many sessions each has, and how many bytes are on their way to their slow sides. One formation's sessions
// slow each other down when they take more than its share, and nobody else's. Owns the counting; who is paused is meeting.ts's.
import type {RelayLimits} from './limits.ts'

/** One session's part of what its formation takes. */
export interface Share {
  /** Bytes that are on their way from now on; negative when they have gone out. */
  readonly add: (bytes: number) => void
  /** With more than this under way to one side, the other is not read from: nothing at all, when the formation has its share. */
  readonly markBytes: () => number
  /** The session is over; what is still going out stays counted. */
  readonly close: () => void
}

interface Taken {
  sessions: number
  bytes: number
}

export class Shares {
  readonly #limits: RelayLimits
  readonly #formations = new Map<string, Taken>()
  #bytes = 0

  constructor(limits: RelayLimits) {
    this.#limits = limits
  }

  /** Bytes on their way, of all formations. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether a formation has as many sessions as one may. */
  isFull(formation: string): boolean {
    return (this.#formations.get(formation)?.sessions ?? 0) >= this.#limits.sessionsPerFormationMax
  }

  open(formation: string): Share {
    const taken = this.#formations.get(formation) ?? {sessions: 0, bytes: 0}
    this.#formations.set(formation, taken)
    taken.sessions += 1
    const forget = (): void => {
      if (taken.sessions === 0 && taken.bytes === 0) this.#formations.delete(formation)
    }
    return {
      add: bytes => {
        taken.bytes += bytes
        this.#bytes += bytes
        forget()
      },
      markBytes: () => {
        const {bufferedBytesMax, bufferedInAllBytesMax} = this.#limits
        return taken.bytes < bufferedInAllBytesMax / this.#formations.size ? bufferedBytesMax : 0
      },
      close: () => {
        taken.sessions -= 1
        forget()
      },
    }
  }
}
