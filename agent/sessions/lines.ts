// Live lines of this executor's instances for one client: as they are read, those it asked for, no more than it takes.
import type {AssignedSession, LogLine} from '#shared/domain/assignment.ts'
import {payloadBytesMax} from '#shared/sessions/frames.ts'
import type {Peer} from '#shared/sessions/peer.ts'
import type {Logs} from '../logs/logs.ts'

/** Lines waiting for a client that takes them too slowly, and what they hold, in characters; older ones are left out here, and found in the logs. */
const waitingMax = 10_000
const waitingCharactersMax = 2_097_152

type Wanted = Pick<AssignedSession, 'formation' | 'service' | 'instance'>

const isWanted = ({formation, service, instance}: Wanted, line: LogLine): boolean =>
  line.formation === formation && (service === undefined || line.service === service) && (instance === undefined || line.id === instance)

/** As many of the first lines as one frame takes, as JSON; takes them out. One line always fits. */
const nextPayload = (waiting: string[]): Buffer => {
  let bytes = 16
  let count = 0
  for (const text of waiting) {
    bytes += Buffer.byteLength(text) + 1
    if (count > 0 && bytes > payloadBytesMax) break
    count += 1
  }
  return Buffer.from(`{"lines":[${waiting.splice(0, count).join(',')}]}`)
}

/** Sends lines until the client is gone. */
export const followLines = async (logs: Logs, wanted: Wanted, peer: Peer): Promise<void> => {
  const waiting: string[] = []
  let characters = 0
  let isSending = false
  const next = (): Buffer => {
    const payload = nextPayload(waiting)
    characters = waiting.reduce((sum, {length}) => sum + length, 0)
    return payload
  }
  const send = async (): Promise<void> => {
    isSending = true
    while (waiting.length > 0 && peer.isOpen) await peer.pour('lines', next())
    isSending = false
  }
  const forget = logs.listen(({formation: _, ...line}) => {
    if (!isWanted(wanted, {formation: _, ...line})) return
    const text = JSON.stringify(line)
    waiting.push(text)
    characters += text.length
    while (waiting.length > waitingMax || characters > waitingCharactersMax) characters -= waiting.shift()?.length ?? characters
    if (!isSending) void send()
  })
  peer.listen(() => undefined)
  await peer.closed
  forget()
}
