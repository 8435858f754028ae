// “Wake me at” over an SQS delay queue. Messages are collected while a call runs and sent together at its end; a delay longer than SQS takes is made of
// several. Knows nothing of what is done when one comes back.
import {SendMessageBatchCommand, SQSClient} from '@aws-sdk/client-sqs'
import type {WakeMessage, WakeUps} from '#shared/ports.ts'
import {clientOptions} from './compose.ts'

/** Longest delay of one message, in seconds, and messages per call: SQS's own limits. */
const delaySecondsMax = 900
const entriesPerCallMax = 10
/** Wake-ups remembered, so that each is asked for once; the longest known are forgotten first. */
const rememberedMax = 10_000

export interface WakeUpOptions {
  readonly client: SQSClient
  readonly queueUrl: string
  readonly now: () => number
}

export const createWakeUpClient = (): SQSClient => new SQSClient(clientOptions)

interface Entry {
  readonly delaySeconds: number
  readonly message: WakeMessage
}

const delayUntil = (at: number, now: number): number => Math.min(delaySecondsMax, Math.max(0, Math.ceil((at - now) / 1_000)))

const send = async ({client, queueUrl}: WakeUpOptions, entries: readonly Entry[]): Promise<void> => {
  for (let at = 0; at < entries.length; at += entriesPerCallMax) {
    const some = entries.slice(at, at + entriesPerCallMax).map(({delaySeconds, message}, id) => ({
      Id: String(id),
      DelaySeconds: delaySeconds,
      MessageBody: JSON.stringify(message),
    }))
    const {Failed = []} = await client.send(new SendMessageBatchCommand({QueueUrl: queueUrl, Entries: some}))
    if (Failed.length > 0) throw new Error(`SQS did not take ${Failed.length} of ${some.length} wake-ups: ${Failed[0]?.Message}`)
  }
}

export const createWakeUps = (options: WakeUpOptions): WakeUps => {
  const {now} = options
  /** The earliest time asked for and not yet reached, by formation. */
  const known = new Map<string, number>()
  let waiting: Entry[] = []

  const remember = (formation: string, at: number): void => {
    known.delete(formation)
    known.set(formation, at)
    for (const oldest of known.keys()) {
      if (known.size <= rememberedMax) return
      known.delete(oldest)
    }
  }

  return {
    wakeAt: (formation, at) => {
      const before = known.get(formation)
      if (before !== undefined && before <= at && before > now()) return
      const delaySeconds = delayUntil(at, now())
      remember(formation, Math.min(at, now() + delaySeconds * 1_000))
      waiting.push({delaySeconds, message: {wake: formation, at}})
    },
    arrived: formation => void known.delete(formation),
    tickAfter: delaysSeconds => {
      waiting.push(...delaysSeconds.map((delaySeconds): Entry => ({delaySeconds, message: {tick: true}})))
    },
    flush: async () => {
      const entries = waiting
      waiting = []
      try {
        await send(options, entries)
      } catch (error) {
        known.clear()
        throw error
      }
    },
  }
}
