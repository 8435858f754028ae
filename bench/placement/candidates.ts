// Who is measured: Gilliam’s own placement, and two ways others place, over the same executors and the same compiled expressions in the same process.

import type {Executor} from '#shared/domain/executor.ts'
import {type PendingInstance, place} from '#shared/domain/placement.ts'
import {type CompiledRank, type CompiledRequirement, type Expressions, rankOfFailure} from '#shared/domain/placement-rules.ts'
import {PlacementState} from '#shared/domain/placement-state.ts'
import {offersRuntime, rankDefault} from '#shared/domain/release.ts'
import {createExpressions} from '#shared/expressions.ts'
import {benchNow, randomFrom} from './generate.ts'

export interface Outcome {
  /** Instances decided on; fewer than asked when the time was over. */
  readonly decided: number
  readonly unplaced: number
  /** Executors in the order in which they were chosen. */
  readonly chosen: readonly string[]
}

/** Places as many of `pending` as it can until `deadline` (performance.now); only candidates that can not finish look at it. */
export type Candidate = (executors: readonly Executor[], pending: readonly PendingInstance[], deadline: number) => Outcome

/** What the scheduler runs, expressions compiled anew. */
export const gilliam: Candidate = (executors, pending) => {
  const {assignments, unplaced} = place({executors, pending, placed: [], expressions: createExpressions(), now: benchNow})
  return {
    decided: pending.length,
    unplaced: unplaced.reduce((sum, {instances}) => sum + instances.length, 0),
    chosen: assignments.map(({executor}) => executor.id),
  }
}

interface Compiled {
  readonly requirements: readonly CompiledRequirement[]
  readonly rank: CompiledRank
}

/** One scheduling decision at a time, as a scheduler without shared structure makes it: filter and score executors in the order given by `visit`. */
class OneByOne {
  readonly state: PlacementState
  readonly #expressions: Expressions = createExpressions()
  readonly #compiled = new Map<string, Compiled>()

  constructor(executors: readonly Executor[]) {
    this.state = new PlacementState(executors, [], benchNow)
  }

  compiled({formation, service, requirements, rank}: PendingInstance): Compiled {
    const key = JSON.stringify([formation, service, requirements, rank])
    const known = this.#compiled.get(key)
    if (known !== undefined) return known
    const compiled = {
      requirements: requirements.map(text => this.#expressions.requirement(text)),
      rank: this.#expressions.rank(rank ?? rankDefault),
    }
    this.#compiled.set(key, compiled)
    if ([compiled.rank, ...compiled.requirements].some(({reads}) => reads.has('same_service'))) this.state.counts(`${formation}/${service}`)
    return compiled
  }

  /** The rank at this executor, or undefined when it can not run the instance. */
  score(at: number, instance: PendingInstance, {requirements, rank}: Compiled): number | undefined {
    const executor = this.state.executors[at] as Executor
    if (this.state.open[at] === 0 || !offersRuntime(executor.runtimes, instance.runtime) || !this.state.fits(at, instance.resources))
      return undefined
    const facts = this.state.factsFor(at, instance.formation, `${instance.formation}/${instance.service}`)
    for (const requirement of requirements) if (requirement.evaluate(facts) !== true) return undefined
    const value = rank.evaluate(facts)
    return typeof value === 'number' ? value : rankOfFailure
  }

  take(at: number, instance: PendingInstance): void {
    this.state.take(at, instance.resources, [], instance.formation, `${instance.formation}/${instance.service}`)
  }
}

const decide = (
  executors: readonly Executor[],
  pending: readonly PendingInstance[],
  deadline: number,
  choose: (one: OneByOne, instance: PendingInstance) => number,
): Outcome => {
  const one = new OneByOne(executors)
  const chosen: string[] = []
  let decided = 0
  for (const instance of pending) {
    const at = choose(one, instance)
    if (at >= 0) {
      one.take(at, instance)
      chosen.push((one.state.executors[at] as Executor).id)
    }
    decided += 1
    if (performance.now() > deadline) break
  }
  return {decided, unplaced: decided - chosen.length, chosen}
}

/** The best of the first `wanted` feasible executors from position `start` on, going round; also how many were looked at. */
const sample = (one: OneByOne, instance: PendingInstance, start: number, wanted: number): {best: number; visited: number} => {
  const compiled = one.compiled(instance)
  const size = one.state.size
  let found = 0
  let best = -1
  let bestScore = Number.NEGATIVE_INFINITY
  let visited = 0
  for (; visited < size && found < wanted; visited++) {
    const at = (start + visited) % size
    const score = one.score(at, instance, compiled)
    if (score === undefined) continue
    found += 1
    if (best >= 0 && score <= bestScore) continue
    best = at
    bestScore = score
  }
  return {best, visited}
}

/** Exact and plain: every requirement and the rank on every executor, for every instance. What `gilliam` must agree with. */
export const naiveExact: Candidate = (executors, pending, deadline) =>
  decide(executors, pending, deadline, (one, instance) => sample(one, instance, 0, Number.POSITIVE_INFINITY).best)

/** Fewest executors that Kubernetes’ scheduler scores. */
const feasibleMin = 100

/** kube-scheduler’s default: `50 - nodes/125` per cent of the nodes, at least 5 per cent and 100 nodes (numFeasibleNodesToFind). */
const feasibleWanted = (executors: number): number =>
  executors < feasibleMin ? executors : Math.max(feasibleMin, Math.floor((executors * Math.max(5, 50 - Math.floor(executors / 125))) / 100))

/** Sampling as kube-scheduler does it: goes on round the executors from where it stopped until it has found enough feasible ones; the best of those. */
export const samplingLikeKubernetes: Candidate = (executors, pending, deadline) => {
  let next = 0
  return decide(executors, pending, deadline, (one, instance) => {
    const {best, visited} = sample(one, instance, next, feasibleWanted(one.state.size))
    next = (next + visited) % Math.max(1, one.state.size)
    return best
  })
}

/** Sampling as Nomad does it for services: from a random place, `log2(executors)` feasible ones (at least 2); the best of those. */
export const samplingLikeNomad: Candidate = (executors, pending, deadline) => {
  const random = randomFrom(7)
  return decide(executors, pending, deadline, (one, instance) => {
    const {size} = one.state
    const wanted = Math.max(2, Math.ceil(Math.log2(Math.max(1, size))))
    return sample(one, instance, Math.floor(random() * size), wanted).best
  })
}
