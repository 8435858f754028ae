// Which changes of the table can make a waiting instance fit somewhere. Owns that question only.
import type {DynamoDBRecord, DynamoDBStreamEvent} from 'aws-lambda'
import type {ItemType} from '../store/schema.ts'

/** A batch of the table's stream; without records it is a tick of the clock. */
export type SchedulerEvent = Partial<DynamoDBStreamEvent>

/** Item types the scheduler needs to hear of; event source filters name them. */
export const schedulerItemTypes: ReadonlySet<ItemType> = new Set(['instance', 'executor'])

type Image = NonNullable<DynamoDBRecord['dynamodb']>['NewImage']

const text = (image: Image, attribute: string): string | undefined => image?.[attribute]?.S

const number = (image: Image, attribute: string): number => Number(image?.[attribute]?.N ?? 0)

const isPlaceable = (image: Image): boolean => text(image, 'state') === 'pending' && text(image, 'held') === undefined

/** Became pending just now, or needs to wait no longer; a pending one whose reason was written is no news. */
const isNewlyPending = (before: Image, after: Image): boolean => isPlaceable(after) && !isPlaceable(before)

/** States that free what the instance held. On AWS this stands for its executor's usage: filters of the stream can not compare numbers. */
const ended: ReadonlySet<string> = new Set(['stopped', 'failed', 'lost'])

const madeRoom = (before: Image, after: Image): boolean =>
  text(after, 'executor') !== undefined && ended.has(text(after, 'state') ?? '') && text(before, 'state') !== text(after, 'state')

const usage = ['cpuMilliUsed', 'memoryMibUsed', 'instances'] as const

/** Joined, described anew, ready again, or with more room than before. What assigning takes away is no news. */
const mayTakeMore = (before: Image, after: Image): boolean => {
  if (text(after, 'state') !== 'ready') return false
  if (before === undefined || text(before, 'state') !== 'ready') return true
  return usage.every(attribute => number(after, attribute) <= number(before, attribute))
}

const matters = ({dynamodb}: DynamoDBRecord): boolean => {
  const before = dynamodb?.OldImage
  const after = dynamodb?.NewImage
  if (after === undefined) return false
  const type = text(after, 'type')
  if (type === 'instance') return isNewlyPending(before, after) || madeRoom(before, after)
  return type === 'executor' && mayTakeMore(before, after)
}

/** Whether the scheduler has something to look at. */
export const concernsPlacement = (event: SchedulerEvent): boolean => event.Records === undefined || event.Records.some(matters)
