// What an executor is told to run. Pure data, made of an instance and its release.
import type {InstanceState} from './instance.ts'
import type {HealthCheck, PortDefinition, Resources, RunOptions, ServiceKind, SlugReference, VolumeDefinition} from './release.ts'
import type {RunOrder, SessionOrder} from './session.ts'

export interface Assignment extends RunOptions {
  readonly formation: string
  readonly service: string
  readonly id: string
  readonly release: number
  readonly kind: ServiceKind
  /** `id` names it on the executor that has it. */
  readonly volume?: VolumeDefinition & {readonly id: string}
  readonly slug?: SlugReference
  /** Release and service environment, merged; without what the agent adds. */
  readonly env: Readonly<Record<string, string>>
  /** Names of variables whose values are secrets: they are not to be shown, nor put where others can read them. */
  readonly secretEnv?: readonly string[]
  readonly ports: readonly PortDefinition[]
  readonly health?: HealthCheck
  readonly resources: Resources
  readonly stopGraceMs: number
  /** What it runs instead, once. */
  readonly run?: AssignedRun
  /** The control plane gave it up: withdraw, stop, report. */
  readonly stop: boolean
}

export interface AssignedRun {
  readonly command: RunOrder['command']
  /** A client waits at a relay, or has waited: without its `line` nobody does any more. */
  readonly attached: boolean
  readonly line?: AssignedLine
}

/** An agent's end of a line: with its own ticket to the relay. */
export type AssignedLine = NonNullable<RunOrder['line']> & {readonly ticket: string}

export type AssignedSession = SessionOrder & {readonly ticket: string}

/** What an agent reports of an instance. `announced` puts it in the registry (with `address`) or takes it out. */
export interface InstanceReport {
  readonly formation: string
  readonly service: string
  readonly id: string
  readonly state: Exclude<InstanceState, 'pending' | 'assigned' | 'lost'>
  readonly address?: {readonly host: string; readonly ports: Readonly<Record<string, number>>}
  readonly announced: boolean
  readonly restarts: number
  readonly reason?: string
  readonly exitCode?: number
}

/** One line an instance wrote. */
export interface LogLine {
  readonly formation: string
  readonly service: string
  readonly id: string
  /** Milliseconds since the epoch, as the agent read it. */
  readonly at: number
  readonly stream: 'stdout' | 'stderr' | 'agent'
  readonly text: string
}
