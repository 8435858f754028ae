// What the two sides of a session say to each other through a relay: binary messages of one type byte and a payload (docs/sessions.md). Pure.

/** Counts changes that an older side could not understand; both sides say which they speak, in their first frame. */
export const sessionProtocol = 1

/** The first byte of each frame. A number is never given another meaning. */
export const frameTypes = {
  /** JSON: {@link Hello}. The first frame of either side. */
  hello: 1,
  /** Bytes for the command's standard input; none: its end. */
  stdin: 2,
  stdout: 3,
  stderr: 4,
  /** JSON: `{columns, rows}` of the client's terminal. */
  resize: 5,
  /** JSON: `{signal: 'SIGINT'}`, one of {@link signals}. */
  signal: 6,
  /** JSON: {@link Ended}. The agent's last frame. */
  exit: 7,
  /** JSON: `{bytes}`: so many bytes of standard input were taken, and so many more may be sent. */
  credit: 8,
  /** JSON: `{lines: […]}`, log lines as the API has them. */
  lines: 9,
  /** Nothing; says that its side is there. */
  alive: 10,
} as const

export type FrameName = keyof typeof frameTypes

export interface Frame {
  readonly name: FrameName
  readonly payload: Buffer
}

/** Payload of one frame, in bytes; the relay takes no more. */
export const payloadBytesMax = 65_536
/** Standard input that the client may send before the agent says that some was taken, in bytes. */
export const stdinWindowBytes = 262_144
/** Frames of it that may be under way besides; a client that sends more of either has not kept to it, and is ended. */
export const stdinWindowFrames = 16_384

export interface Hello {
  readonly protocol: number
  /** Of the agent: whether the command has a terminal, and what there is to say of that. */
  readonly tty?: boolean
  readonly note?: string
}

/** How it ended: with a code (128 + number after a signal), or without ever running, for a reason. */
export interface Ended {
  readonly code: number
  readonly reason?: string
}

/** Signals that a client may send. */
export const signals = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGKILL'] as const
export type SessionSignal = (typeof signals)[number]

/** A terminal's size, in characters. */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/** What a terminal may measure either way, in characters. */
export const terminalCellsMax = 4_096

const names = new Map<number, FrameName>((Object.keys(frameTypes) as FrameName[]).map(name => [frameTypes[name], name]))

export const encodeFrame = (name: FrameName, payload: Uint8Array = Buffer.alloc(0)): Buffer =>
  Buffer.concat([Buffer.of(frameTypes[name]), payload])

/** Undefined when it is no frame; frames of types to come are none. */
export const decodeFrame = (bytes: Buffer): Frame | undefined => {
  const name = names.get(bytes[0] ?? 0)
  return name === undefined ? undefined : {name, payload: bytes.subarray(1)}
}

/** The payload as a JSON object; an empty one when it is none: each reader checks the fields it wants. */
export const readJson = (payload: Buffer): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

const isCells = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= terminalCellsMax

/** The size in a resize frame; undefined when it is none. */
export const readSize = (payload: Buffer): TerminalSize | undefined => {
  const {columns, rows} = readJson(payload)
  return isCells(columns) && isCells(rows) ? {columns, rows} : undefined
}

/** The signal in a signal frame; undefined when it is none that may be sent. */
export const readSignal = (payload: Buffer): SessionSignal | undefined => {
  const {signal} = readJson(payload)
  return signals.find(each => each === signal)
}

/** Cuts bytes into payloads. */
export const payloadsOf = (bytes: Buffer): Buffer[] => {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += payloadBytesMax) parts.push(bytes.subarray(at, at + payloadBytesMax))
  return parts
}
