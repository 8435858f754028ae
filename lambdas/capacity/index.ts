// Executors on EC2: hears of machines that are to end, from a queue that repeats what is not done yet.
import type {EventBridgeEvent, SQSBatchResponse, SQSEvent, SQSRecord} from 'aws-lambda'
import {type DrainDeps, drainMachine, type Termination} from './drain.ts'

export type CapacityDeps = DrainDeps

type TerminationEvent = EventBridgeEvent<'EC2 Instance-terminate Lifecycle Action', Termination>

const handle = async (deps: CapacityDeps, {body}: SQSRecord): Promise<boolean> => {
  const {detail} = JSON.parse(body) as TerminationEvent
  return (await drainMachine(deps, detail)) === 'released'
}

/** Makes the function. What waits is answered as failed, so that SQS brings it again after its visibility timeout. */
export const createCapacityFunction =
  (deps: CapacityDeps) =>
  async ({Records}: SQSEvent): Promise<SQSBatchResponse> => {
    const again: string[] = []
    for (const record of Records) {
      const done = await handle(deps, record).catch((error: unknown) => {
        deps.log.error({err: error}, 'machine not drained')
        return false
      })
      if (!done) again.push(record.messageId)
    }
    return {batchItemFailures: again.map(itemIdentifier => ({itemIdentifier}))}
  }
