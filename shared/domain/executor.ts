// A machine, or a virtual pool, that runs instances: what it is, what it has left, and whether it is alive. Pure data.
import type {AgentProgram} from './agent.ts'
import type {RuntimeName} from './release.ts'

/** What an agent says of its machine when it joins. */
export interface ExecutorDescriptor {
  readonly id: string
  /** The address at which callers reach its instances. */
  readonly host: string
  readonly zone: string
  /** A failure domain within or across zones: a rack, a site. */
  readonly domain: string
  /** Executors of one network reach each other's instances. */
  readonly network: string
  readonly tags: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly runtimes: readonly RuntimeName[]
  readonly cpuMilli: number
  readonly memoryMib: number
  /** Currency units per hour, as the operator likes; 0 when unknown. */
  readonly pricePerHour: number
  /** What its provider calls such a machine: `m7g.large`. A list price is known for some, see machines.ts. */
  readonly machineType?: string
}

/** What its assigned instances reserve. Kept by the store in the transactions that assign and end instances. */
export interface ExecutorUsage {
  readonly cpuMilliUsed: number
  readonly memoryMibUsed: number
  readonly instances: number
  /** Fixed host ports in use. */
  readonly hostPorts: readonly number[]
}

/**
 * `cordoned`: gets nothing new, keeps what it runs. `draining`: gets nothing new, and keeps what it runs until that is replaced. `lost`: it was given up
 * with all it ran; it may come back.
 */
export type ExecutorState = 'ready' | 'cordoned' | 'draining' | 'lost'

export interface Leaving {
  readonly at?: number
  readonly reason: string
}

/** What is left on a machine that goes is stopped this much before, in milliseconds: the usual grace and a sync. */
export const leaveMarginMs = 20_000

export interface Executor extends ExecutorDescriptor, ExecutorUsage {
  readonly state: ExecutorState
  readonly joinedAt: number
  readonly leaseExpiresAt: number
  /** Its machine is to go: why, and when if that is known. */
  readonly leaving?: Leaving
  /** While it drains: when what is left is stopped, replaced or not. */
  readonly drainBy?: number
  /** As its agent said in its last sync; absent when that says nothing of itself. */
  readonly agent?: AgentProgram
  /** MiB free on the disk of its agent's home, as its agent said in its last sync; absent when that does not say. */
  readonly diskFreeMib?: number
  /** Counts changes of what is assigned to it; the agent echoes the one it has. */
  readonly assignmentVersion: number
}

/** With less free on its disk an executor gets nothing new: what starts needs some, for its slug, its logs and what it writes. */
export const diskFreeMibMin = 128

export const isDiskFull = ({diskFreeMib}: Pick<Executor, 'diskFreeMib'>): boolean =>
  diskFreeMib !== undefined && diskFreeMib < diskFreeMibMin

/** How long after its last sync an executor counts as alive. */
export const executorLeaseMs = 45_000

/** An executor that drains, and when what is left there is stopped. */
export interface Draining {
  readonly id: string
  readonly by?: number
}

/**
 * The executors, each with the host ports that are taken on its machine: of several agents on one machine (one host of one network), only one can have a
 * port.
 */
export const withMachinePorts = (executors: readonly Executor[]): readonly Executor[] => {
  const machineOf = ({network, host}: Executor): string => `${network} ${host}`
  const taken = new Map<string, number[]>()
  for (const executor of executors) {
    if (executor.hostPorts.length > 0) taken.set(machineOf(executor), [...(taken.get(machineOf(executor)) ?? []), ...executor.hostPorts])
  }
  if (taken.size === 0) return executors
  return executors.map(executor => {
    const hostPorts = taken.get(machineOf(executor))
    return hostPorts === undefined || hostPorts.length === executor.hostPorts.length ? executor : {...executor, hostPorts}
  })
}
