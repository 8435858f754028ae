// What a fault is, and what is hoped for. Pure types: the table of them is in faults.ts.
import type {Rig} from './rig.ts'

export interface Lengths {
  /** Of a fault that is over before an executor's lease is. */
  readonly shortMs: number
  /** Of one that outlives it. */
  readonly longMs: number
  /** For how long the control plane is down. */
  readonly downMs: number
}

export interface Fault {
  /** As `--only` and the page of faults call it. */
  readonly name: string
  /** What happens, and what somebody does about it. */
  readonly what: string
  /** Which service is asked: processes on three hosts, or containers on one. */
  readonly asks: 'web' | 'box'
  /** How long it lasts; 5 s by default. */
  readonly lastsMs?: (lengths: Lengths) => number
  readonly setUp?: (rig: Rig) => Promise<void>
  readonly strike: (rig: Rig) => Promise<void>
  readonly heal: (rig: Rig) => Promise<void>
  /** When it has been measured: as it was before. */
  readonly cleanUp?: (rig: Rig) => Promise<void>
  readonly expect: {
    /** Requests may fail for so long at most; 0: none may. */
    readonly failsForMsMax: number
    /** Whether instances are made anew elsewhere, with new ids. */
    readonly isReplaced: boolean
  }
  /** The control plane is down meanwhile: what is routed is to be served. */
  readonly controlPlaneDown?: true
  /** The router itself is struck: there may be no answer at all. */
  readonly routerStruck?: true
}
