// What every other program is started with.
import type {Processes} from './processes.ts'

export interface PeerOptions {
  readonly name: string
  readonly processes: Processes
  /** For its configuration and whatever it writes. */
  readonly folder: string
  readonly port: number
  readonly upstreams: readonly number[]
  readonly workers: number
  readonly isWebSocket: boolean
  /** For those that log requests. */
  readonly logFile: string
}
