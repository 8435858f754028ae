// The end of a turn of the event loop: what is to be written is gathered until everything that has arrived was looked at, and goes out in one burst. Whoever
// gets it is then woken once for many messages, and we are interrupted less. Owns the moment; what is written is the outlet's business.

/** Something with bytes to write. */
interface Departing {
  readonly depart: () => void
}

export class Turn {
  #due: Departing[] = []

  /** Calls `depart` when the turn ends. */
  add(departing: Departing): void {
    if (this.#due.length === 0) setImmediate(() => this.#end())
    this.#due.push(departing)
  }

  #end(): void {
    const due = this.#due
    this.#due = []
    for (const departing of due) departing.depart()
  }
}
