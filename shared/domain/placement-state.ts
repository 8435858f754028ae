// What executors have left while a plan is made, and in which order they changed. The only place where a plan's capacity is taken; pure.
import type {Executor} from './executor.ts'
import type {Instance} from './instance.ts'
import {ExecutorFacts} from './placement-facts.ts'
import {isOpen} from './placement-refusals.ts'
import type {PlacedInstance} from './placement-rules.ts'
import {offersRuntime, type Resources} from './release.ts'

/** Code unit order: the same everywhere, unlike a locale’s. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Copies only when needed: lists mostly come sorted, and looking is far cheaper than sorting. */
export const sorted = <T>(items: readonly T[], compare: (a: T, b: T) => number): readonly T[] => {
  for (let i = 1; i < items.length; i++) if (compare(items[i - 1] as T, items[i] as T) > 0) return [...items].sort(compare)
  return items
}

/** How many instances of one service or formation each executor holds, by the executor's position. */
export type Counts = Int32Array

/** Executors by id (the position in that order is what everything else here calls `at`), and what each has left. */
export class PlacementState {
  readonly executors: readonly Executor[]
  readonly facts: readonly ExecutorFacts[]
  /** 1 where new instances may go at all. */
  readonly open: Uint8Array
  readonly cpuFree: Int32Array
  readonly memoryFree: Int32Array
  /** Counts changes of each executor; caches compare it. */
  readonly version: Int32Array
  /** Positions in the order in which they changed. */
  readonly changes: number[] = []
  readonly #hostPorts: (Set<number> | undefined)[]
  readonly #placed: readonly PlacedInstance[]
  readonly #positions = new Map<string, number>()
  readonly #counts = new Map<string, Counts>()
  readonly #offering = new Map<Instance['runtime'], Uint8Array>()

  constructor(executors: readonly Executor[], placed: readonly PlacedInstance[], now: number) {
    this.executors = sorted(executors, (a, b) => compareText(a.id, b.id))
    const size = this.executors.length
    this.facts = this.executors.map(executor => new ExecutorFacts(executor))
    this.open = Uint8Array.from(this.executors, executor => (isOpen(executor, now) ? 1 : 0))
    this.cpuFree = Int32Array.from(this.executors, executor => executor.cpuMilli - executor.cpuMilliUsed)
    this.memoryFree = Int32Array.from(this.executors, executor => executor.memoryMib - executor.memoryMibUsed)
    this.version = new Int32Array(size)
    this.#hostPorts = this.executors.map(({hostPorts}) => (hostPorts.length === 0 ? undefined : new Set(hostPorts)))
    this.#placed = placed
  }

  /** 1 where new instances of this runtime may go at all. */
  offering(runtime: Instance['runtime']): Uint8Array {
    const known = this.#offering.get(runtime)
    if (known !== undefined) return known
    const offering = this.open.map((open, at) => (open === 1 && offersRuntime((this.executors[at] as Executor).runtimes, runtime) ? 1 : 0))
    this.#offering.set(runtime, offering)
    return offering
  }

  /** Undefined when there is no such executor. */
  positionOf(executor: string): number | undefined {
    if (this.#positions.size === 0) for (let at = 0; at < this.size; at++) this.#positions.set(this.executors[at]?.id ?? '', at)
    return this.#positions.get(executor)
  }

  get size(): number {
    return this.executors.length
  }

  /** Counts of a service (`formation/service`) or a formation (`formation`), kept up to date from now on. Names hold no `/`. */
  counts(of: string): Counts {
    const known = this.#counts.get(of)
    if (known !== undefined) return known
    const counts = new Int32Array(this.size)
    for (const {executor, formation, service} of this.#placed) {
      const at = formation === of || `${formation}/${service}` === of ? this.positionOf(executor) : undefined
      if (at !== undefined) counts[at] = (counts[at] as number) + 1
    }
    this.#counts.set(of, counts)
    return counts
  }

  /** What expressions see of the executor now, for an instance of `service` (`formation/service`) of `formation`. One object per executor, reused. */
  factsFor(at: number, formation: string, service: string): ExecutorFacts {
    const facts = this.facts[at] as ExecutorFacts
    facts.same_service = this.#counts.get(service)?.[at] ?? 0
    facts.same_formation = this.#counts.get(formation)?.[at] ?? 0
    return facts
  }

  /** The executor with what the plan has taken of it. */
  present(at: number): Executor {
    const executor = this.executors[at] as Executor
    return {
      ...executor,
      cpuMilliUsed: executor.cpuMilli - (this.cpuFree[at] as number),
      memoryMibUsed: executor.memoryMib - (this.memoryFree[at] as number),
      hostPorts: [...(this.#hostPorts[at] ?? [])],
    }
  }

  hasHostPorts(at: number, ports: readonly number[]): boolean {
    const used = this.#hostPorts[at]
    return used !== undefined && ports.some(port => used.has(port))
  }

  /** Whether the resources fit into what is left. */
  fits(at: number, {cpuMilli, memoryMib}: Resources): boolean {
    return cpuMilli <= (this.cpuFree[at] as number) && memoryMib <= (this.memoryFree[at] as number)
  }

  /** Reserves for one instance of `service` (see {@link counts}) of `formation`. The caller made sure that it fits. */
  take(at: number, resources: Resources, hostPorts: readonly number[], formation: string, service: string): void {
    const facts = this.facts[at] as ExecutorFacts
    const cpuFree = (this.cpuFree[at] as number) - resources.cpuMilli
    const memoryFree = (this.memoryFree[at] as number) - resources.memoryMib
    this.cpuFree[at] = cpuFree
    this.memoryFree[at] = memoryFree
    facts.cpu_free = cpuFree / 1_000
    facts.memory_free = memoryFree
    facts.instances += 1
    if (hostPorts.length > 0) this.#hostPorts[at] = new Set([...(this.#hostPorts[at] ?? []), ...hostPorts])
    for (const key of [formation, service]) {
      const counts = this.#counts.get(key)
      if (counts !== undefined) counts[at] = (counts[at] as number) + 1
    }
    this.version[at] = (this.version[at] as number) + 1
    this.changes.push(at)
  }
}
