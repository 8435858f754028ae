// One running copy of a service: its states and how they may follow each other. Pure data.
import type {OnLost, PlacementRules, PortDefinition, Resources, RuntimeName} from './release.ts'

import type {Needs} from './requires.ts'
import type {RunOrder} from './session.ts'

/** Which state may follow which. Everything that changes an instance's state asks this table. */
export const transitions = {
  pending: ['assigned', 'stopped'],
  assigned: ['starting', 'running', 'stopping', 'stopped', 'failed', 'lost'],
  starting: ['running', 'stopping', 'stopped', 'failed', 'lost'],
  running: ['starting', 'stopping', 'stopped', 'failed', 'lost'],
  stopping: ['stopped', 'failed', 'lost'],
  stopped: [],
  failed: [],
  lost: [],
} as const satisfies Record<string, readonly string[]>

export type InstanceState = keyof typeof transitions

export const instanceStates = Object.keys(transitions) as InstanceState[]

/** Whether `to` may follow `from`. */
export const mayFollow = (from: InstanceState, to: InstanceState): boolean => (transitions[from] as readonly string[]).includes(to)

/** Never changes again. */
export const isTerminal = (state: InstanceState): boolean => transitions[state].length === 0

/** Counts against desired scale: wanted, and neither ended nor on its way out. */
export const isWanted = (state: InstanceState): boolean =>
  state === 'pending' || state === 'assigned' || state === 'starting' || state === 'running'

/** Holds resources of an executor. */
export const isPlaced = (state: InstanceState): boolean => state !== 'pending' && !isTerminal(state)

/**
 * `scale`: made by the reconciler and replaced by it. `spawn`: asked for by a person, one at a time, never replaced. `run`: the same, with a command of its
 * own that runs once.
 */
export type InstanceOrigin = 'scale' | 'spawn' | 'run'

/** Where an instance listens: service port → host port on `host`. */
export interface InstanceAddress {
  readonly host: string
  readonly ports: Readonly<Record<string, number>>
}

export interface Instance extends PlacementRules {
  readonly formation: string
  readonly service: string
  /** Ten random characters of [0-9a-z]; unique within the formation. */
  readonly id: string
  readonly release: number
  readonly origin: InstanceOrigin
  readonly state: InstanceState
  readonly resources: Resources
  readonly runtime: RuntimeName | 'either'
  /** Of origin `run`. */
  readonly run?: RunOrder
  /** The service's ports, with what `spawn -p` added or fixed. */
  readonly ports: readonly PortDefinition[]
  /** Executors where one like it failed shortly before it was made: it goes there only when it fits nowhere else. None when absent. */
  readonly avoid?: readonly string[]
  /** What it needs of the services it requires. */
  readonly needs?: Needs
  /** Where they were when it was made, for those it needs the address of. */
  readonly given?: Readonly<Record<string, InstanceAddress>>
  /** It has storage that outlives it: which, and on which executor, once there is one. */
  readonly volume?: {readonly id?: string; readonly executor?: string}
  /** Pending, and not to be placed before these services run. */
  readonly held?: string
  /** What becomes of it when its executor is not heard from; `onLostDefault` when absent. */
  readonly onLost?: OnLost
  /** Written once, by the scheduler. */
  readonly executor?: string
  readonly address?: InstanceAddress
  /** Why it is in this state, for the service's owner: `exit code 1`, `no executor fits: …`. */
  readonly reason?: string
  readonly exitCode?: number
  /** Why it is to be replaced by one like it, when it is. */
  readonly outdated?: string
  /** Starts after the first on the same executor. */
  readonly restarts: number
  readonly createdAt: number
  readonly updatedAt: number
  /** When it became `assigned`, first became `running`, and ended. */
  readonly assignedAt?: number
  readonly runningAt?: number
  readonly endedAt?: number
}

/** How long an ended instance can still be listed and counts for crash-loop backoff. */
export const endedInstanceKeptMs = 3_600_000
