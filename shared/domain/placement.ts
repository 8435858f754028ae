// Which pending instance goes to which executor: one pure decision over one view. Every requirement must hold, the highest rank wins. Loading the view
// and writing the plan are the scheduler's business.
import type {Executor} from './executor.ts'
import type {Instance} from './instance.ts'
import {Columns} from './placement-columns.ts'
import {makePools, PlacementRules, type Pool} from './placement-pool.ts'
import {type Expressions, hostPortsOf, type PlacedInstance, type PlacementRequest} from './placement-rules.ts'
import {compareText, PlacementState, sorted} from './placement-state.ts'
import {type Unplaced, whyUnplaced} from './placement-unplaced.ts'
import {rankDefault} from './release.ts'

/** An instance that waits for an executor. */
export type PendingInstance = PlacementRequest & Pick<Instance, 'id' | 'createdAt'>

export interface PlaceInput<T extends PendingInstance> {
  readonly executors: readonly Executor[]
  readonly pending: readonly T[]
  /** Who holds resources already; needed only for formations whose pending instances count neighbours (see `countsNeighbours`). */
  readonly placed: readonly PlacedInstance[]
  readonly expressions: Expressions
  readonly now: number
}

export interface Plan<T extends PendingInstance> {
  readonly assignments: readonly {readonly instance: T; readonly executor: Executor}[]
  /** Instances that fit nowhere, those with the same demands together. */
  readonly unplaced: readonly Unplaced<T>[]
}

/** Instances with the same demands, and the executors they choose from. */
interface Group<T> {
  readonly request: PlacementRequest
  readonly service: string
  readonly hostPorts: readonly number[]
  readonly rules: PlacementRules
  /** For those that avoid executors: the same without, for when nothing else fits. */
  readonly otherwise: Group<T> | undefined
  pool: Pool | undefined
  /** Nothing fits and nothing will: placing only takes capacity away. */
  exhausted: boolean
  readonly unplaced: T[]
}

/** Whether placing `request` needs to know who is placed where: its texts read `same_service` or `same_formation`. */
export const countsNeighbours = (request: PlacementRequest, expressions: Expressions): boolean => {
  const rules = [expressions.rank(request.rank ?? rankDefault), ...request.requirements.map(text => expressions.requirement(text))]
  return rules.some(({reads}) => reads.has('same_service') || reads.has('same_formation'))
}

/** Oldest first; those of the same moment by formation, service and id. The order decides who gets scarce capacity. */
const compareInstances = (a: PendingInstance, b: PendingInstance): number =>
  a.createdAt - b.createdAt || compareText(a.formation, b.formation) || compareText(a.service, b.service) || compareText(a.id, b.id)

const rulesKey = (request: PlacementRequest, expressions: Expressions): string => {
  const {formation, service, requirements, rank, runtime, avoid = []} = request
  const of = countsNeighbours(request, expressions) ? `${formation}/${service}` : ''
  return JSON.stringify([of, runtime, rank ?? rankDefault, hostPortsOf(request), requirements, ...avoid])
}

/** Sorts instances into groups; rules are shared by all groups whose instances may go to the same executors and rank them alike. */
class Groups<T extends PendingInstance> {
  readonly all: Group<T>[] = []
  readonly #state: PlacementState
  readonly #columns: Columns
  readonly #expressions: Expressions
  readonly #byRules = new Map<string, {rules: PlacementRules; groups: Group<T>[]}>()
  readonly #byDemand = new Map<string, Group<T>>()

  constructor(state: PlacementState, expressions: Expressions) {
    this.#state = state
    this.#columns = new Columns(state, expressions)
    this.#expressions = expressions
  }

  of(instance: T): Group<T> {
    const {formation, service, resources, requirements, rank, runtime, avoid = []} = instance
    const ports = instance.ports.map(({hostPort}) => hostPort ?? '').join()
    const key = `${formation}/${service} ${resources.cpuMilli} ${resources.memoryMib} ${runtime} ${ports} ${avoid.join()} ${rank ?? ''}\n${requirements.join('\n\n')}`
    const known = this.#byDemand.get(key)
    if (known !== undefined) return known
    const group = this.#add(instance)
    this.#byDemand.set(key, group)
    return group
  }

  /** Gives every group its pool. To be called when all groups are known. */
  makePools(): void {
    for (const {rules, groups} of this.#byRules.values()) {
      const sizes = new Map(groups.map(({request: {resources}}) => [`${resources.cpuMilli} ${resources.memoryMib}`, resources]))
      const pools = makePools(this.#state, rules, [...sizes.values()])
      const poolOf = new Map([...sizes.keys()].map((key, index) => [key, pools[index]]))
      for (const group of groups) group.pool = poolOf.get(`${group.request.resources.cpuMilli} ${group.request.resources.memoryMib}`)
    }
  }

  #add(request: T): Group<T> {
    const service = `${request.formation}/${request.service}`
    const key = rulesKey(request, this.#expressions)
    const scope = {formation: request.formation, service}
    const shared = this.#byRules.get(key) ?? {rules: new PlacementRules(this.#state, this.#columns, request, scope), groups: []}
    this.#byRules.set(key, shared)
    const group: Group<T> = {
      request,
      service,
      hostPorts: hostPortsOf(request),
      rules: shared.rules,
      otherwise: request.avoid === undefined || request.avoid.length === 0 ? undefined : this.of({...request, avoid: []}),
      pool: undefined,
      exhausted: false,
      unplaced: [],
    }
    shared.groups.push(group)
    this.all.push(group)
    return group
  }
}

/** Where it goes, and the group that was asked last; -1 when it fits nowhere. */
const bestOf = <T extends PendingInstance>(group: Group<T>, instance: T): {readonly at: number; readonly last: Group<T>} => {
  const at = group.exhausted || group.pool === undefined ? -1 : group.pool.best(instance.resources)
  if (at >= 0) return {at, last: group}
  group.exhausted = group.rules.dynamic.length === 0
  return group.otherwise === undefined ? {at, last: group} : bestOf(group.otherwise, instance)
}

/**
 * Plans where pending instances go. Instances are taken oldest first (then by formation, service, id); each goes to the executor that is ready, offers
 * its runtime, has its CPU, memory and host ports free, meets every requirement, and has the highest rank by then; among equal ranks to the one whose id
 * comes first; to those that it avoids only when it fits nowhere else. The outcome depends on nothing else: not on the order in which executors or
 * instances are listed. Exact: no executor is left out of the choice. Takes about `log2(executors)` steps per instance and distinct demand.
 */
export const place = <T extends PendingInstance>({executors, pending, placed, expressions, now}: PlaceInput<T>): Plan<T> => {
  const state = new PlacementState(executors, placed, now)
  const groups = new Groups<T>(state, expressions)
  const queue = sorted(pending, compareInstances).map(instance => ({instance, group: groups.of(instance)}))
  groups.makePools()
  const assignments: {instance: T; executor: Executor}[] = []
  for (const {instance, group} of queue) {
    const {at, last} = bestOf(group, instance)
    if (at < 0) last.unplaced.push(instance)
    else {
      state.take(at, instance.resources, group.hostPorts, instance.formation, group.service)
      assignments.push({instance, executor: state.executors[at] as Executor})
    }
  }
  const refused = groups.all.filter(group => group.unplaced.length > 0)
  return {assignments, unplaced: refused.map(group => whyUnplaced(state, group, expressions, now))}
}
