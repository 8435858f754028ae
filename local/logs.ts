// CloudWatch Logs of a local stage: what instances wrote, one chain of NDJSON files per formation, bounded in bytes. Owns writing, tails and cursors.
import {readdirSync} from 'node:fs'
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import type {LogLine} from '#shared/domain/assignment.ts'
import {isName} from '#shared/domain/names.ts'
import {GilliamError} from '#shared/errors.ts'
import {type LogPage, type LogQuery, type LogStore, logPageBytesMax} from '#shared/ports.ts'
import {appendLines, endOf, limitSegments, listSegments, readLines, type Segment} from './log-segments.ts'

export interface LogLimits {
  readonly segmentBytesMax: number
  readonly formationBytesMax: number
  readonly totalBytesMax: number
}

export const logLimits: LogLimits = {segmentBytesMax: 4 * 1_048_576, formationBytesMax: 64 * 1_048_576, totalBytesMax: 512 * 1_048_576}

/** Lines looked at by one read: a rare service's old lines may be out of its reach, the rest of new lines comes with the next read. */
const scannedLinesMax = 50_000

export interface LogsOptions {
  readonly folder: string
  /** Of this machine, in milliseconds since the epoch: `since` goes by when lines arrived, whatever the clock of their host says. */
  readonly now: () => number
  readonly limits?: LogLimits
}

/** A line as it is kept. */
type Kept = Omit<LogLine, 'formation'> & {readonly arrivedAt?: number}

/** Opens the logs in `folder`. Pages after a cursor or a moment hold the oldest lines first; without either, the newest. */
export const openLogs = async ({folder, now, limits = logLimits}: LogsOptions): Promise<LogStore> => {
  await mkdir(folder, {recursive: true, mode: 0o700})
  return {
    append: async lines => {
      for (const [formation, text] of textByFormation(lines, now())) {
        const own = join(folder, formation)
        const before = listSegments(own).length
        appendLines(own, text, limits.segmentBytesMax)
        if (listSegments(own).length === before) continue
        limitSegments(own, limits.formationBytesMax)
        limitTotal(folder, limits.totalBytesMax)
      }
    },
    read: async query => {
      const own = join(folder, query.formation)
      const segments = isName(query.formation) ? listSegments(own) : []
      if (query.cursor !== undefined) return after(own, segments, query, positionOf(query.cursor))
      const {since} = query
      if (since === undefined) return newest(own, segments, query)
      const recent = segments.filter(segment => segment.writtenAt >= since)
      return after(own, segments, query, recent[0]?.start ?? endOf(segments))
    },
  }
}

const positionOf = (cursor: string): number => {
  if (!/^[0-9]{1,15}$/.test(cursor)) throw new GilliamError('invalid_request', `“${cursor}” is not a cursor of this endpoint`)
  return Number(cursor)
}

const textByFormation = (lines: readonly LogLine[], arrivedAt: number): Map<string, string> => {
  const texts = new Map<string, string>()
  for (const {formation, ...line} of lines) {
    if (isName(formation)) texts.set(formation, `${texts.get(formation) ?? ''}${JSON.stringify({...line, arrivedAt} satisfies Kept)}\n`)
  }
  return texts
}

/** Removes old files of the formations that have most until all are within `bytesMax`. */
const limitTotal = (folder: string, bytesMax: number): void => {
  const sizes = readdirSync(folder)
    .map(name => ({name, bytes: endOf(listSegments(join(folder, name))) - (listSegments(join(folder, name))[0]?.start ?? 0)}))
    .sort((a, b) => b.bytes - a.bytes)
  let excess = sizes.reduce((sum, each) => sum + each.bytes, 0) - bytesMax
  for (const {name, bytes} of sizes) {
    if (excess <= 0) return
    limitSegments(join(folder, name), Math.max(0, bytes - excess))
    const left = listSegments(join(folder, name))
    excess -= bytes - (endOf(left) - (left[0]?.start ?? 0))
  }
}

/** The line if it is one and the query asks for it. A line cut off by a crash is none. */
const wanted = (text: string, query: LogQuery): Omit<LogLine, 'formation'> | undefined => {
  let kept: Kept
  try {
    kept = JSON.parse(text) as Kept
  } catch {
    return undefined
  }
  const {arrivedAt = kept.at, ...line} = kept
  if (query.service !== undefined && line.service !== query.service) return undefined
  if (query.instance !== undefined && line.id !== query.instance) return undefined
  return query.since !== undefined && arrivedAt < query.since ? undefined : line
}

const newest = (folder: string, segments: readonly Segment[], query: LogQuery): LogPage => {
  const items: Omit<LogLine, 'formation'>[] = []
  let scanned = 0
  let bytes = 0
  for (const segment of segments.toReversed()) {
    for (const {text} of readLines(folder, segment, segment.start).reverse()) {
      const line = wanted(text, query)
      if (line !== undefined) bytes += Buffer.byteLength(text)
      if (bytes > logPageBytesMax) return {items: items.reverse(), cursor: String(endOf(segments))}
      if (line !== undefined) items.push(line)
      scanned += 1
      if (items.length >= query.limit || scanned >= scannedLinesMax) return {items: items.reverse(), cursor: String(endOf(segments))}
    }
  }
  return {items: items.reverse(), cursor: String(endOf(segments))}
}

const after = (folder: string, segments: readonly Segment[], query: LogQuery, cursor: number): LogPage => {
  const items: Omit<LogLine, 'formation'>[] = []
  let at = Math.min(cursor, endOf(segments))
  let scanned = 0
  let bytes = 0
  for (const segment of segments) {
    if (segment.start + segment.bytes <= at) continue
    for (const {text, end} of readLines(folder, segment, at)) {
      const line = wanted(text, query)
      if (line !== undefined) bytes += Buffer.byteLength(text)
      if (bytes > logPageBytesMax) return {items, cursor: String(at)}
      if (line !== undefined) items.push(line)
      at = end
      scanned += 1
      if (items.length >= query.limit || scanned >= scannedLinesMax) return {items, cursor: String(at)}
    }
  }
  return {items, cursor: String(at)}
}
