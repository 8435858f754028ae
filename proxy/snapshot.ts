// The last good table on disk. Owns the file: one writer, atomic replacement, nothing that is not valid is ever taken for a table.
import {open, readFile, rename} from 'node:fs/promises'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Discovered} from './directory.ts'

const formatVersion = 1

/** The table in `file`; undefined when there is none, with the reason in `problem` unless it simply is not there. */
export const readSnapshot = async (file: string): Promise<{discovered?: Discovered; problem?: string}> => {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return isMissing ? {} : {problem: String(error)}
  }
  // What checks it takes 9 MB, and workers never read one.
  const {checkSnapshot} = await import('./snapshot-format.ts')
  try {
    return checkSnapshot(JSON.parse(text), formatVersion)
  } catch (error) {
    return {problem: String(error)}
  }
}

/** Replaces `file` as a whole: a reader, or a crash, finds the old table or the new one. */
export const writeSnapshot = async (file: string, discovered: Discovered): Promise<void> => {
  const temporary = `${file}.new`
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(JSON.stringify({format: formatVersion, discovered}))
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
}

/** Writes are at least this far apart, and further when they take long: writing never takes more than a tenth of the time. */
export const snapshotIntervalMs = 50
const restPerWrite = 9

/** Saves a table that keeps changing: one write at a time, with {@link snapshotIntervalMs} and more in between, always the newest. */
export class SnapshotWriter {
  readonly #file: string
  readonly #take: () => Discovered
  readonly #onError: (error: unknown) => void
  #dirty = false
  #running: Promise<void> | undefined
  readonly #hurry = new AbortController()

  constructor(file: string, take: () => Discovered, onError: (error: unknown) => void) {
    this.#file = file
    this.#take = take
    this.#onError = onError
  }

  /** Something changed. */
  touch(): void {
    this.#dirty = true
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  async #run(): Promise<void> {
    while (this.#dirty) {
      this.#dirty = false
      const startedAt = performance.now()
      await writeSnapshot(this.#file, this.#take()).catch(this.#onError)
      const restMs = Math.max(snapshotIntervalMs, restPerWrite * (performance.now() - startedAt))
      await sleep(restMs, undefined, {signal: this.#hurry.signal}).catch(() => undefined)
    }
  }

  /** Writes what has not been written yet. */
  async flush(): Promise<void> {
    this.#hurry.abort()
    await this.#running
  }
}
