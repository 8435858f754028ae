// What an agent may do of itself while it does not hear from the control plane: what it must stop, and what it must not start. Pure: times are monotonic
// milliseconds since boot.
import {executorLeaseMs} from '#shared/domain/executor.ts'
import {cutOffGraceMsMax} from '#shared/domain/lease.ts'
import {onLostDefault} from '#shared/domain/release.ts'
import type {Ending, InstanceRecord} from './instance.ts'

/** When the last sync that was answered had been sent; undefined: none was since the machine was started. */
export type HeardAt = number | undefined

const silenceMs = (heardAt: HeardAt, now: number): number => (heardAt === undefined ? Number.POSITIVE_INFINITY : now - heardAt)

const seconds = (ms: number): string => `${Math.round(ms / 1_000)} s`

/**
 * When it must stop by itself because the control plane will soon make another one; undefined: never. The time runs from when the last answered sync was
 * sent: the control plane took it later, and waits longer (givenUpAfterMs).
 */
export const cutOffAt = ({assignment: {onLost}}: InstanceRecord, heardAt: HeardAt): number | undefined =>
  onLost?.action === 'stop' ? (heardAt ?? Number.NEGATIVE_INFINITY) + onLost.afterMs : undefined

/** It is started again when the control plane says that it is still wanted here. */
export const cutOffEnding = ({assignment: {onLost}}: InstanceRecord): Ending => ({
  state: 'suspended',
  reason: `stopped: the control plane was not heard from for ${seconds(onLost?.afterMs ?? 0)}`,
  graceMsMax: cutOffGraceMsMax,
})

/**
 * Whether it may be started now. One that may have been given up meanwhile waits for the control plane's word, unless it ran since the machine was started:
 * going on with it is no worse than not having stopped it. What is kept by all means starts.
 */
export const mayStart = (
  {assignment: {onLost = onLostDefault}, startedAt, rebooted}: InstanceRecord,
  heardAt: HeardAt,
  now: number,
): boolean => onLost.action === 'keep' || silenceMs(heardAt, now) < executorLeaseMs || (startedAt !== undefined && rebooted !== true)
