// Values of expressions over all executors, evaluated as rarely as possible: what reads only unchanging variables once per distinct value of those,
// everything else once per change of the executor. Pure.
import {type ExecutorFacts, type ExecutorVariable, executorVariables} from './placement-facts.ts'
import {type CompiledRank, type CompiledRequirement, type Expressions, rankOfFailure} from './placement-rules.ts'
import type {Counts, PlacementState} from './placement-state.ts'

/** Who is being placed: what `same_service` and `same_formation` are counted for. */
export interface Scope {
  readonly formation: string
  /** `formation/service`. */
  readonly service: string
}

type Reads = ReadonlySet<ExecutorVariable>

const isDynamic = (reads: Reads): boolean => {
  for (const name of reads) if (executorVariables[name].dynamic) return true
  return false
}

/** A value per executor: a number, remembered until the executor changes. `-1` in `version` is “never evaluated”. */
export class Column {
  /** Whether placing an instance may change values. */
  readonly dynamic: boolean
  readonly #state: PlacementState
  readonly #evaluate: (facts: ExecutorFacts) => number
  readonly #values: Float64Array
  readonly #versions: Int32Array
  readonly #sameService: Counts | undefined
  readonly #sameFormation: Counts | undefined

  constructor(state: PlacementState, reads: Reads, scope: Scope, evaluate: (facts: ExecutorFacts) => number) {
    this.#state = state
    this.#evaluate = evaluate
    this.dynamic = isDynamic(reads)
    this.#values = new Float64Array(state.size)
    this.#versions = new Int32Array(state.size).fill(-1)
    this.#sameService = reads.has('same_service') ? state.counts(scope.service) : undefined
    this.#sameFormation = reads.has('same_formation') ? state.counts(scope.formation) : undefined
  }

  /** Fills in what is known without evaluating. */
  preset(at: number, value: number): void {
    this.#values[at] = value
    this.#versions[at] = 0
  }

  at(at: number): number {
    const version = this.dynamic ? (this.#state.version[at] as number) : 0
    if (this.#versions[at] === version) return this.#values[at] as number
    const facts = this.#state.facts[at] as ExecutorFacts
    if (this.#sameService !== undefined) facts.same_service = this.#sameService[at] as number
    if (this.#sameFormation !== undefined) facts.same_formation = this.#sameFormation[at] as number
    const value = this.#evaluate(facts)
    this.#values[at] = value
    this.#versions[at] = version
    return value
  }
}

/** All columns of one plan; one per distinct text, and per scope where the text counts neighbours. */
export class Columns {
  readonly #state: PlacementState
  readonly #expressions: Expressions
  readonly #columns = new Map<string, Column>()
  readonly #groups = new Map<string, Int32Array>()

  constructor(state: PlacementState, expressions: Expressions) {
    this.#state = state
    this.#expressions = expressions
  }

  /** 1 where the requirement holds, 0 where it does not or can not be evaluated. */
  requirement(text: string, scope: Scope): Column {
    const compiled = this.#expressions.requirement(text)
    return this.#column('requirement', compiled, scope, facts => (compiled.evaluate(facts) === true ? 1 : 0))
  }

  /** The rank, {@link rankOfFailure} where it can not be evaluated. */
  rank(text: string, scope: Scope): Column {
    const compiled = this.#expressions.rank(text)
    return this.#column('rank', compiled, scope, facts => {
      const value = compiled.evaluate(facts)
      return typeof value === 'number' ? value : rankOfFailure
    })
  }

  #column(
    kind: string,
    {text, reads}: CompiledRequirement | CompiledRank,
    scope: Scope,
    evaluate: (facts: ExecutorFacts) => number,
  ): Column {
    const of = reads.has('same_service') ? scope.service : reads.has('same_formation') ? scope.formation : ''
    const key = `${kind} ${of} ${text}`
    const known = this.#columns.get(key)
    if (known !== undefined) return known
    const column = new Column(this.#state, reads, scope, evaluate)
    if (!column.dynamic) this.#fill(column, reads)
    this.#columns.set(key, column)
    return column
  }

  /** Evaluates an unchanging column once per group of executors that look the same to it. */
  #fill(column: Column, reads: Reads): void {
    const groups = this.#groupsBy([...reads].sort())
    const values = new Map<number, number>()
    for (let at = 0; at < this.#state.size; at++) {
      const group = groups[at] as number
      const known = values.get(group)
      if (known === undefined) values.set(group, column.at(at))
      else column.preset(at, known)
    }
  }

  /** Numbers executors so that equal numbers mean equal values of all `names`. */
  #groupsBy(names: readonly ExecutorVariable[]): Int32Array {
    const key = names.join()
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    const [first, ...rest] = names
    const groups =
      first === undefined
        ? new Int32Array(this.#state.size)
        : rest.length === 0
          ? this.#groupsOf(first)
          : product(this.#groupsBy([first]), this.#groupsBy(rest))
    this.#groups.set(key, groups)
    return groups
  }

  #groupsOf(name: ExecutorVariable): Int32Array {
    const numbers = new Map<string | number, number>()
    const groups = new Int32Array(this.#state.size)
    for (let at = 0; at < groups.length; at++) groups[at] = numberOf(numbers, valueKey(this.#state.facts[at] as ExecutorFacts, name))
    return groups
  }
}

/** The number of `key`, a new one at its first sight. */
const numberOf = <K>(numbers: Map<K, number>, key: K): number => {
  const known = numbers.get(key)
  if (known !== undefined) return known
  numbers.set(key, numbers.size)
  return numbers.size - 1
}

/** Equal numbers where both are equal. */
const product = (left: Int32Array, right: Int32Array): Int32Array => {
  const numbers = new Map<number, number>()
  const width = left.length + 1
  return left.map((group, at) => numberOf(numbers, group * width + (right[at] as number)))
}

/** The same for equal values only. */
const valueKey = (facts: ExecutorFacts, name: ExecutorVariable): string | number => {
  const value = facts[name]
  if (typeof value === 'string' || typeof value === 'number') return value
  if (value instanceof Map) return value.size === 0 ? '' : JSON.stringify([...value])
  return (value as readonly string[]).length === 0 ? '' : JSON.stringify(value)
}
