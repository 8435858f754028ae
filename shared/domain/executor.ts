// A machine, or a virtual pool, that runs instances: what it is, what it has left, and whether it is alive. Pure data.
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

/** `draining`: keeps what it runs until replaced, gets nothing new. `lost`: its lease ended; it may come back. */
export type ExecutorState = 'ready' | 'draining' | 'lost'

export interface Executor extends ExecutorDescriptor, ExecutorUsage {
  readonly state: ExecutorState
  readonly joinedAt: number
  readonly leaseExpiresAt: number
  /** Counts changes of what is assigned to it; the agent echoes the one it has. */
  readonly assignmentVersion: number
}

/** How long after its last sync an executor counts as alive. */
export const executorLeaseMs = 45_000
