// Replacing one release by another, driven by the reconciler: start the new, wait until it serves, then end the old. Pure.

export type RolloutState = 'starting' | 'finished' | 'failed'

export interface Rollout {
  readonly formation: string
  readonly release: number
  /** Desired instances of the new release, by service. */
  readonly scale: Readonly<Record<string, number>>
  readonly state: RolloutState
  readonly reason?: string
  readonly startedAt: number
  readonly deadlineAt: number
  readonly endedAt?: number
}

/** A rollout whose instances do not all run within this has failed; the old release keeps running. */
export const rolloutTimeoutMs = 300_000
