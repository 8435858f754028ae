// What was done to the system, and when: phases, choices between releases, kills. Written while it happens, read by the report.
import {monotonicMs} from './seen.ts'

export interface Phase {
  readonly name: string
  readonly from: number
  /** Infinity while it lasts. */
  to: number
}

/** From `told` on, the control plane had said yes: releases of `not` must not answer any more. */
export interface Choice {
  /** When it was asked for. */
  readonly at: number
  readonly told: number
  /** Releases that get nothing. */
  readonly not: readonly number[]
  /** The share, 0–1, that `release` is to get; absent when that is not what it is about. */
  readonly share?: {readonly release: number; readonly of: number}
}

export interface Kill {
  readonly at: number
  /** When its process had let go of everything: on a busy machine, connections to it stay open for a while. */
  readonly goneAt: number
  /** The instance's id. */
  readonly instance: string
}

export class Journal {
  readonly phases: Phase[] = []
  readonly choices: Choice[] = []
  readonly kills: Kill[] = []
  /** Changes that could not be made here, and why. */
  readonly skipped = new Map<string, string>()

  /** A change begins; the one before is over. */
  begin(name: string): void {
    const at = monotonicMs()
    this.end(at)
    this.phases.push({name, from: at, to: Number.POSITIVE_INFINITY})
  }

  end(at = monotonicMs()): void {
    const last = this.phases.at(-1)
    if (last !== undefined) last.to = Math.min(last.to, at)
  }

  /** Carries a choice out and notes when. */
  async choose(choice: Omit<Choice, 'at' | 'told'>, carryOut: () => Promise<unknown>): Promise<void> {
    const at = monotonicMs()
    await carryOut()
    this.choices.push({...choice, at, told: monotonicMs()})
  }

  /** Kills an instance and notes when. `carryOut` resolves when it is gone. */
  async kill(instance: string, carryOut: () => Promise<unknown>): Promise<void> {
    const at = monotonicMs()
    await carryOut()
    this.kills.push({at, goneAt: monotonicMs(), instance})
  }
}
