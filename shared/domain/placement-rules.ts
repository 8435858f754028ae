// What placement decides on: an instance's demands, compiled rules as functions, and who is already placed where. Pure; compiling is not its business.
import type {Instance} from './instance.ts'
import {isPlaced} from './instance.ts'
import type {ExecutorFacts, ExecutorVariable} from './placement-facts.ts'

/** What placement needs to know of an instance, whether it exists or is only asked about. */
export type PlacementRequest = Pick<
  Instance,
  'formation' | 'service' | 'resources' | 'requirements' | 'rank' | 'runtime' | 'ports' | 'avoid'
>

/** A requirement as a function. `true`: it holds; `false`: it does not; a text: it could not be evaluated, and why (counts as not holding). */
export interface CompiledRequirement {
  readonly text: string
  /** Which variables the text reads. */
  readonly reads: ReadonlySet<ExecutorVariable>
  readonly evaluate: (facts: ExecutorFacts) => boolean | string
  /** What would make it hold on this executor, in words: `add the tag "ssd"`; undefined when that can not be told. */
  readonly change: (facts: ExecutorFacts) => string | undefined
}

/** A rank as a function: a finite number, or a text that says why it could not be evaluated (such an executor comes last). */
export interface CompiledRank {
  readonly text: string
  readonly reads: ReadonlySet<ExecutorVariable>
  readonly evaluate: (facts: ExecutorFacts) => number | string
}

/** Compiles texts, each once. Never throws: a text that is not valid gives a rule that says so whenever it is evaluated. */
export interface Expressions {
  readonly requirement: (text: string) => CompiledRequirement
  readonly rank: (text: string) => CompiledRank
}

/** The rank of an executor whose rank text failed: below every other. A finite number so that it survives JSON. */
export const rankOfFailure = -Number.MAX_VALUE

/** An instance that holds resources of an executor. */
export interface PlacedInstance {
  readonly formation: string
  readonly service: string
  readonly executor: string
}

/** Those of `instances` that hold resources of an executor: what `same_service` and `same_formation` count. */
export const placedOf = (instances: readonly Instance[]): PlacedInstance[] =>
  instances.flatMap(({formation, service, executor, state}) =>
    executor !== undefined && isPlaced(state) ? [{formation, service, executor}] : [],
  )

/** The fixed host ports an instance needs for itself. */
export const hostPortsOf = (request: Pick<PlacementRequest, 'ports'>): number[] =>
  request.ports.flatMap(({hostPort}) => (hostPort === undefined ? [] : [hostPort]))
