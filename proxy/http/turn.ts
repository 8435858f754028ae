// One turn of the event loop. What is to be written is gathered until everything that has arrived was looked at, and goes out in one burst: whoever gets it
// is then woken once for many messages, and we are interrupted less. And the time is asked for once. Owns the moment; what is written is the outlet's business.

/** Something with bytes to write. */
interface Departing {
  readonly depart: () => void
}

/** Clocks that tell milliseconds. */
interface Clocks {
  /** Since the epoch. */
  readonly now: () => number
  /** Since any moment, with fractions; nobody sets it forward or back. */
  readonly steady: () => number
}

export class Turn {
  readonly #clocks: Clocks
  #due: Departing[] = []
  #isSet = false
  /** 0 until somebody asks. */
  #now = 0
  #steady = 0

  constructor(clocks: Clocks) {
    this.#clocks = clocks
  }

  /** The time of day, as it was when it was first asked for in this turn: a turn rarely takes longer than a millisecond. */
  readonly now = (): number => {
    if (this.#now === 0) {
      this.#now = this.#clocks.now()
      this.#set()
    }
    return this.#now
  }

  /** The same for deadlines and durations. */
  readonly steady = (): number => {
    if (this.#steady === 0) {
      this.#steady = this.#clocks.steady()
      this.#set()
    }
    return this.#steady
  }

  /** Calls `depart` when the turn ends. */
  add(departing: Departing): void {
    this.#due.push(departing)
    this.#set()
  }

  #set(): void {
    if (this.#isSet) return
    this.#isSet = true
    setImmediate(this.#end)
  }

  readonly #end = (): void => {
    this.#isSet = false
    this.#now = 0
    this.#steady = 0
    const due = this.#due
    if (due.length === 0) return
    this.#due = []
    for (const departing of due) departing.depart()
  }
}
