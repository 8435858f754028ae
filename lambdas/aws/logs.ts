// What instances write, on CloudWatch Logs: one group per stage, one stream per service. Events are ordered by when they were kept, not by the agent's
// clock, so that a cursor is a moment: whatever is older has been read. Owns stream names and cursors.
import {
  CloudWatchLogsClient,
  CreateLogStreamCommand,
  type FilteredLogEvent,
  FilterLogEventsCommand,
  PutLogEventsCommand,
  ResourceAlreadyExistsException,
  ResourceNotFoundException,
} from '@aws-sdk/client-cloudwatch-logs'
import type {LogLine} from '#shared/domain/assignment.ts'
import {isName} from '#shared/domain/names.ts'
import {GilliamError} from '#shared/errors.ts'
import {type LogPage, type LogQuery, type LogStore, logPageBytesMax} from '#shared/ports.ts'
import {clientOptions} from './compose.ts'

/** Limits of PutLogEvents: events, and their bytes with 26 for each. */
const putEventsMax = 10_000
const putBytesMax = 1_048_576
const eventOverheadBytes = 26
/** Events that one call of FilterLogEvents answers at most. */
const filterEventsMax = 10_000
/** How long a kept line may take to be found. Lines younger than this are left for the next page, so that none is passed over. */
export const settleMs = 5_000
/** Calls one read makes at most; CloudWatch allows few a second, and a page may be empty. */
const pagesMax = 10
/** How far back the newest lines are looked for. */
const newestWithinMs = 30 * 86_400_000
/** An agent’s clock may be ahead of ours by this much and its lines are still found by `since`. */
const clockSkewMs = 60_000

export interface CloudWatchOptions {
  readonly client: CloudWatchLogsClient
  readonly group: string
  readonly now: () => number
}

export const createLogsClient = (): CloudWatchLogsClient => new CloudWatchLogsClient(clientOptions)

const prefixOf = (formation: string, service?: string): string => (service === undefined ? `${formation}/` : `${formation}/${service}/`)
const streamOf = ({formation, service}: LogLine): string => `${prefixOf(formation, service)}lines`

interface Event {
  readonly timestamp: number
  readonly message: string
}

/** Cuts events into what one call takes. */
const batchesOf = (events: readonly Event[]): Event[][] => {
  const batches: Event[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const event of events) {
    const size = Buffer.byteLength(event.message) + eventOverheadBytes
    const last = batches.at(-1)
    if (last === undefined || bytes + size > putBytesMax || last.length >= putEventsMax) {
      batches.push([event])
      bytes = size
    } else {
      last.push(event)
      bytes += size
    }
  }
  return batches
}

const put = async ({client, group}: CloudWatchOptions, stream: string, events: Event[]): Promise<void> => {
  const command = new PutLogEventsCommand({logGroupName: group, logStreamName: stream, logEvents: events})
  try {
    await client.send(command)
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error
    await client.send(new CreateLogStreamCommand({logGroupName: group, logStreamName: stream})).catch((failure: unknown) => {
      if (!(failure instanceof ResourceAlreadyExistsException)) throw failure
    })
    await client.send(command)
  }
}

const append = async (options: CloudWatchOptions, lines: readonly LogLine[]): Promise<void> => {
  const timestamp = options.now()
  const streams = Map.groupBy(lines, streamOf)
  await Promise.all(
    [...streams].map(async ([stream, own]) => {
      const events = own.map(({formation: _, ...line}) => ({timestamp, message: JSON.stringify(line)}))
      for (const batch of batchesOf(events)) await put(options, stream, batch)
    }),
  )
}

/** The place after what was read: a moment, and how many events of that very millisecond. */
interface Position {
  readonly at: number
  readonly skip: number
}

const cursorOf = ({at, skip}: Position): string => `${at}.${skip}`

const positionOf = (cursor: string): Position => {
  const [, at, skip] = /^([0-9]{1,15})\.([0-9]{1,6})$/.exec(cursor) ?? []
  if (at === undefined) throw new GilliamError('invalid_request', `“${cursor}” is not a cursor of this endpoint`)
  return {at: Number(at), skip: Number(skip)}
}

const filterOf = ({group}: CloudWatchOptions, {formation, service, instance}: LogQuery, startTime: number, endTime: number) => ({
  logGroupName: group,
  logStreamNamePrefix: prefixOf(formation, service),
  startTime,
  endTime,
  ...(instance === undefined ? {} : {filterPattern: `{ $.id = "${instance}" }`}),
})

/** Names go into a pattern and a prefix: only what is a name finds anything. */
const isSound = ({formation, service, instance}: LogQuery): boolean =>
  isName(formation) && /^_?[a-z0-9-]*$/.test(service ?? '') && /^[a-z0-9]*$/.test(instance ?? '')

/** Pages of events, until there are none left or `pagesMax`. Says whether the last page was reached. */
async function* pagesOf({client}: CloudWatchOptions, filter: ReturnType<typeof filterOf>, limit: number, fromHead: boolean) {
  let nextToken: string | undefined
  for (let pages = 0; pages < pagesMax; pages++) {
    const command = new FilterLogEventsCommand({
      ...filter,
      limit: Math.min(limit, filterEventsMax),
      startFromHead: fromHead,
      ...(nextToken !== undefined && {nextToken}),
    })
    const answer = await client.send(command)
    nextToken = answer.nextToken
    yield {events: answer.events ?? [], isLast: nextToken === undefined}
    if (nextToken === undefined) return
  }
}

const lineOf = ({message}: FilteredLogEvent): Omit<LogLine, 'formation'> => JSON.parse(message ?? '{}') as Omit<LogLine, 'formation'>
const bytesOf = ({message}: FilteredLogEvent): number => Buffer.byteLength(message ?? '')

const after = async (options: CloudWatchOptions, query: LogQuery, from: Position): Promise<LogPage> => {
  const horizon = options.now() - settleMs
  if (from.at > horizon) return {items: [], cursor: cursorOf(from)}
  const items: Omit<LogLine, 'formation'>[] = []
  let position: Position = {at: from.at, skip: 0}
  let toSkip = from.skip
  let bytes = 0
  for await (const {events, isLast} of pagesOf(options, filterOf(options, query, from.at, horizon), query.limit + from.skip, true)) {
    for (const event of events) {
      const at = event.timestamp ?? position.at
      const next = {at, skip: at === position.at ? position.skip + 1 : 1}
      if (at !== from.at || toSkip <= 0) {
        const line = lineOf(event)
        bytes += bytesOf(event)
        if (items.length >= query.limit || bytes > logPageBytesMax) return {items, cursor: cursorOf(position)}
        if (query.since === undefined || line.at >= query.since) items.push(line)
      } else toSkip -= 1
      position = next
    }
    if (isLast) return {items, cursor: cursorOf({at: horizon + 1, skip: 0})}
  }
  return {items, cursor: cursorOf(position)}
}

const newest = async (options: CloudWatchOptions, query: LogQuery): Promise<LogPage> => {
  const horizon = options.now() - settleMs
  const items: Omit<LogLine, 'formation'>[] = []
  const cursor = cursorOf({at: horizon + 1, skip: 0})
  let bytes = 0
  for await (const {events} of pagesOf(options, filterOf(options, query, horizon - newestWithinMs, horizon), query.limit, false)) {
    for (const event of events) {
      bytes += bytesOf(event)
      if (items.length >= query.limit || bytes > logPageBytesMax) return {items: items.reverse(), cursor}
      items.push(lineOf(event))
    }
    if (items.length >= query.limit) break
  }
  return {items: items.reverse(), cursor}
}

/** Lines as a stage on AWS keeps them. Reads are 5 s behind, so that a cursor passes nothing over. */
export const createCloudWatchLogs = (options: CloudWatchOptions): LogStore => ({
  append: lines => append(options, lines),
  read: async query => {
    const {cursor, since} = query
    const from = cursor === undefined ? undefined : positionOf(cursor)
    if (!isSound(query)) return {items: [], cursor: cursorOf(from ?? {at: options.now() - settleMs, skip: 0})}
    if (from !== undefined) return after(options, query, from)
    return since === undefined ? newest(options, query) : after(options, query, {at: Math.max(0, since - clockSkewMs), skip: 0})
  },
})
