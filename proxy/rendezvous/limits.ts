// Every limit of a relay, by name and unit. Tests pass smaller ones.
import {payloadBytesMax} from '#shared/sessions/frames.ts'
import {ticketSeconds, ticketSkewSeconds} from '#shared/sessions/tickets.ts'

export interface RelayLimits {
  /** Sessions at once, those included of which one side has not come yet. */
  readonly sessionsMax: number
  /** Of them, those of one formation. */
  readonly sessionsPerFormationMax: number
  /** One message of a side; a longer one ends the session. */
  readonly frameBytesMax: number
  /** With more than this under way to one side, the other is not read from. */
  readonly bufferedBytesMax: number
  /** Under way to all sides together. Formations that have sessions share it evenly: one that has its share is read from only while all of it goes out at once. */
  readonly bufferedInAllBytesMax: number
  /** How long the first side waits for the second. */
  readonly waitMs: number
  /** A side that is not heard of for so long is gone; sides say that they are there every minute. */
  readonly silenceMs: number
  /** How often the relay says that it is there itself. */
  readonly pingMs: number
  /** How often the control plane is asked, while there are sessions, whose tokens were revoked. */
  readonly revokedEveryMs: number
  /** How long it is remembered that a ticket was used; tickets hold shorter. */
  readonly usedMs: number
}

export const relayLimitsDefault: RelayLimits = {
  sessionsMax: 1_000,
  sessionsPerFormationMax: 250,
  frameBytesMax: payloadBytesMax + 1,
  bufferedBytesMax: 262_144,
  bufferedInAllBytesMax: 67_108_864,
  waitMs: 900_000,
  silenceMs: 150_000,
  pingMs: 30_000,
  revokedEveryMs: 10_000,
  usedMs: (ticketSeconds + 2 * ticketSkewSeconds) * 1_000,
}
