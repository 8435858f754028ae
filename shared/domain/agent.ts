// The program of an agent: which one runs, which one its ring wants, and what follows. Pure.
import type {SlugReference} from './release.ts'

/** The ring of an executor without the label `ring`. */
export const defaultRing = 'default'
export const ringLabel = 'ring'

/** Larger is no agent. */
export const agentBundleBytesMax = 64 * 1_048_576

/** What an agent says of its own program. */
export interface AgentProgram {
  /** SHA-256 of its bundle; `source` when it runs from its sources. */
  readonly version: string
  readonly ring: string
  /** Whether it is the one that was installed on the host, and none that came later. */
  readonly installed: boolean
  /** Whether a launcher starts it, which would start another one; else it is upgraded by hand. */
  readonly launched: boolean
  /** The wish that it can not fulfil, by its time, and why. */
  readonly refused?: {readonly since: number; readonly why: string} | undefined
}

/** What a ring wants: this bundle, or without one the agent that was installed on each host. */
export interface AgentWish {
  /** When it was said; names the wish, so that the same bundle asked for again is tried again. */
  readonly since: number
  readonly bundle?: SlugReference | undefined
}

export type UpgradeState = 'current' | 'upgrading' | 'refused' | 'by hand'

/** How far an executor is from what its ring wants; without a wish every program is right. */
export const upgradeState = (program: AgentProgram, wish: AgentWish | undefined): UpgradeState => {
  if (wish === undefined) return 'current'
  if (wish.bundle === undefined ? program.installed : program.version === wish.bundle.sha256) return 'current'
  if (!program.launched) return 'by hand'
  return program.refused?.since === wish.since ? 'refused' : 'upgrading'
}
