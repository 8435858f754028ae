// Why instances fit nowhere after everything else of a plan was placed: reasons counted over all executors, in detail for the nearest. Pure.

import {type Executor, isDiskFull} from './executor.ts'
import type {PlacementRules} from './placement-pool.ts'
import {changeOf, effort, effortOf, reasonsAgainst} from './placement-refusals.ts'
import type {Expressions, PlacementRequest} from './placement-rules.ts'
import {compareText, type PlacementState} from './placement-state.ts'
import {offersRuntime} from './release.ts'

/** Executors whose refusals a plan words in detail, the nearest to fitting first; the others are counted. `explain` words all. */
export const refusalsPerPlanMax = 20

export interface Unplaced<T> {
  /** All with the same demands. */
  readonly instances: readonly T[]
  /** One line: how many executors refuse for which reason, and what the nearest would need. */
  readonly reason: string
  readonly refusals: readonly {readonly executor: string; readonly reasons: readonly string[]; readonly change: string}[]
}

/** Instances of one kind that were not placed. */
export interface Refused<T> {
  readonly request: PlacementRequest
  /** `formation/service`. */
  readonly service: string
  readonly rules: PlacementRules
  readonly unplaced: readonly T[]
}

/** Positions of reasons in the counts; requirements follow. */
const kinds = ['not ready', 'of another runtime', 'short of CPU', 'short of memory', 'with the host port in use'] as const

const closedEffort = (executor: Executor): number => {
  if (executor.state === 'cordoned') return effort.uncordon
  if (executor.state === 'draining') return effort.undrain
  return executor.state === 'ready' && isDiskFull(executor) ? effort.disk : effort.lost
}

/** Calls `note` with the kind of every reason against the executor; returns how far it is from fitting. */
const distance = (
  state: PlacementState,
  rules: PlacementRules,
  request: PlacementRequest,
  at: number,
  note: (kind: number) => void,
): number => {
  const {cpuMilli, memoryMib} = request.resources
  const executor = state.executors[at] as Executor
  const cpuMissing = cpuMilli - (state.cpuFree[at] as number)
  const memoryMissing = memoryMib - (state.memoryFree[at] as number)
  let sum = 0
  const add = (kind: number, more: number): void => {
    note(kind)
    sum += 10 + more
  }
  if (state.open[at] === 0) add(0, closedEffort(executor))
  if (!offersRuntime(executor.runtimes, request.runtime)) add(1, 5)
  if (cpuMissing > 0) add(2, 1 + Math.min(1, cpuMissing / executor.cpuMilli))
  if (memoryMissing > 0) add(3, 1 + Math.min(1, memoryMissing / executor.memoryMib))
  if (state.hasHostPorts(at, rules.hostPorts)) add(4, 2)
  rules.requirements.forEach((column, index) => {
    if (column.at(at) !== 1) add(kinds.length + index, 3)
  })
  return sum
}

const countsText = (counts: readonly number[], requirements: readonly string[]): string =>
  counts
    .map((count, kind) => ({count, text: kinds[kind] ?? `not meeting ${requirements[kind - kinds.length]}`}))
    .filter(({count}) => count > 0)
    .sort((a, b) => b.count - a.count)
    .map(({count, text}) => `${count} ${text}`)
    .join(', ')

/** Keeps the `refusalsPerPlanMax` nearest positions without sorting all. */
const nearestOf = (distances: Float64Array): number[] => {
  const nearest: number[] = []
  const before = (a: number, b: number): number => (distances[a] as number) - (distances[b] as number) || a - b
  for (let at = 0; at < distances.length; at++) {
    const last = nearest.at(-1)
    if (nearest.length === refusalsPerPlanMax && last !== undefined && before(last, at) <= 0) continue
    nearest.push(at)
    nearest.sort(before)
    if (nearest.length > refusalsPerPlanMax) nearest.pop()
  }
  return nearest
}

/** Counts reasons over all executors (no text is made for those) and words the nearest few. */
export const whyUnplaced = <T>(
  state: PlacementState,
  {request, service, rules, unplaced: instances}: Refused<T>,
  expressions: Expressions,
  now: number,
): Unplaced<T> => {
  if (state.size === 0) return {instances, reason: 'no executor has joined', refusals: []}
  const counts = new Array<number>(kinds.length + rules.requirements.length).fill(0)
  const distances = new Float64Array(state.size)
  const note = (kind: number): void => {
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  for (let at = 0; at < state.size; at++) distances[at] = distance(state, rules, request, at, note)
  const requirements = request.requirements.map(text => expressions.requirement(text))
  const refusals = nearestOf(distances)
    .map(at => {
      const executor = state.present(at)
      const facts = state.factsFor(at, request.formation, service)
      return {executor: executor.id, reasons: reasonsAgainst(executor, facts, request, requirements, now)}
    })
    .sort((a, b) => effortOf(a.reasons) - effortOf(b.reasons) || compareText(a.executor, b.executor))
    .map(({executor, reasons}) => ({executor, reasons: reasons.map(({reason}) => reason), change: changeOf(reasons)}))
  const [nearest] = refusals
  const total = `of ${state.size} ${state.size === 1 ? 'executor' : 'executors'} none fits: ${countsText(counts, request.requirements)}`
  return {instances, reason: nearest === undefined ? total : `${total}; nearest: ${nearest.executor}: ${nearest.change}`, refusals}
}
