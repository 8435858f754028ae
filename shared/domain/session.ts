// One-off work: a command run beside or instead of a service's own, and a line between a client and the agent that runs it. Pure data and limits.

/** The terminal of whoever asked, in characters. */
export interface Terminal {
  readonly columns: number
  readonly rows: number
}

/** `exec`: a command in a running instance. `logs`: lines as they are written. What `run` starts is an instance of its own. */
export type SessionKind = 'exec' | 'logs'

/** A line between a client and an agent, through a relay. */
export interface SessionLine {
  /** 32 hexadecimal digits. */
  readonly id: string
  /** `ws:` or `wss:` URL of the relay; the same for both sides. */
  readonly relay: string
  /** When it is over at the latest. */
  readonly until: number
  /** The command gets a terminal of this size, if one can be made. */
  readonly terminal?: Terminal
}

/** What the agent of an executor is asked for besides its assignments. */
export interface SessionOrder extends SessionLine {
  readonly kind: SessionKind
  readonly formation: string
  readonly service?: string
  /** Id. */
  readonly instance?: string
  /** Of `exec`: program and arguments; no shell reads them. */
  readonly command?: readonly string[]
}

/** A command that an instance of origin `run` runs instead of its service's own, once. */
export interface RunOrder {
  readonly command: readonly string[]
  /** Without it nobody is attached, and what it writes is found in the logs. */
  readonly line?: SessionLine
}

/** How long an order that no agent has fetched holds. */
export const orderKeptMs = 60_000
/** How long a session lasts at most. */
export const sessionMsMax = 8 * 3_600_000
/** Orders that one executor has not been told of, or just now. */
export const ordersPerExecutorMax = 32
/** Program and arguments, together with what they hold. */
export const commandPartsMax = 256
export const commandCharactersMax = 16_384
