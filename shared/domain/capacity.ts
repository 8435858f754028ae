// How many machines a group should have: one more when something waits that a machine of the group would fit, one fewer when one has long been empty. A
// pure decision over one view; describing the group and changing it is lambdas/capacity's business.
import type {Executor} from './executor.ts'
import {futureExecutor, type MachineType, machineTypeOf} from './machines.ts'
import {type PendingInstance, type PlaceInput, place} from './placement.ts'

/** `leaving`: on its way out, or set aside by somebody; it counts for nothing here. */
export type MachineState = 'launching' | 'running' | 'leaving'

/** A machine of the group. Its executor, once it has joined, has the same id. */
export interface Machine {
  readonly id: string
  readonly type: string
  readonly zone: string
  readonly state: MachineState
  /** Somebody wants it kept. */
  readonly isProtected: boolean
}

export interface MachineGroup {
  readonly min: number
  readonly max: number
  readonly desired: number
  readonly machines: readonly Machine[]
  /** What the group launches, the preferred first. */
  readonly types: readonly string[]
  /** Whether it takes any of the types, as spot does, rather than the first that can be had. */
  readonly anyType: boolean
  /** Where machines are launched; nobody knows in which zone the next one will be. */
  readonly zones: readonly string[]
}

/** What is remembered from one decision to the next, by machine, as times of the decisions. */
export interface CapacityMemory {
  /** Of the last machine that was asked for. */
  readonly grownAt: number
  readonly seenAt: Readonly<Record<string, number>>
  readonly emptySince: Readonly<Record<string, number>>
  /** Drained by us to be ended; what operators drain is theirs. */
  readonly drainedAt: Readonly<Record<string, number>>
}

export const nothingRemembered: CapacityMemory = {grownAt: 0, seenAt: {}, emptySince: {}, drainedAt: {}}

export interface CapacityRules {
  readonly stage: string
  /** Between two machines asked for. */
  readonly cooldownMs: number
  /** A machine empty for this long is not needed. */
  readonly emptyMs: number
  /** From a machine's start to its joining, at most; one that is silent for longer is replaced. */
  readonly joinMs: number
}

export const capacityRulesDefault = {cooldownMs: 60_000, emptyMs: 600_000, joinMs: 900_000} as const

export interface CapacityView<T extends PendingInstance> extends PlaceInput<T> {
  readonly group: MachineGroup
  readonly memory: CapacityMemory
  readonly rules: CapacityRules
}

export type CapacityStep =
  /** `waiting`: how many instances the new machine would take. */
  | {readonly kind: 'grow'; readonly desired: number; readonly waiting: number}
  /** Nothing new is to be placed there. */
  | {readonly kind: 'drain'; readonly machine: string}
  /** It is needed after all. */
  | {readonly kind: 'keep'; readonly machine: string}
  /** `replace`: the group is to launch another in its place. */
  | {readonly kind: 'end'; readonly machine: string; readonly replace: boolean; readonly reason: string}

export interface CapacityDecision {
  readonly steps: readonly CapacityStep[]
  readonly memory: CapacityMemory
}

/** A machine of the group with what is known of its executor. */
interface Seen {
  readonly machine: Machine
  readonly executor: Executor | undefined
  /** No agent answers: it never joined, or is lost. */
  readonly silentSince: number | undefined
}

const look = <T extends PendingInstance>({group, executors, memory, now}: CapacityView<T>): Seen[] => {
  const byId = new Map(executors.map(executor => [executor.id, executor]))
  return group.machines
    .filter(({state}) => state !== 'leaving')
    .map(machine => {
      const executor = byId.get(machine.id)
      if (executor === undefined) return {machine, executor, silentSince: memory.seenAt[machine.id] ?? now}
      return {machine, executor, silentSince: executor.state === 'lost' ? executor.leaseExpiresAt : undefined}
    })
}

const mapOf = (ids: readonly string[], timeOf: (id: string) => number): Record<string, number> =>
  Object.fromEntries(ids.map(id => [id, timeOf(id)]))

/** What is known now; of machines that are gone nothing is kept. */
const remember = (seen: readonly Seen[], {grownAt, seenAt, emptySince, drainedAt}: CapacityMemory, now: number): CapacityMemory => {
  const empty = seen.filter(({executor}) => executor !== undefined && executor.state !== 'lost' && executor.instances === 0)
  const drained = seen.filter(({machine, executor}) => machine.id in drainedAt && executor?.state === 'draining')
  const ids = (some: readonly Seen[]): string[] => some.map(({machine}) => machine.id)
  // A drain that somebody ended: it is to be kept, and counts as empty from now on.
  const kept = new Set(Object.keys(drainedAt).filter(id => !drained.some(({machine}) => machine.id === id)))
  return {
    grownAt,
    seenAt: mapOf(ids(seen), id => seenAt[id] ?? now),
    emptySince: mapOf(ids(empty), id => (kept.has(id) ? now : (emptySince[id] ?? now))),
    drainedAt: mapOf(ids(drained), id => drainedAt[id] ?? now),
  }
}

/** Machines that run, or soon will, and have not joined: as the executors they will be. Those of an unknown type count for nothing. */
const future = <T extends PendingInstance>(seen: readonly Seen[], {rules, now}: CapacityView<T>): Executor[] =>
  seen.flatMap(({machine, executor, silentSince = now}) => {
    const type = machineTypeOf(machine.type)
    if (executor !== undefined || type === undefined || now - silentSince > rules.joinMs) return []
    return [futureExecutor({id: machine.id, type, zone: machine.zone, stage: rules.stage}, now)]
  })

/** Types that the next machine may have; empty when one of them is unknown. */
const nextTypes = ({types, anyType}: MachineGroup): readonly MachineType[] => {
  const known = (anyType ? types : types.slice(0, 1)).map(machineTypeOf)
  return known.every(type => type !== undefined) ? known : []
}

const unplaced = <T extends PendingInstance>(view: CapacityView<T>, executors: readonly Executor[]): number =>
  place({...view, executors}).unplaced.reduce((sum, {instances}) => sum + instances.length, 0)

/** How many of the waiting instances one more machine takes, whichever of the group's zones and types it gets. */
const takenByNext = <T extends PendingInstance>(view: CapacityView<T>, executors: readonly Executor[], waiting: number): number => {
  const {group, rules, now} = view
  const taken = nextTypes(group).flatMap(type =>
    group.zones.map(zone => {
      const next = futureExecutor({id: '~next', type, zone, stage: rules.stage}, now)
      return waiting - unplaced(view, [...executors, next])
    }),
  )
  return taken.length === 0 ? 0 : Math.min(...taken)
}

/** One more, when that helps and nothing on its way would do. */
const grow = <T extends PendingInstance>(view: CapacityView<T>, executors: readonly Executor[], waiting: number): CapacityStep[] => {
  const {group, memory, rules, now} = view
  const there = group.machines.filter(({state}) => state !== 'leaving').length
  if (waiting === 0 || group.desired >= group.max || group.desired > there || now - memory.grownAt < rules.cooldownMs) return []
  const taken = takenByNext(view, executors, waiting)
  return taken > 0 ? [{kind: 'grow', desired: group.desired + 1, waiting: taken}] : []
}

/** A machine whose agent has not been heard of for too long; one at a time. */
const endSilent = <T extends PendingInstance>(seen: readonly Seen[], {group, rules, now}: CapacityView<T>): CapacityStep[] => {
  const silent = seen.find(
    ({machine, silentSince}) => silentSince !== undefined && !machine.isProtected && now - silentSince > rules.joinMs,
  )
  if (silent === undefined) return []
  const reason = silent.executor === undefined ? 'its agent never joined' : 'its executor is lost'
  return [{kind: 'end', machine: silent.machine.id, replace: group.desired <= group.min, reason}]
}

/** What we drained and is empty ends; what has got an instance meanwhile, or is needed again, is kept. */
const finish = (
  seen: readonly Seen[],
  group: MachineGroup,
  {drainedAt}: CapacityMemory,
  isNeeded: boolean,
): Extract<CapacityStep, {kind: 'keep' | 'end'}>[] =>
  seen
    .filter(({machine}) => machine.id in drainedAt)
    .map(({machine, executor}, at) => {
      const isEmpty = executor?.instances === 0 && !machine.isProtected
      if (isNeeded || !isEmpty || group.desired - at <= group.min) return {kind: 'keep', machine: machine.id}
      return {kind: 'end', machine: machine.id, replace: false, reason: 'empty and drained'}
    })

/** The dearest of those that have been empty for long enough; of the same price the one that has been for longest. */
const shrink = <T extends PendingInstance>(seen: readonly Seen[], view: CapacityView<T>, memory: CapacityMemory): CapacityStep[] => {
  const {group, rules, now} = view
  const settled = seen.length === group.desired && seen.every(({executor}) => executor !== undefined)
  if (!settled || group.desired <= group.min) return []
  const since = ({machine}: Seen): number => memory.emptySince[machine.id] ?? now
  const [longest] = seen
    .filter(each => !each.machine.isProtected && each.executor?.state === 'ready' && now - since(each) >= rules.emptyMs)
    .filter(({executor}) => executor?.instances === 0)
    .sort((a, b) => (b.executor?.pricePerHour ?? 0) - (a.executor?.pricePerHour ?? 0) || since(a) - since(b))
  return longest === undefined ? [] : [{kind: 'drain', machine: longest.machine.id}]
}

/**
 * Decides what to do about the group now. Grows by one machine at a time, and never while one is on its way that would do; ends one at a time, and only
 * what is drained. Deciding again over an unchanged view with the memory of this decision asks for nothing new until a wait is over.
 */
export const decideCapacity = <T extends PendingInstance>(view: CapacityView<T>): CapacityDecision => {
  const {group, now} = view
  const seen = look(view)
  const memory = remember(seen, view.memory, now)
  const executors = [...view.executors, ...future(seen, view)]
  const waiting = view.pending.length === 0 ? 0 : unplaced(view, executors)
  const finishing = finish(seen, group, memory, waiting > 0)
  const kept = finishing.filter(({kind}) => kind === 'keep').map(({machine}) => machine)
  const growing = kept.length > 0 ? [] : grow(view, executors, waiting)
  const silent = growing.length > 0 ? [] : endSilent(seen, view)
  const shrinking = waiting > 0 || finishing.length > 0 || silent.length > 0 ? [] : shrink(seen, view, memory)
  const drained = shrinking.map(step => ('machine' in step ? step.machine : ''))
  return {
    steps: [...finishing, ...growing, ...silent, ...shrinking],
    memory: {
      ...memory,
      grownAt: growing.length > 0 ? now : memory.grownAt,
      drainedAt: mapOf([...Object.keys(memory.drainedAt).filter(id => !kept.includes(id)), ...drained], id => memory.drainedAt[id] ?? now),
    },
  }
}
