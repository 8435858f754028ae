// Executors as one kind of instance sees them: which are eligible, and the best of those. Follows the plan's changes lazily; pure.
import type {Column, Columns, Scope} from './placement-columns.ts'
import {hostPortsOf, type PlacementRequest} from './placement-rules.ts'
import type {PlacementState} from './placement-state.ts'
import {notEligible, RankTree} from './placement-tree.ts'
import {type Resources, rankDefault} from './release.ts'

/** Instances that may go to the same executors and rank them alike, whatever resources they need. */
export class PlacementRules {
  readonly hostPorts: readonly number[]
  readonly rank: Column
  /** Requirements that placing can change the outcome of. */
  readonly dynamic: readonly Column[]
  /** Per requirement, in the request's order. */
  readonly requirements: readonly Column[]
  /** 1 where everything that does not change holds, and which is not to be avoided. */
  readonly eligible: Uint8Array

  constructor(state: PlacementState, columns: Columns, request: PlacementRequest, scope: Scope) {
    this.hostPorts = hostPortsOf(request)
    this.rank = columns.rank(request.rank ?? rankDefault, scope)
    this.requirements = request.requirements.map(text => columns.requirement(text, scope))
    this.dynamic = this.requirements.filter(column => column.dynamic)
    this.eligible = state.offering(request.runtime).slice()
    for (const column of this.requirements) if (!column.dynamic) clear(this.eligible, column)
    for (const executor of request.avoid ?? []) {
      const at = state.positionOf(executor)
      if (at !== undefined) this.eligible[at] = 0
    }
  }
}

/** Takes out the executors where a requirement does not hold. */
const clear = (eligible: Uint8Array, column: Column): void => {
  for (let at = 0; at < eligible.length; at++) if (eligible[at] === 1 && column.at(at) !== 1) eligible[at] = 0
}

/** Executors that a few instance sizes of the same rules choose from. */
export class Pool {
  readonly #state: PlacementState
  readonly #rules: PlacementRules
  readonly #tree: RankTree
  readonly #versions: Int32Array
  readonly #least: Resources
  #seen = -1

  /** `sizes`: what the instances need; executors that could take none of them are left out. */
  constructor(state: PlacementState, rules: PlacementRules, sizes: readonly Resources[]) {
    this.#state = state
    this.#rules = rules
    this.#tree = new RankTree(state.size)
    this.#versions = new Int32Array(state.size).fill(-1)
    this.#least = {
      cpuMilli: sizes.reduce((least, {cpuMilli}) => Math.min(least, cpuMilli), Number.POSITIVE_INFINITY),
      memoryMib: sizes.reduce((least, {memoryMib}) => Math.min(least, memoryMib), Number.POSITIVE_INFINITY),
    }
  }

  /** The position of the best executor with room for `resources`; -1 when there is none. */
  best({cpuMilli, memoryMib}: Resources): number {
    this.#follow()
    return this.#tree.find(cpuMilli, memoryMib)
  }

  /** Catches up with what changed since the last look: leaf by leaf, or all at once when that is cheaper. */
  #follow(): void {
    const {changes, size} = this.#state
    if (this.#seen < 0 || changes.length - this.#seen > size / 8) this.#rebuild()
    else
      for (let i = this.#seen; i < changes.length; i++) {
        const at = changes[i] as number
        if (this.#isStale(at)) this.#tree.set(at, this.#value(at), this.#state.cpuFree[at] as number, this.#state.memoryFree[at] as number)
      }
    this.#seen = changes.length
  }

  #rebuild(): void {
    for (let at = 0; at < this.#state.size; at++)
      if (this.#isStale(at)) this.#tree.put(at, this.#value(at), this.#state.cpuFree[at] as number, this.#state.memoryFree[at] as number)
    this.#tree.rebuild()
  }

  /** Whether the executor changed since it was last looked at; notes that it now is. */
  #isStale(at: number): boolean {
    const version = this.#state.version[at] as number
    if (this.#versions[at] === version) return false
    this.#versions[at] = version
    return true
  }

  #value(at: number): number {
    const {eligible, hostPorts, dynamic, rank} = this.#rules
    if (eligible[at] === 0 || !this.#state.fits(at, this.#least)) return notEligible
    if (hostPorts.length > 0 && this.#state.hasHostPorts(at, hostPorts)) return notEligible
    for (const column of dynamic) if (column.at(at) !== 1) return notEligible
    return rank.at(at)
  }
}

/** Most pools per rules. More sizes than this share pools with sizes near theirs. */
const poolsPerRulesMax = 8

/** Spreads sizes over pools so that those of a pool are near each other; returns the pool of each size. */
export const makePools = (state: PlacementState, rules: PlacementRules, sizes: readonly Resources[]): Pool[] => {
  const order = sizes.map((_, index) => index)
  const size = (index: number): Resources => sizes[index] as Resources
  order.sort((a, b) => size(a).memoryMib - size(b).memoryMib || size(a).cpuMilli - size(b).cpuMilli)
  const perPool = Math.ceil(order.length / poolsPerRulesMax)
  const pools: Pool[] = []
  for (let start = 0; start < order.length; start += perPool) {
    const members = order.slice(start, start + perPool)
    const pool = new Pool(state, rules, members.map(size))
    for (const member of members) pools[member] = pool
  }
  return pools
}
