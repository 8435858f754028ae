// The load, a process of its own: so many requests a second whatever becomes of them, each of them written down. Started by generator.ts; ends with it.
import {createWriteStream} from 'node:fs'
import {Connection, type Ended} from './connection.ts'
import {type Asked, ask, judge} from './mix.ts'
import {lineOf, monotonicMs, type Via} from './seen.ts'

/** What the load is told at its start, as JSON in its first argument. */
export interface LoadSettings {
  readonly ports: Readonly<Record<Via, number>>
  readonly requestsPerSecond: number
  /** Where it writes what it sees. */
  readonly file: string
}

/** What it tells every second, and at its end. */
export interface LoadReport {
  readonly requests: number
  readonly failed: number
  /** Due while this process itself was held up for too long, or too many were in flight; never sent. */
  readonly skipped: number
  /** Longest time for which this process itself did not get to run: as long as that, nobody on this machine may have. */
  readonly heldUpMs: number
}

/** Idle connections that are kept, by way in. */
const keptMax = {router: 48, proxy: 16} as const
const inFlightMax = 1_000
/** What was not sent for longer than this is not sent any more: a burst would measure the load itself. */
const catchUpMs = 100
const tickMs = 1
const reportMs = 1_000

class Load {
  readonly #settings: LoadSettings
  readonly #idle: Record<Via, Connection[]> = {router: [], proxy: []}
  readonly #file
  readonly #startedAt = monotonicMs()
  #next = 0
  #inFlight = 0
  #failed = 0
  #skipped = 0
  #heldUpMs = 0
  #tickedAt = this.#startedAt

  constructor(settings: LoadSettings) {
    this.#settings = settings
    this.#file = createWriteStream(settings.file)
  }

  get report(): LoadReport {
    return {requests: this.#next - this.#skipped, failed: this.#failed, skipped: this.#skipped, heldUpMs: this.#heldUpMs}
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Sends what is due. */
  tick(): void {
    const {requestsPerSecond} = this.#settings
    const now = monotonicMs()
    this.#heldUpMs = Math.max(this.#heldUpMs, now - this.#tickedAt - tickMs)
    this.#tickedAt = now
    const due = Math.floor(((now - this.#startedAt) * requestsPerSecond) / 1_000)
    const tooOld = due - Math.floor((catchUpMs * requestsPerSecond) / 1_000)
    for (; this.#next < due; this.#next++) {
      if (this.#next < tooOld || this.#inFlight >= inFlightMax) this.#skipped += 1
      else this.#send(this.#next)
    }
  }

  #send(n: number): void {
    const asked = ask(n)
    const dueAt = this.#startedAt + (n * 1_000) / this.#settings.requestsPerSecond
    const startedAt = monotonicMs()
    const kept = asked.alone ? undefined : this.#take(asked.via)
    const connection = kept ?? this.#open(asked.via)
    this.#inFlight += 1
    connection.ask(asked.sent, ended => {
      this.#inFlight -= 1
      this.#note(asked, ended, {startedAt, tookMs: monotonicMs() - dueAt, connection: kept === undefined ? 'new' : 'kept'})
      if (asked.alone) connection.close()
      else this.#keep(asked.via, connection)
    })
  }

  /** The one that was idle longest, so that all of them are used. */
  #take(via: Via): Connection | undefined {
    for (;;) {
      const connection = this.#idle[via].shift()
      if (connection === undefined || connection.isUsable) return connection
    }
  }

  #open(via: Via): Connection {
    const connection = new Connection(this.#settings.ports[via], () => {
      const at = this.#idle[via].indexOf(connection)
      if (at >= 0) this.#idle[via].splice(at, 1)
    })
    return connection
  }

  #keep(via: Via, connection: Connection): void {
    if (!connection.isUsable) return
    if (this.#idle[via].length < keptMax[via]) this.#idle[via].push(connection)
    else connection.close()
  }

  #note(asked: Asked, ended: Ended, how: {startedAt: number; tookMs: number; connection: 'kept' | 'new'}): void {
    const {shape, via, user} = asked
    const {cause, detail} = 'answer' in ended ? judge(asked, ended.answer) : {cause: ended.cause, detail: ''}
    const headers = 'answer' in ended ? ended.answer.headers : undefined
    if (cause !== '') this.#failed += 1
    const release = Number(headers?.get('x-release') ?? 0)
    const instance = headers?.get('x-instance') ?? ''
    this.#file.write(lineOf({...how, shape, via, user, release, instance, cause, detail}))
  }

  /** Writes out everything noted. */
  flush(): Promise<void> {
    for (const connection of [...this.#idle.router, ...this.#idle.proxy]) connection.close()
    return new Promise(resolve => {
      this.#file.end(() => resolve())
    })
  }
}

const run = (settings: LoadSettings): void => {
  const load = new Load(settings)
  const ticking = setInterval(() => load.tick(), tickMs)
  const reporting = setInterval(() => process.send?.(load.report), reportMs)
  const end = async (): Promise<void> => {
    clearInterval(ticking)
    while (load.inFlight > 0) await new Promise(resolve => setTimeout(resolve, 20))
    clearInterval(reporting)
    await load.flush()
    process.send?.(load.report, () => process.exit(0))
  }
  process.once('message', () => void end())
  process.once('disconnect', () => process.exit(1))
}

run(JSON.parse(process.argv[2] ?? '') as LoadSettings)
