// What the primary process and its workers say to each other. A worker may be of a newer program than its primary, so a change here needs a new
// `protocolVersion`: the primary then keeps its old workers and says that it has to be restarted itself.
import type {Spent} from '#shared/domain/rate-limit.ts'
import type {Asked, Discovered} from '../directory.ts'
import type {Drain} from '../listener.ts'
import type {UpstreamView} from '../table-view.ts'

export const protocolVersion = 1
/** Where a worker finds its listening socket: after standard input, output, error, and the channel these messages go through. */
export const listeningFd = 4

export type ToWorker =
  /** The first message. `table` is there when the control plane is out of reach; `isLoaded`: it is worth waiting for the table before listening. */
  | {readonly kind: 'start'; readonly pseudonym: string; readonly isLoaded: boolean; readonly table?: Discovered}
  /** The answer to a `discover`; without `discovered` when the control plane is out of reach. */
  | {readonly kind: 'discovered'; readonly id: number; readonly discovered?: Discovered}
  | {readonly kind: 'report'; readonly id: number}
  /** What another worker let through. */
  | {readonly kind: 'spent'; readonly spent: readonly Spent[]}
  | {readonly kind: 'drain'; readonly drain: Drain}

/** What a worker knows that the primary does not. */
export interface WorkerReport {
  /** In the text format of Prometheus. */
  readonly metrics: string
  readonly upstreams: readonly UpstreamView[]
}

export type ToPrimary =
  /** It can be started. */
  | {readonly kind: 'hello'; readonly protocol: number}
  | {readonly kind: 'listening'}
  /** It has a table. */
  | {readonly kind: 'ready'}
  | {readonly kind: 'discover'; readonly id: number; readonly asked: Asked & {readonly holdMs?: number}}
  | {readonly kind: 'report'; readonly id: number; readonly report: WorkerReport}
  | {readonly kind: 'spent'; readonly spent: readonly Spent[]}
  /** Its last words. */
  | {readonly kind: 'ended'; readonly report: WorkerReport}
