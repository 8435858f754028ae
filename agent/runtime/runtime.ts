// What the agent needs of anything that runs instances. test/agent/runtime-contract.ts holds every implementation to it.
import type {Readable, Writable} from 'node:stream'
import type {Terminal} from '#shared/domain/session.ts'
import type {Exit} from '../instance.ts'

export interface StartSpec {
  /** The instance's own folder. Holds what the runtime must remember, `out.log` and `err.log` (appended to), and `run/`, where it starts. */
  readonly directory: string
  readonly command: string
  /** Its whole environment. */
  readonly environment: Readonly<Record<string, string>>
  /** Host ports that it listens on; nobody else is to have them before an agent knows that it has ended. None when absent. */
  readonly hostPorts?: readonly number[]
  /** What it may take; a runtime that can not enforce one of them says so when it is made, and never pretends. */
  readonly bounds: Bounds
  /** Somebody is attached: `argv` is run in place of `command`, and gets pipes, or a terminal, instead of `out.log` and `err.log`; {@link Running.attached} is their other end. */
  readonly attached?: {readonly argv: readonly string[]; readonly terminal?: Terminal}
  /** Storage that outlives the instance. */
  readonly volume?: {readonly directory: string; readonly path: string}
}

/** The near end of what a command reads and writes. */
export interface Attached {
  readonly stdin: Writable
  /** Of a terminal everything. */
  readonly stdout: Readable
  readonly stderr?: Readable
  readonly isTerminal: boolean
  /** Why it has no terminal though one was asked for. */
  readonly note?: string
  /** Does nothing without a terminal. */
  readonly resize: (terminal: Terminal) => void
}

/** A command beside an instance's own. */
export interface ExecSpec {
  readonly directory: string
  readonly command: readonly string[]
  /** Its whole environment; names the session, so that whatever comes of it is found. */
  readonly environment: Readonly<Record<string, string>>
  readonly session: string
  readonly terminal?: Terminal
}

export interface Execution extends Attached {
  readonly signal: (signal: NodeJS.Signals) => void
  /** Ends all of it, at once. */
  readonly kill: () => void
  readonly ended: Promise<Exit>
}

/** The most an instance may take. */
export interface Bounds {
  readonly cpuMilli: number
  readonly memoryMib: number
  readonly pidsMax: number
  readonly filesMax: number
}

/** Something that runs, started now or found after the agent's own restart. */
export interface Running {
  /** Asks all of it to end. */
  readonly terminate: () => void
  /** Ends all of it. */
  readonly kill: () => void
  /** Resolves, soon after the fact, once nothing of it is left. Never rejects. */
  readonly ended: Promise<Exit>
  /** Where its ports are reached, when that is not the executor's own address. */
  readonly host?: string
  readonly attached?: Attached
  /** Orders do not get through to it at the moment, and nobody knows whether it runs. Never, when absent. */
  readonly isOutOfReach?: () => boolean
  /** Sends a signal to all of it. */
  readonly signal?: (signal: NodeJS.Signals) => void
}

export type Found =
  | {readonly state: 'running'; readonly running: Running}
  /** The last start is over. */
  | {readonly state: 'ended'; readonly exit: Exit}
  /** Never started, or called off before anything ran; nothing of an earlier start can appear any more. */
  | {readonly state: 'absent'}

/** What an agent needs to know of what others started. */
export interface Finder {
  /** What became of the last start in this folder, whoever started it. The folder's name is the instance's key. */
  readonly find: (directory: string) => Promise<Found>
  /** The instance of this folder is over, and known to be: what is kept of it besides its folder may go. */
  readonly forget?: (directory: string) => Promise<void>
}

export interface Runtime<Spec = StartSpec> extends Finder {
  /** Starts what it is told to. It outlives the agent. Throws when it can not be started; the caller must have seen that nothing of it runs. */
  readonly start: (spec: Spec) => Promise<Running>
  /** Runs a command where an instance runs. Throws when it can not be started. A runtime without it says so by not having it. */
  readonly exec?: (spec: ExecSpec) => Promise<Execution>
}
