// Keeps the directory current: polls the feed, at once when a request asks for an unknown formation, and saves what it learns. Owns the loop.
import {setTimeout as sleep} from 'node:timers/promises'
import {waitJitterShare} from '#shared/domain/pace.ts'
import type {Logger} from '#shared/log.ts'
import {type Loop, startLoop} from '#shared/loop.ts'
import type {Asked, Directory, Discovered, FormationView} from './directory.ts'
import {readSnapshot, SnapshotWriter} from './snapshot.ts'

/** With everything known, the answer may wait this long for something new; well below the call’s timeout. */
export const idleHoldMs = 10_000
/** Longest a request waits for the first word of an unknown formation. */
export const firstWordWaitMsMax = 2_000
/** Requests that wait for a change at once; more are not held. */
export const heldRequestsMax = 10_000
/** Polls are at least this far apart, however many requests ask. */
export const pollSpacingMsMin = 50
/** After a failed poll, requests for unknown formations are not worth another one for this long. */
export const pollAfterFailureMs = 1_000
const pollMsMin = 10
/** Not every answer that completes the table changes it. */
const settledLookMs = 20
const pollMsMax = 60_000
const backoffMsBase = 250
const backoffMsMaxDefault = 5_000

export interface DiscoveryOptions {
  readonly directory: Directory
  /** One call of `POST /v1/discovery`; throws when there is no answer. */
  readonly discover: (asked: Asked & {readonly holdMs?: number; readonly quietMs?: number}, signal: AbortSignal) => Promise<Discovered>
  readonly snapshotFile?: string
  /** A table to begin with while the control plane is out of reach, instead of a file's. */
  readonly table?: Discovered
  /** Longest wait between polls that fail; 5 s by default. */
  readonly backoffMsMax?: number
  readonly log: Logger
  readonly now: () => number
  readonly random: () => number
}

export class Discovery {
  readonly #options: DiscoveryOptions
  readonly #directory: Directory
  readonly #writer: SnapshotWriter | undefined
  readonly #waiting = new Map<string, Set<() => void>>()
  /** Requests that are held until anything changes. */
  readonly #holding = new Set<() => void>()
  /** Resolves once there is a table. */
  readonly loaded: Promise<void>
  readonly #onLoaded: () => void
  #loop: Loop | undefined
  /** Ends a poll that may be held back. */
  #held: AbortController | undefined
  /** When anything was new, or asked for the first time. */
  #newsAt = 0
  #lastPollAt = Number.NEGATIVE_INFINITY
  #lastFailureAt = Number.NEGATIVE_INFINITY

  constructor(options: DiscoveryOptions) {
    this.#options = options
    this.#directory = options.directory
    const {promise, resolve} = Promise.withResolvers<void>()
    this.loaded = promise
    this.#onLoaded = resolve
    const {snapshotFile, log, now} = options
    if (snapshotFile === undefined) return
    this.#writer = new SnapshotWriter(
      snapshotFile,
      () => this.#directory.snapshot(now()),
      error =>
        log.warn({err: error, snapshotFile}, 'could not save the table; a restart without the control plane would serve an older one'),
    )
  }

  /** Restores the snapshot, if there is one, and starts polling. Resolves before the first poll. */
  async start(): Promise<void> {
    const {snapshotFile, table, backoffMsMax = backoffMsMaxDefault, log, now, random} = this.#options
    const {discovered, problem} = snapshotFile === undefined ? {discovered: table} : await readSnapshot(snapshotFile)
    if (problem !== undefined) log.warn({problem, snapshotFile}, 'the saved table can not be read; starting without it')
    if (discovered !== undefined) {
      this.#directory.restore(discovered, now())
      this.#onLoaded()
    }
    this.#newsAt = now()
    this.#loop = startLoop(signal => this.#poll(signal), {
      intervalMs: 1_000,
      backoffBaseMs: backoffMsBase,
      backoffMaxMs: backoffMsMax,
      jitterShare: waitJitterShare,
      random,
      onError: (error, failures) => {
        if (failures === 1) log.warn({err: error}, 'the control plane is out of reach; serving the last good table')
      },
    })
  }

  async #poll(signal: AbortSignal): Promise<number> {
    const {now, discover, log} = this.#options
    const early = this.#lastPollAt + pollSpacingMsMin - now()
    if (early > 0) await sleep(early, undefined, {signal})
    this.#lastPollAt = now()
    const asked = {...this.#directory.ask(now()), quietMs: Math.max(0, Math.round(now() - this.#newsAt))}
    const held = this.#isSettled() ? new AbortController() : undefined
    this.#held = held
    try {
      const answer =
        held === undefined
          ? await discover(asked, signal)
          : await discover({...asked, holdMs: idleHoldMs}, AbortSignal.any([signal, held.signal]))
      if (this.#directory.outOfReach && this.#directory.lastAnswerAt !== undefined) log.info('the control plane answers again')
      const isFirst = !this.#directory.loaded
      const isChanged = this.#directory.apply(asked, answer, now())
      if (isChanged) {
        this.#newsAt = now()
        this.#writer?.touch()
      }
      if (isChanged || isFirst) this.#tellHolding()
      this.#onLoaded()
      const pollMs = Math.min(pollMsMax, Math.max(pollMsMin, answer.nextPollMs))
      return [...this.#directory.formations.values()].some(({loaded}) => !loaded) ? pollSpacingMsMin : pollMs
    } catch (error) {
      if (held?.signal.aborted === true) return 0
      const wasReached = !this.#directory.outOfReach
      this.#directory.failed()
      this.#lastFailureAt = now()
      if (wasReached) this.#tellHolding()
      throw error
    } finally {
      this.#release(Object.keys(asked.formations))
    }
  }

  #tellHolding(): void {
    for (const resolve of [...this.#holding]) resolve()
  }

  /** Resolves when the feed has told of a change or is out of reach, or after `timeoutMs`; false, at once, when {@link heldRequestsMax} wait already. */
  changed(timeoutMs: number): Promise<boolean> {
    if (this.#holding.size >= heldRequestsMax) return Promise.resolve(false)
    return new Promise(resolve => {
      const done = (): void => {
        clearTimeout(timer)
        this.#holding.delete(done)
        resolve(true)
      }
      const timer = setTimeout(done, timeoutMs)
      this.#holding.add(done)
    })
  }

  /** Resolves when the table is whole, or after `timeoutMs`. */
  async settled(timeoutMs: number): Promise<void> {
    const {now} = this.#options
    for (const until = now() + timeoutMs; !this.#isSettled() && now() < until; ) await this.changed(settledLookMs)
  }

  /** Whether the control plane answers and has told of everything asked for. */
  #isSettled(): boolean {
    return this.#directory.loaded && !this.#directory.outOfReach && [...this.#directory.formations.values()].every(({loaded}) => loaded)
  }

  #release(names: readonly string[]): void {
    for (const name of names) {
      for (const resolve of this.#waiting.get(name) ?? []) resolve()
      this.#waiting.delete(name)
    }
  }

  /** A formation's endpoints when nothing needs to be waited for; else undefined, and {@link find} is to be asked. */
  known(formation: string): FormationView | undefined {
    const {now} = this.#options
    const known = this.#directory.use(formation, now())
    if (known.loaded || !this.#directory.formations.has(formation)) return known
    return this.#directory.outOfReach && now() - this.#lastFailureAt < pollAfterFailureMs ? known : undefined
  }

  /** A formation's endpoints. For one never heard of, asks the feed at once and waits for its word, at most {@link firstWordWaitMsMax}. */
  async find(formation: string): Promise<FormationView> {
    const known = this.known(formation)
    if (known !== undefined) return known
    await this.#firstWord(formation)
    return this.#directory.use(formation, this.#options.now())
  }

  #firstWord(formation: string): Promise<void> {
    return new Promise(resolve => {
      const waiting = this.#waiting.get(formation) ?? new Set()
      const done = (): void => {
        clearTimeout(timer)
        waiting.delete(done)
        if (waiting.size === 0 && this.#waiting.get(formation) === waiting) this.#waiting.delete(formation)
        resolve()
      }
      const timer = setTimeout(done, firstWordWaitMsMax)
      waiting.add(done)
      this.#waiting.set(formation, waiting)
      this.#held?.abort()
      this.#loop?.wake()
    })
  }

  /** Ends polling and saves the table. */
  async stop(): Promise<void> {
    await this.#loop?.stop()
    this.#release([...this.#waiting.keys()])
    this.#tellHolding()
    await this.#writer?.flush()
  }
}
