// What AWS calls the reconciler with — the table's stream, the delay queue, a schedule each minute — as what the reconciler takes. Owns how one schedule a
// minute becomes a tick every ten seconds. Knows no AWS client.
import type {DynamoDBBatchResponse, DynamoDBStreamEvent, EventBridgeEvent, SQSBatchResponse, SQSEvent, SQSRecord} from 'aws-lambda'
import type {Logger} from '#shared/log.ts'
import type {WakeMessage, WakeUps} from '#shared/ports.ts'
import type {ReconcilerEvent} from './events.ts'

/**
 * Seconds after the schedule at which ticks follow. EventBridge keeps the minute, not the second: those past 60 bridge a schedule that comes late, and are
 * dropped when it does not. Gaps stay below `watchGapMsMax` (shared/domain/lease.ts) while the schedule is at most 20 s late.
 */
export const tickSeconds: readonly number[] = [10, 20, 30, 40, 50, 60, 70]
/** Ticks nearer to each other than this are one. */
const tickGapMsMin = 5_000
/** A message may come this much before its time. */
const earlyMsMax = 1_000

export type ReconcilerCall = DynamoDBStreamEvent | SQSEvent | EventBridgeEvent<'Scheduled Event', unknown>

export interface CallDeps {
  readonly reconcile: (event: ReconcilerEvent) => Promise<DynamoDBBatchResponse>
  readonly wakeUps: WakeUps
  /** Whether any executor's lease is to be watched. */
  readonly hasLeases: () => Promise<boolean>
  readonly now: () => number
  readonly log: Logger
}

type Batch = DynamoDBBatchResponse | SQSBatchResponse

const isQueue = (event: ReconcilerCall): event is SQSEvent =>
  'Records' in event && event.Records[0] !== undefined && 'body' in event.Records[0]

/** Makes the handler. Every call sends what it asked to be woken for before it ends, also when it fails. */
export const createReconcilerHandler = (deps: CallDeps): ((event: ReconcilerCall) => Promise<Batch>) => {
  const {reconcile, wakeUps, hasLeases, now, log} = deps
  let tickedAt = Number.NEGATIVE_INFINITY

  const tick = async (): Promise<void> => {
    if (now() - tickedAt < tickGapMsMin) return
    const startedAt = now()
    await reconcile({tick: true})
    tickedAt = startedAt
  }

  const onMessage = async (record: SQSRecord): Promise<void> => {
    const message = JSON.parse(record.body) as WakeMessage
    if ('tick' in message) return tick()
    wakeUps.arrived(message.wake)
    if (message.at > now() + earlyMsMax) wakeUps.wakeAt(message.wake, message.at)
    else await reconcile({wake: message.wake})
  }

  const onQueue = async ({Records}: SQSEvent): Promise<SQSBatchResponse> => {
    const failed: string[] = []
    for (const record of Records) {
      await onMessage(record).catch((error: unknown) => {
        log.error({err: error, message: record.body}, 'a wake-up failed')
        failed.push(record.messageId)
      })
    }
    return {batchItemFailures: failed.map(itemIdentifier => ({itemIdentifier}))}
  }

  const onSchedule = async (): Promise<Batch> => {
    if (await hasLeases()) wakeUps.tickAfter(tickSeconds)
    await tick()
    return {batchItemFailures: []}
  }

  const handle = (event: ReconcilerCall): Promise<Batch> => {
    if (isQueue(event)) return onQueue(event)
    return 'Records' in event ? reconcile(event) : onSchedule()
  }

  return async event => {
    try {
      return await handle(event)
    } finally {
      await wakeUps.flush()
    }
  }
}
