// How far each stream reader has come, on disk, so that a restart of the control plane misses no event. Never ahead of what was handled; it may lag two
// seconds behind, and events handled twice are harmless to the functions.
import {mkdirSync} from 'node:fs'
import {join} from 'node:path'
import {readJson, replaceFile} from './files.ts'

const saveEveryMs = 1_000

export interface Checkpoint {
  /** Sequence number of the last record handled in a shard; undefined when none was. */
  readonly get: (shard: string) => string | undefined
  readonly set: (shard: string, sequenceNumber: string) => void
  /** Forgets shards that are no longer listed. */
  readonly keep: (shards: readonly string[]) => void
  /** Writes what changed, if it has not done so for a second. */
  readonly saveNowAndThen: () => void
  /** Writes what changed. */
  readonly save: () => void
}

/** Opens the checkpoint of one reader of one stream. Positions in another stream (a new database) do not count. */
export const openCheckpoint = async (folder: string, reader: string, stream: string, now: () => number): Promise<Checkpoint> => {
  mkdirSync(folder, {recursive: true, mode: 0o700})
  const file = join(folder, `${reader}.json`)
  const saved = (await readJson(file)) as {stream?: string; shards?: Record<string, string>} | undefined
  const shards = new Map(Object.entries(saved?.stream === stream ? (saved.shards ?? {}) : {}))
  let savedAt = now()
  let isChanged = false

  const save = () => {
    if (!isChanged) return
    replaceFile(file, `${JSON.stringify({stream, shards: Object.fromEntries(shards)})}\n`, {flush: false})
    isChanged = false
    savedAt = now()
  }
  return {
    get: shard => shards.get(shard),
    set: (shard, sequenceNumber) => {
      shards.set(shard, sequenceNumber)
      isChanged = true
    },
    keep: listed => {
      for (const shard of shards.keys()) if (!listed.includes(shard)) isChanged = shards.delete(shard)
    },
    saveNowAndThen: () => {
      if (now() - savedAt >= saveEveryMs) save()
    },
    save,
  }
}
