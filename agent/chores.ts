// What this executor is asked to do besides running instances: one after the other, each told of with the next sync. A chore that fails is told and nothing more.
import type {Chore, ChoreReport, FetchChore, RemovalChore} from '#shared/domain/chore.ts'
import {choreTextCharactersMax, fetchKeptMs} from '#shared/domain/chore.ts'
import type {Logger} from '#shared/log.ts'

/** A failed one is tried again when it is asked for again, and not sooner. */
const againMs = 60_000
/** Progress is told at most this often. */
const progressEveryMs = 1_000
/** Chores remembered; the longest known are forgotten first. */
const knownMax = 200

export interface ChoresOptions {
  readonly fetch: (chore: FetchChore, signal: AbortSignal, onProgress: (text: string) => void) => Promise<void>
  readonly removeVolume: (chore: RemovalChore) => Promise<void>
  /** There is something to tell. */
  readonly onNews: () => void
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly log: Logger
}

interface Known {
  readonly chore: Chore
  readonly abort: AbortController
  report?: ChoreReport
  /** What the control plane knows. */
  told?: ChoreReport
  endedAt?: number
}

export class Chores {
  readonly #options: ChoresOptions
  readonly #known = new Map<string, Known>()
  #last: Promise<void> = Promise.resolve()

  constructor(options: ChoresOptions) {
    this.#options = options
  }

  /** All that is asked for by now: what is new is begun, what is not asked for any more is called off. */
  take(chores: readonly Chore[]): void {
    const wanted = new Set(chores.map(({id}) => id))
    for (const [id, known] of this.#known) if (!wanted.has(id) && known.endedAt === undefined) known.abort.abort(new Error('called off'))
    for (const chore of chores) {
      const before = this.#known.get(chore.id)
      if (before !== undefined && !this.#isDueAgain(before)) continue
      const known: Known = {chore, abort: new AbortController()}
      this.#known.delete(chore.id)
      this.#known.set(chore.id, known)
      this.#last = this.#last.then(() => this.#run(known))
    }
    for (const [id, {endedAt}] of this.#known) if (this.#known.size > knownMax && endedAt !== undefined) this.#known.delete(id)
  }

  /** What the control plane does not know, at most `max` of it. */
  due(max: number): readonly ChoreReport[] {
    return [...this.#known.values()].flatMap(({report, told}) => (report === undefined || report === told ? [] : [report])).slice(0, max)
  }

  /** The control plane has answered a sync that carried these. */
  acknowledge(reports: readonly ChoreReport[]): void {
    for (const report of reports) {
      const known = this.#known.get(report.id)
      if (known !== undefined) known.told = report
    }
  }

  /** Whether something of the release (`FORMATION/RELEASE`) was fetched ahead a short while ago, or is being fetched. */
  keeps(release: string): boolean {
    const since = this.#options.now() - fetchKeptMs
    return [...this.#known.values()].some(
      ({chore, endedAt}) => chore.kind === 'fetch' && `${chore.formation}/${chore.release}` === release && (endedAt ?? since) >= since,
    )
  }

  /** Calls all off. */
  close(): void {
    for (const {abort} of this.#known.values()) abort.abort(new Error('the agent leaves'))
  }

  /** What was done, and is asked for by a control plane that knows, is another one of the same name: formations are made anew, and count from 1 again. */
  #isDueAgain({report, told, endedAt}: Known): boolean {
    if (report?.state === 'done') return told === report
    return report?.state === 'failed' && endedAt !== undefined && this.#options.now() - endedAt >= againMs
  }

  async #run(known: Known): Promise<void> {
    const {chore, abort} = known
    const {id} = chore
    let latest: string | undefined
    const tell = setInterval(() => {
      if (latest !== undefined && latest !== known.report?.text) this.#note(known, {id, state: 'doing', text: latest})
    }, progressEveryMs)
    try {
      abort.signal.throwIfAborted()
      this.#note(known, {id, state: 'doing'})
      if (chore.kind === 'remove-volume') await this.#options.removeVolume(chore)
      else
        await this.#options.fetch(chore, abort.signal, text => {
          latest = text
        })
      this.#note(known, {id, state: 'done'})
    } catch (error) {
      this.#options.log.warn({err: error, chore: id}, 'a chore came to nothing')
      this.#note(known, {id, state: 'failed', text: (error as Error).message})
    } finally {
      clearInterval(tell)
      known.endedAt = this.#options.now()
    }
  }

  #note(known: Known, report: ChoreReport): void {
    known.report = report.text === undefined ? report : {...report, text: report.text.slice(0, choreTextCharactersMax)}
    this.#options.onNews()
  }
}
