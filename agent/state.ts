// The agent's memory over its own restarts: one JSON file, replaced atomically. Owns the file's format; knows nothing of what the records mean.
import {readFileSync} from 'node:fs'
import {open, rename} from 'node:fs/promises'
import type {InstanceRecord} from './instance.ts'
import type {Offsets} from './logs/logs.ts'
import type {RestingPorts} from './ports.ts'

const schemaVersion = 1

export interface AgentState {
  /** The boot that the records' times belong to. */
  readonly bootId: string
  /** When the control plane was last heard from, if anything that runs here hangs on that. */
  readonly heardAt?: number
  /** Ports that nobody may have yet, with when they may; only while there are some. */
  readonly resting?: RestingPorts
  /** Keys of what the control plane last assigned. */
  readonly desired: readonly string[]
  readonly records: readonly InstanceRecord[]
  /** How far each instance's output was read. */
  readonly offsets: Readonly<Record<string, Offsets>>
}

export type Loaded =
  | {readonly outcome: 'ok'; readonly state: AgentState}
  | {readonly outcome: 'missing'}
  | {readonly outcome: 'unreadable'; readonly reason: string}

const isState = (value: unknown): value is AgentState & {schema: number} =>
  typeof value === 'object' &&
  value !== null &&
  'schema' in value &&
  'bootId' in value &&
  'desired' in value &&
  Array.isArray(value.desired) &&
  'records' in value &&
  Array.isArray(value.records) &&
  'offsets' in value

/** Reads the file. One of another schema version is not guessed at. */
export const loadState = (path: string): Loaded => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {outcome: 'missing'}
    throw error
  }
  try {
    const value: unknown = JSON.parse(text)
    if (!isState(value)) return {outcome: 'unreadable', reason: 'not an agent state'}
    if (value.schema !== schemaVersion) return {outcome: 'unreadable', reason: `schema ${value.schema}, this agent reads ${schemaVersion}`}
    return {outcome: 'ok', state: value}
  } catch {
    return {outcome: 'unreadable', reason: 'not JSON'}
  }
}

/** Writes a private (0600) file so that a reader, at any moment and after a power failure, sees the old content or the new. */
export const replaceFile = async (path: string, text: string): Promise<void> => {
  const next = `${path}.next`
  const file = await open(next, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(next, path)
}

export const serialiseState = (state: AgentState): string => JSON.stringify({schema: schemaVersion, ...state})

/** Saves the newest state soon after each change; many changes at once are one write. */
export class StateFile {
  readonly #path: string
  readonly #content: () => AgentState
  readonly #onError: (error: unknown) => void
  #written = ''
  #writing: Promise<void> | undefined
  #queued: Promise<void> | undefined

  constructor(options: {path: string; content: () => AgentState; onError: (error: unknown) => void}) {
    this.#path = options.path
    this.#content = options.content
    this.#onError = options.onError
  }

  /** Resolves when everything up to now is on disk, or could not be written (which is told to `onError`: the agent goes on without). */
  save(): Promise<void> {
    if (this.#queued !== undefined) return this.#queued
    const after = this.#writing ?? Promise.resolve()
    this.#queued = after.then(() => {
      this.#queued = undefined
      this.#writing = this.#write().catch(this.#onError)
      return this.#writing
    })
    return this.#queued
  }

  async #write(): Promise<void> {
    const text = serialiseState(this.#content())
    if (text === this.#written) return
    await replaceFile(this.#path, text)
    this.#written = text
  }
}
