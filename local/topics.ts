// Who waits for news of what, within this process. Knows nothing of what the topics mean.

export class Topics {
  readonly #listeners = new Map<string, Set<() => void>>()

  /** Calls `heard` whenever one of `topics` is told, until the returned function is called. */
  listen(topics: readonly string[], heard: () => void): () => void {
    for (const topic of topics) this.#listeners.set(topic, (this.#listeners.get(topic) ?? new Set()).add(heard))
    return () => {
      for (const topic of topics) {
        const others = this.#listeners.get(topic)
        others?.delete(heard)
        if (others?.size === 0) this.#listeners.delete(topic)
      }
    }
  }

  tell(topic: string): void {
    for (const heard of [...(this.#listeners.get(topic) ?? [])]) heard()
  }
}
