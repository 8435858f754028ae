// One turn of the event loop. What is to be written is gathered until everything that has arrived was looked at, and goes out in one burst: whoever gets it
// is then woken once for many messages, and we are interrupted less. And the time is asked for once. Owns the moment; what is written is the outlet's business.

/** Something with bytes to write. */
interface Departing {
  readonly depart: () => void
}

export class Turn {
  readonly #clock: () => number
  #due: Departing[] = []
  #isSet = false
  /** 0 until somebody asks. */
  #now = 0

  /** `clock` tells milliseconds since the epoch, or since any moment. */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Milliseconds by the clock, the same for a whole turn. Work that takes longer than a turn's usual millisecond has to ask a clock. */
  readonly now = (): number => {
    if (this.#now === 0) {
      this.#now = this.#clock()
      this.#set()
    }
    return this.#now
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
    const due = this.#due
    if (due.length === 0) return
    this.#due = []
    for (const departing of due) departing.depart()
  }
}
