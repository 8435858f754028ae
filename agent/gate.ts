// Lets a bounded number of tasks run at once; the others wait their turn.
export class Gate {
  readonly #tasksMax: number
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(tasksMax: number) {
    this.#tasksMax = tasksMax
  }

  async pass<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#tasksMax) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#running += 1
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}
