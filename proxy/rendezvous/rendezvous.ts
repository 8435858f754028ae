// Where the two sides of sessions meet: checks tickets, lets each side in once, and keeps the sessions that go on. Nothing of it outlives the process.
import type {WebSocket} from 'ws'
import {closeCodes} from '#shared/sessions/peer.ts'
import type {Presented, Ticket} from '#shared/sessions/tickets.ts'
import type {RelayLimits} from './limits.ts'
import {Meeting} from './meeting.ts'
import {Shares} from './shares.ts'

export type Refusal = 'used' | 'early' | 'over' | 'full' | 'share'

export interface RendezvousOptions {
  readonly limits: RelayLimits
  readonly now: () => number
}

export class Rendezvous {
  readonly #options: RendezvousOptions
  readonly #meetings = new Map<string, Meeting>()
  /** Token of whoever asked for it, by session. */
  readonly #holders = new Map<string, string>()
  /** Tickets that were used, by session and side, and until when that is remembered. In the order of their use. */
  readonly #used = new Map<string, number>()

  readonly #shares: Shares
  readonly #startedAt: number

  constructor(options: RendezvousOptions) {
    this.#options = options
    this.#shares = new Shares(options.limits)
    this.#startedAt = options.now()
  }

  /** On their way to slow sides. */
  get bytes(): number {
    return this.#shares.bytes
  }

  get size(): number {
    return this.#meetings.size
  }

  /** Takes a ticket's one use; or says why it holds no more. */
  take({session, side, until, formation, madeAt}: Presented): Refusal | undefined {
    const {limits, now} = this.#options
    const at = now()
    for (const [key, endsAt] of this.#used) {
      if (endsAt > at) break
      this.#used.delete(key)
    }
    const key = `${session} ${side}`
    if (this.#used.has(key) || this.#meetings.get(session)?.has(side)) return 'used'
    // A relay before this one, at the same address, may have let somebody in with it.
    if (madeAt < this.#startedAt) return 'early'
    if (until <= at) return 'over'
    if (!this.#meetings.has(session)) {
      if (this.#meetings.size >= limits.sessionsMax) return 'full'
      if (this.#shares.isFull(formation)) return 'share'
    }
    this.#used.set(key, at + limits.usedMs)
    return undefined
  }

  /** Lets a side in whose ticket was taken. */
  admit({session, side, until, holder, formation}: Ticket, socket: WebSocket): void {
    const {limits, now} = this.#options
    const onEnd = (): void => {
      this.#meetings.delete(session)
      this.#holders.delete(session)
    }
    const create = (): Meeting => new Meeting({limits, share: this.#shares.open(formation), leftMs: until - now(), onEnd})
    const meeting = this.#meetings.get(session) ?? create()
    this.#meetings.set(session, meeting)
    if (holder !== undefined) this.#holders.set(session, holder)
    meeting.admit(side, socket)
  }

  /** Ends the sessions that were asked for with these tokens, by id. */
  revoke(tokens: readonly string[]): void {
    const revoked = new Set(tokens)
    for (const [session, holder] of [...this.#holders])
      if (revoked.has(holder)) this.#meetings.get(session)?.end(closeCodes.over, 'the token that asked for it was revoked')
  }

  /** Ends every session. */
  end(): void {
    for (const meeting of [...this.#meetings.values()]) meeting.end(closeCodes.relay, 'the relay ends')
  }
}
