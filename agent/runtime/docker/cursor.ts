// How far a container's output is in its instance's log files, kept so that an agent killed at any moment leaves neither a gap nor a line twice. Owns the
// files `out.log`, `err.log` and `output` of an instance's folder; asks no engine.
//
// The engine numbers nothing, but stamps each frame; within a stream stamps do not go back. A position is the last stamp taken in of each stream, and how
// many frames with it. Before a write, `output` says where it starts; after it, that it is done. Whoever finds an unfinished one cuts the files back.
import {closeSync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync} from 'node:fs'
import {join} from 'node:path'
import type {Frame} from './frames.ts'

interface Mark {
  readonly at: string
  readonly count: number
}

interface Position {
  /** The container these stamps are of. */
  readonly container: string
  readonly stdout: Mark
  readonly stderr: Mark
}

interface Note extends Position {
  /** A write is under way: the sizes of the files before it. */
  readonly before?: {readonly out: number; readonly err: number}
}

/** All notes are as long, so that one write replaces the last. */
const noteBytes = 384
/** Between a frame's stamp and its place in the log another stream's frame may get in, stamped later. */
const disorderSeconds = 10
const nothing: Mark = {at: '', count: 0}

const isMark = (value: unknown): value is Mark =>
  typeof value === 'object' &&
  value !== null &&
  'at' in value &&
  typeof value.at === 'string' &&
  'count' in value &&
  typeof value.count === 'number'

const isNote = (value: unknown): value is Note =>
  typeof value === 'object' &&
  value !== null &&
  'container' in value &&
  'stdout' in value &&
  isMark(value.stdout) &&
  'stderr' in value &&
  isMark(value.stderr)

const readNote = (path: string): Note | undefined => {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return isNote(value) ? value : undefined
  } catch {
    return undefined
  }
}

const sizeOf = (file: number): number => fstatSync(file).size

const advance = ({at, count}: Mark, frames: readonly Frame[]): Mark => {
  const last = frames.at(-1)?.at
  if (last === undefined) return {at, count}
  const same = frames.filter(frame => frame.at === last).length
  return {at: last, count: last === at ? count + same : same}
}

/** Appends a container's output to its files. One at a time for a folder. */
export class Cursor {
  readonly #out: number
  readonly #err: number
  readonly #note: number
  #position: Position

  /** Throws when the folder is not there. */
  constructor(directory: string, container: string) {
    const path = join(directory, 'output')
    this.#out = openSync(join(directory, 'out.log'), 'a', 0o600)
    this.#err = openSync(join(directory, 'err.log'), 'a', 0o600)
    const noted = readNote(path)
    this.#note = openSync(path, noted === undefined ? 'w' : 'r+', 0o600)
    if (noted?.before !== undefined) this.#cutBack(noted.before)
    this.#position = noted?.container === container ? noted : {container, stdout: nothing, stderr: nothing}
  }

  /** Seconds since the epoch from which on the engine is to be asked; undefined for all. */
  get since(): number | undefined {
    const {stdout, stderr} = this.#position
    const last = stdout.at > stderr.at ? stdout.at : stderr.at
    return last === '' ? undefined : Math.floor(Date.parse(`${last.slice(0, 19)}Z`) / 1_000) - disorderSeconds
  }

  /** Takes in frames as the engine sends them from {@link since} on, but for those that are here already. */
  reader(): (frames: readonly Frame[]) => void {
    const from = this.#position
    const seen = {stdout: 0, stderr: 0}
    const isNew = ({stream, at}: Frame): boolean => {
      const mark = from[stream]
      if (at !== mark.at) return at > mark.at || this.#position[stream] !== mark
      seen[stream] += 1
      return seen[stream] > mark.count
    }
    return frames => {
      const fresh = frames.filter(isNew)
      if (fresh.length > 0) this.#append(fresh)
    }
  }

  close(): void {
    for (const file of [this.#out, this.#err, this.#note]) closeSync(file)
  }

  #append(frames: readonly Frame[]): void {
    const before = {out: sizeOf(this.#out), err: sizeOf(this.#err)}
    const {container, stdout, stderr} = this.#position
    const [out, err] = [frames.filter(({stream}) => stream === 'stdout'), frames.filter(({stream}) => stream === 'stderr')]
    const next = {
      container,
      stdout: out.length === 0 ? stdout : advance(stdout, out),
      stderr: err.length === 0 ? stderr : advance(stderr, err),
    }
    try {
      this.#save({...this.#position, before})
      this.#write(this.#out, out)
      this.#write(this.#err, err)
      this.#save(next)
    } catch (error) {
      // A full disk, most likely: these lines are lost, the next ones may not be.
      this.#cutBack(before)
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
    this.#position = next
  }

  #write(file: number, frames: readonly Frame[]): void {
    const content = Buffer.concat(frames.map(frame => frame.content))
    for (let at = 0; at < content.length; ) at += writeSync(file, content, at)
  }

  #cutBack({out, err}: {readonly out: number; readonly err: number}): void {
    if (sizeOf(this.#out) > out) ftruncateSync(this.#out, out)
    if (sizeOf(this.#err) > err) ftruncateSync(this.#err, err)
  }

  #save(note: Note): void {
    writeSync(this.#note, JSON.stringify(note).padEnd(noteBytes), 0)
  }
}
