// The best executor that fits, found without looking at all of them: a tournament tree over executors. Pure.

/** The value of an executor that can not be chosen. */
export const notEligible = Number.NEGATIVE_INFINITY

/**
 * A complete binary tree whose leaves are executors in the order of their ids. Every inner node knows the highest rank, the most free CPU and the most free
 * memory beneath it, so that a search leaves out whole subtrees (branch and bound). The result is exact: the highest rank among those that fit, and
 * among equals the first. Setting a leaf takes at most log2(size) steps.
 */
export class RankTree {
  readonly #leaves: number
  readonly #rank: Float64Array
  readonly #cpu: Int32Array
  readonly #memory: Int32Array
  #best = -1
  #bestRank = notEligible

  constructor(size: number) {
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(2, size)))
    this.#rank = new Float64Array(2 * this.#leaves).fill(notEligible)
    this.#cpu = new Int32Array(2 * this.#leaves).fill(-1)
    this.#memory = new Int32Array(2 * this.#leaves).fill(-1)
  }

  /** Sets a leaf without telling the nodes above; {@link rebuild} must follow. */
  put(at: number, rank: number, cpuFree: number, memoryFree: number): void {
    const leaf = this.#leaves + at
    this.#rank[leaf] = rank
    this.#cpu[leaf] = rank === notEligible ? -1 : cpuFree
    this.#memory[leaf] = rank === notEligible ? -1 : memoryFree
  }

  rebuild(): void {
    for (let node = this.#leaves - 1; node > 0; node--) this.#join(node)
  }

  /** Sets a leaf and what follows from it above. */
  set(at: number, rank: number, cpuFree: number, memoryFree: number): void {
    this.put(at, rank, cpuFree, memoryFree)
    let node = (this.#leaves + at) >> 1
    while (node > 0 && this.#join(node)) node >>= 1
  }

  /** Takes the maxima of both children; false when nothing changed. */
  #join(node: number): boolean {
    const left = 2 * node
    const right = left + 1
    const rank = Math.max(this.#rank[left] as number, this.#rank[right] as number)
    const cpu = Math.max(this.#cpu[left] as number, this.#cpu[right] as number)
    const memory = Math.max(this.#memory[left] as number, this.#memory[right] as number)
    if (rank === this.#rank[node] && cpu === this.#cpu[node] && memory === this.#memory[node]) return false
    this.#rank[node] = rank
    this.#cpu[node] = cpu
    this.#memory[node] = memory
    return true
  }

  /** The position with the highest rank that has this much CPU and memory free, the first of equals; -1 when there is none. */
  find(cpuMilli: number, memoryMib: number): number {
    this.#best = -1
    this.#bestRank = notEligible
    this.#search(1, this.#leaves, cpuMilli, memoryMib)
    return this.#best
  }

  /** `span`: leaves beneath `node`. */
  #search(node: number, span: number, cpuMilli: number, memoryMib: number): void {
    if ((this.#cpu[node] as number) < cpuMilli || (this.#memory[node] as number) < memoryMib) return
    const rank = this.#rank[node] as number
    if (this.#best >= 0 && !this.#beats(node, span, rank)) return
    if (span === 1) {
      this.#best = node - this.#leaves
      this.#bestRank = rank
      return
    }
    const left = 2 * node
    const half = span / 2
    if ((this.#rank[left] as number) >= (this.#rank[left + 1] as number)) {
      this.#search(left, half, cpuMilli, memoryMib)
      this.#search(left + 1, half, cpuMilli, memoryMib)
    } else {
      this.#search(left + 1, half, cpuMilli, memoryMib)
      this.#search(left, half, cpuMilli, memoryMib)
    }
  }

  /** Whether something beneath `node` may come before the best so far: a higher rank, or the same further left. */
  #beats(node: number, span: number, rank: number): boolean {
    return rank > this.#bestRank || (rank === this.#bestRank && node * span - this.#leaves < this.#best)
  }
}
