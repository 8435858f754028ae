// One worker as its primary sees it: a child process, how far it has come, and what is said to it. Decides nothing about when workers start or end.
import {type ChildProcess, fork} from 'node:child_process'
import type {Spent} from '#shared/domain/rate-limit.ts'
import type {Drain} from '../listener.ts'
import {protocolVersion, type ToPrimary, type ToWorker, type WorkerReport} from './messages.ts'
import type {HeldSocket} from './sockets.ts'
import type {TableFeed} from './table-feed.ts'

/** `starting`: takes no connections yet. `listening`: does, perhaps without a table. `ready`: has one. `draining`: ends when nothing is in flight. */
export type WorkerState = 'starting' | 'listening' | 'ready' | 'draining' | 'gone'

export interface WorkerOptions {
  readonly id: number
  /** The program on disk, its arguments and environment. */
  readonly program: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly socket: HeldSocket
  /** What to begin with, when it can. */
  readonly start: () => Extract<ToWorker, {kind: 'start'}>
  readonly feed: TableFeed
  readonly onChange: (worker: WorkerProcess) => void
  readonly onSpent: (spent: readonly Spent[], worker: WorkerProcess) => void
  readonly now: () => number
}

export class WorkerProcess {
  readonly id: number
  readonly startedAt: number
  state: WorkerState = 'starting'
  /** Of the last time it told; of its whole life once it is gone. */
  report: WorkerReport = {metrics: '', upstreams: []}
  /** Its program speaks another language than we do. */
  isForeign = false
  /** How it ended, for people. */
  end = ''
  readonly #child: ChildProcess
  readonly #options: WorkerOptions
  readonly #reports = new Map<number, () => void>()
  #lastReportId = 0

  constructor(options: WorkerOptions) {
    this.#options = options
    this.id = options.id
    this.startedAt = options.now()
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc', options.socket] as unknown as 'inherit'[]
    this.#child = fork(options.program, [...options.args], {env: {...options.env}, stdio})
    this.#child.on('message', message => this.#onMessage(message as ToPrimary))
    this.#child.once('error', error => this.#gone(error.message))
    this.#child.once('exit', (code, signal) => this.#gone(signal ?? `exit code ${code}`))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get isGone(): boolean {
    return this.state === 'gone'
  }

  #send(message: ToWorker): void {
    // One that is gone meanwhile says so by its end.
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }

  #onMessage(message: ToPrimary): void {
    switch (message.kind) {
      case 'hello':
        this.isForeign = message.protocol !== protocolVersion
        if (this.isForeign) this.kill()
        else this.#send(this.#options.start())
        break
      case 'listening':
      case 'ready':
        if (this.state === 'starting' || this.state === 'listening') this.#become(message.kind)
        break
      case 'discover':
        void this.#options.feed(message.asked).then(discovered => {
          this.#send({kind: 'discovered', id: message.id, ...(discovered === undefined ? {} : {discovered})})
        })
        break
      case 'report':
        this.report = message.report
        this.#reports.get(message.id)?.()
        break
      case 'spent':
        this.#options.onSpent(message.spent, this)
        break
      case 'ended':
        this.report = message.report
    }
  }

  #become(state: WorkerState): void {
    this.state = state
    this.#options.onChange(this)
  }

  #gone(how: string): void {
    if (this.isGone) return
    this.end = how
    for (const resolve of this.#reports.values()) resolve()
    this.#become('gone')
  }

  /** Brings `report` up to date, unless that takes longer than `timeoutMs` or it is gone. */
  async refresh(timeoutMs: number): Promise<void> {
    if (this.isGone) return
    this.#lastReportId += 1
    const id = this.#lastReportId
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#reports.set(id, () => {
        clearTimeout(timer)
        resolve()
      })
      this.#send({kind: 'report', id})
    })
    this.#reports.delete(id)
  }

  /** Tells it to end when nothing is in flight; told again, only to hurry. */
  drain(drain: Drain): void {
    if (this.isGone) return
    this.state = 'draining'
    this.#send({kind: 'drain', drain})
  }

  /** Tells it what another worker let through. */
  charge(spent: readonly Spent[]): void {
    if (!this.isGone && this.state !== 'starting') this.#send({kind: 'spent', spent})
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
