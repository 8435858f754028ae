// Which running instances would be better off on another executor by now: machines joined, or were drained and came back. Decides by the services' own
// requirements and ranks, as the scheduler does; moves nothing, an instance never moves: another one is made, and then the old one stops. Pure.
import type {Executor} from './executor.ts'
import type {Instance} from './instance.ts'
import {explain} from './placement-explain.ts'
import {isOpen} from './placement-refusals.ts'
import {type Expressions, hostPortsOf, placedOf} from './placement-rules.ts'

/** Of one plan; the next one goes on. */
export const shiftsMax = 50
/** Instances of a formation that are being replaced at the same time. */
export const shiftsAtOnceMax = 3

export interface RebalanceView {
  /** Each with the host ports of its machine (withMachinePorts). */
  readonly executors: readonly Executor[]
  /** Of one formation, those that have not ended. */
  readonly instances: readonly Instance[]
  /** Whether it may be made anew elsewhere: it has no volume, and is not to be kept where it is. */
  readonly isFree: (instance: Instance) => boolean
  readonly expressions: Expressions
  readonly now: number
}

export interface Shift {
  readonly instance: Instance
  readonly from: string
  /** Where the scheduler would put it now. */
  readonly to: string
  /** By how much its rank is higher there; undefined: its requirements do not hold where it is. */
  readonly gain?: number
}

const moved = (executor: Executor, {resources, ...instance}: Instance, sign: 1 | -1): Executor => {
  const own = hostPortsOf(instance)
  return {
    ...executor,
    cpuMilliUsed: executor.cpuMilliUsed + sign * resources.cpuMilli,
    memoryMibUsed: executor.memoryMibUsed + sign * resources.memoryMib,
    instances: executor.instances + sign,
    hostPorts: sign > 0 ? [...executor.hostPorts, ...own] : executor.hostPorts.filter(port => !own.includes(port)),
  }
}

/** Executors and instances as they would be when shifts are done. */
interface Situation {
  readonly executors: readonly Executor[]
  readonly instances: readonly Instance[]
}

const after = ({executors, instances}: Situation, {instance, from, to}: Shift): Situation => ({
  executors: executors.map(each => (each.id === from ? moved(each, instance, -1) : each.id === to ? moved(each, instance, 1) : each)),
  instances: instances.map(each => (each.id === instance.id ? {...each, executor: to} : each)),
})

/** Better off: strictly, as seen without itself, so that it would not be shifted back. */
const shiftOf = (instance: Instance, {executors, instances}: Situation, {expressions, now}: RebalanceView): Shift | undefined => {
  const from = executors.find(({id}) => id === instance.executor)
  if (from === undefined || !isOpen(from, now)) return undefined
  // What failed before it was made is no matter any more.
  const {avoid: _, ...request} = instance
  const {candidates} = explain({
    request,
    executors: executors.map(each => (each.id === from.id ? moved(each, instance, -1) : each)),
    placed: placedOf(instances.filter(({id}) => id !== instance.id)),
    expressions,
    now,
  })
  const [best] = candidates
  const here = candidates.find(({executor}) => executor === from.id)
  if (best === undefined || best.executor === from.id || best.reason !== undefined) return undefined
  if (here === undefined) return {instance, from: from.id, to: best.executor}
  return best.rank > here.rank ? {instance, from: from.id, to: best.executor, gain: best.rank - here.rank} : undefined
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Nothing of it is on its way in or out: where it is now is where it stays. */
const isSettled = ({origin, state, outdated, executor}: Instance): boolean =>
  origin === 'scale' && state === 'running' && outdated === undefined && executor !== undefined

/** Instances of one service that are on one executor are alike: the one with the first id stands for them. */
const oneOfEach = (instances: readonly Instance[]): readonly Instance[] => {
  const kinds = new Map<string, Instance>()
  for (const each of [...instances].sort((a, b) => byText(a.service, b.service) || byText(a.id, b.id))) {
    const kind = `${each.release} ${each.service} ${each.executor}`
    if (!kinds.has(kind)) kinds.set(kind, each)
  }
  return [...kinds.values()]
}

/**
 * Shifts in the order in which they are to be done: each once the ones before are. No instance is shifted twice, and none to where it would not stay. Ends
 * when nothing is better off elsewhere, or after `shiftsMax`.
 */
export const planRebalance = (view: RebalanceView): readonly Shift[] => {
  const shifts: Shift[] = []
  const done = new Set<string>()
  // What has a volume would only come back to it.
  const free = (each: Instance): boolean => isSettled(each) && each.volume === undefined && view.isFree(each) && !done.has(each.id)
  let situation: Situation = view
  for (let found = true; found && shifts.length < shiftsMax; ) {
    found = false
    for (const instance of oneOfEach(situation.instances.filter(free))) {
      const shift = shifts.length < shiftsMax ? shiftOf(instance, situation, view) : undefined
      if (shift === undefined) continue
      shifts.push(shift)
      done.add(instance.id)
      situation = after(situation, shift)
      found = true
    }
  }
  return shifts
}

/**
 * What to begin with now: one of each service that is not on the move already, and a few in all, so that the formation never has more than that many too
 * many.
 */
export const nextShifts = (shifts: readonly Shift[], instances: readonly Instance[]): readonly Shift[] => {
  const moving = instances.filter(each => each.origin === 'scale' && !isSettled(each))
  const busy = new Set(moving.map(({service}) => service))
  const room = Math.max(0, shiftsAtOnceMax - moving.length)
  const next: Shift[] = []
  for (const shift of shifts) {
    if (next.length >= room) break
    if (busy.has(shift.instance.service)) continue
    busy.add(shift.instance.service)
    next.push(shift)
  }
  return next
}
