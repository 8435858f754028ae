// The log of one formation as a chain of append-only files, each named by the position of its first byte: positions grow for ever, so a cursor means the
// same before and after the oldest files are gone. Owns bytes and lines; knows nothing of services.
import {appendFileSync, closeSync, fstatSync, mkdirSync, openSync, readdirSync, readSync, rmSync, statSync} from 'node:fs'
import {join} from 'node:path'

const segmentSuffix = '.ndjson'
const positionDigits = 16
const newline = 0x0a

export interface Segment {
  /** Position of its first byte. */
  readonly start: number
  readonly bytes: number
  /** When it was last appended to, ms since the epoch: none of its lines is younger. */
  readonly writtenAt: number
}

export interface SegmentLine {
  readonly text: string
  /** Position after the line. */
  readonly end: number
}

const fileOf = (folder: string, start: number): string => join(folder, `${String(start).padStart(positionDigits, '0')}${segmentSuffix}`)

/** Oldest first; empty when there is no such folder. */
export const listSegments = (folder: string): Segment[] => {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return []
  }
  return names
    .filter(name => name.endsWith(segmentSuffix))
    .map(name => {
      const {size, mtimeMs} = statSync(join(folder, name))
      return {start: Number(name.slice(0, -segmentSuffix.length)), bytes: size, writtenAt: mtimeMs}
    })
    .sort((a, b) => a.start - b.start)
}

/** The position after the last byte. */
export const endOf = (segments: readonly Segment[]): number => {
  const last = segments.at(-1)
  return last === undefined ? 0 : last.start + last.bytes
}

/** Appends whole lines (each ends with a newline) to the newest file, or to a new one when that has `segmentBytesMax`. */
export const appendLines = (folder: string, text: string, segmentBytesMax: number): void => {
  mkdirSync(folder, {recursive: true, mode: 0o700})
  const segments = listSegments(folder)
  const last = segments.at(-1)
  const file = fileOf(folder, last !== undefined && last.bytes < segmentBytesMax ? last.start : endOf(segments))
  appendFileSync(file, isTorn(file) ? `\n${text}` : text, {mode: 0o600})
}

/** Bytes of a file from an offset on (counted from its end when negative); none when there is no such file. */
const readFrom = (file: string, offset: number): Buffer => {
  let handle: number
  try {
    handle = openSync(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
  try {
    const {size} = fstatSync(handle)
    const start = Math.min(size, offset < 0 ? Math.max(0, size + offset) : offset)
    const bytes = Buffer.alloc(size - start)
    return bytes.subarray(0, readSync(handle, bytes, 0, bytes.length, start))
  } finally {
    closeSync(handle)
  }
}

/** Whether the last write of a file was cut off by a crash. */
const isTorn = (file: string): boolean => {
  const last = readFrom(file, -1)
  return last.length > 0 && last[0] !== newline
}

/** Whole lines of one segment that begin at or after position `from`, in order. A segment removed meanwhile has none. */
export const readLines = (folder: string, segment: Segment, from: number): SegmentLine[] => {
  const first = Math.max(segment.start, from)
  const bytes = readFrom(fileOf(folder, segment.start), first - segment.start)
  const lines: SegmentLine[] = []
  let at = 0
  for (let end = bytes.indexOf(newline, at); end >= 0; end = bytes.indexOf(newline, at)) {
    lines.push({text: bytes.toString('utf8', at, end), end: first + end + 1})
    at = end + 1
  }
  return lines
}

/** Removes the oldest files while there are more than `bytesMax` bytes; the newest stays. */
export const limitSegments = (folder: string, bytesMax: number): void => {
  const segments = listSegments(folder)
  let bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  for (const segment of segments.slice(0, -1)) {
    if (bytes <= bytesMax) return
    rmSync(fileOf(folder, segment.start), {force: true})
    bytes -= segment.bytes
  }
}
