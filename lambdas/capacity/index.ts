// Executors on EC2. Called by a schedule, looks whether the group of machines has the right size; hears of machines that are to end from a queue, which
// repeats what is not done yet.
import type {EventBridgeEvent, SQSBatchResponse, SQSEvent, SQSRecord} from 'aws-lambda'
import type {Store} from '#lambdas/store/index.ts'
import {type DrainDeps, drainInterrupted, drainMachine, type Termination} from './drain.ts'
import {type ScaleDeps, scaleMachines} from './scale.ts'

export type CapacityDeps = Omit<DrainDeps & ScaleDeps, 'store'> & {readonly store: Store}

/** A schedule's event has no records: it is a tick. */
export type CapacityEvent = SQSEvent | EventBridgeEvent<'Scheduled Event', unknown>

type MachineEvent =
  | EventBridgeEvent<'EC2 Instance-terminate Lifecycle Action', Termination>
  | EventBridgeEvent<'EC2 Spot Instance Interruption Warning', {readonly 'instance-id': string; readonly 'instance-action': string}>

/** What it does is noted in the audit as its own. */
const acting = (deps: CapacityDeps, requestId: string): CapacityDeps => ({
  ...deps,
  store: deps.store.by({name: 'capacity', requestId, now: deps.now()}),
})

const handle = async (deps: CapacityDeps, {body}: SQSRecord): Promise<boolean> => {
  const event = JSON.parse(body) as MachineEvent
  if (event['detail-type'] === 'EC2 Spot Instance Interruption Warning') return drainInterrupted(deps, event.detail['instance-id'])
  const since = Date.parse(event.time)
  return (await drainMachine(deps, event.detail, Number.isNaN(since) ? deps.now() : since)) === 'released'
}

const onQueue = async (deps: CapacityDeps, {Records}: SQSEvent): Promise<SQSBatchResponse> => {
  const again: string[] = []
  for (const record of Records) {
    const done = await handle(acting(deps, record.messageId), record).catch((error: unknown) => {
      deps.log.error({err: error}, 'machine not drained')
      return false
    })
    if (!done) again.push(record.messageId)
  }
  return {batchItemFailures: again.map(itemIdentifier => ({itemIdentifier}))}
}

/**
 * Makes the function. What waits is answered as failed, so that SQS brings it again after its visibility timeout; a look at the group that fails throws, and
 * the next tick looks again.
 */
export const createCapacityFunction =
  (deps: CapacityDeps) =>
  async (event: CapacityEvent): Promise<SQSBatchResponse> => {
    if ('Records' in event) return onQueue(deps, event)
    await scaleMachines(acting(deps, event.id))
    return {batchItemFailures: []}
  }
