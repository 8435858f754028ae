// The output of this executor's instances: follows their files, adds the agent's own remarks, and fills the spool. Ships nothing itself.
import {join} from 'node:path'
import type {LogLine} from '#shared/domain/assignment.ts'
import type {LineSource, Spool} from './spool.ts'
import {createTailBuffer, Tail} from './tail.ts'

const streams = {stdout: 'out.log', stderr: 'err.log'} as const

/** How often files are looked at while somebody listens. */
const lookMs = 50

/** Bytes read of each stream. */
export type Offsets = Readonly<Record<keyof typeof streams, number>>

interface Following {
  readonly source: LineSource
  readonly tails: Record<keyof typeof streams, Tail>
}

export class Logs {
  readonly #spool: Spool
  readonly #now: () => number
  readonly #onError: (error: unknown, key: string) => void
  readonly #buffer = createTailBuffer()
  readonly #following = new Map<string, Following>()
  readonly #listeners = new Set<(line: LogLine) => void>()
  #looking: NodeJS.Timeout | undefined

  /** `now` in milliseconds since the epoch. */
  constructor(options: {spool: Spool; now: () => number; onError: (error: unknown, key: string) => void}) {
    this.#spool = options.spool
    this.#now = options.now
    this.#onError = options.onError
  }

  /** Starts following an instance's files, from where an earlier agent left off. Harmless when it is followed already. */
  follow(key: string, source: LineSource, directory: string, offsets: Offsets = {stdout: 0, stderr: 0}): void {
    if (this.#following.has(key)) return
    const tailOf = (stream: keyof typeof streams) =>
      new Tail({
        path: join(directory, streams[stream]),
        offset: offsets[stream],
        onLine: text => this.#add(key, this.#lineOf(source, stream, text)),
        onSkipped: lines => this.#spool.addDropped(key, source, lines),
      })
    this.#following.set(key, {source, tails: {stdout: tailOf('stdout'), stderr: tailOf('stderr')}})
  }

  /** Reads what is new in every file. */
  look(): void {
    for (const key of this.#following.keys()) this.#lookAt(key)
  }

  /** A process of it is gone: reads the rest. */
  finish(key: string): void {
    this.#lookAt(key)
    for (const tail of Object.values(this.#following.get(key)?.tails ?? {})) tail.finish()
  }

  /** Stops following. */
  forget(key: string): void {
    this.finish(key)
    this.#following.delete(key)
  }

  /** Something the agent has to say to the owner of an instance. */
  remark(key: string, source: LineSource, text: string): void {
    this.#add(key, this.#lineOf(source, 'agent', text))
  }

  /** Tells of every line soon after it is written, until the returned function is called. However many listen, files are looked at once. */
  listen(listener: (line: LogLine) => void): () => void {
    this.#listeners.add(listener)
    this.#looking ??= setInterval(() => this.look(), lookMs)
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      clearInterval(this.#looking)
      this.#looking = undefined
    }
  }

  #add(key: string, line: LogLine): void {
    this.#spool.add(key, line)
    for (const listener of this.#listeners) listener(line)
  }

  /** How far each instance's files were read, to be passed to {@link follow} by the next agent. */
  offsets(): Record<string, Offsets> {
    return Object.fromEntries(
      [...this.#following].map(([key, {tails}]) => [key, {stdout: tails.stdout.offset, stderr: tails.stderr.offset}]),
    )
  }

  #lineOf({formation, service, id}: LineSource, stream: LogLine['stream'], text: string): LogLine {
    return {formation, service, id, at: this.#now(), stream, text}
  }

  #lookAt(key: string): void {
    for (const tail of Object.values(this.#following.get(key)?.tails ?? {})) {
      try {
        tail.look(this.#buffer)
      } catch (error) {
        this.#onError(error, key)
      }
    }
  }
}
