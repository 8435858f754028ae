// Live lines of this executor's instances for one client: as they are read, those it asked for, no more than it takes.
import type {AssignedSession, LogLine} from '#shared/domain/assignment.ts'
import {payloadBytesMax} from '#shared/sessions/frames.ts'
import type {Peer} from '#shared/sessions/peer.ts'
import type {Logs} from '../logs/logs.ts'

/** How often files are looked at while somebody follows. */
const lookMs = 50
/** Lines waiting for a client that takes them too slowly; older ones are left out here, and found in the logs. */
const waitingMax = 10_000

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
  let isSending = false
  const send = async (): Promise<void> => {
    isSending = true
    while (waiting.length > 0 && peer.isOpen) await peer.pour('lines', nextPayload(waiting))
    isSending = false
  }
  const forget = logs.listen(({formation: _, ...line}) => {
    if (!isWanted(wanted, {formation: _, ...line})) return
    waiting.push(JSON.stringify(line))
    if (waiting.length > waitingMax) waiting.splice(0, waiting.length - waitingMax)
    if (!isSending) void send()
  })
  const timer = setInterval(() => logs.look(), lookMs)
  peer.listen(() => undefined)
  await peer.closed
  clearInterval(timer)
  forget()
}
