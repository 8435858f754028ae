// The workers of one router or proxy: one for each socket, replaced when it dies, and all of them when asked to. Owns when workers start and end.

import {backoffMs} from '#shared/domain/backoff.ts'
import type {Logger} from '#shared/log.ts'
import type {Drain} from '../listener.ts'
import type {WorkerProcess} from './process.ts'
import type {HeldSocket} from './sockets.ts'

/** A worker that dies sooner than this counts as failing; after the second in a row, the next one waits. */
const wellMs = 10_000
const restartBaseMs = 100
const restartMsMax = 5_000
/** New workers of a reload have this long to get ready. */
const reloadTimeoutMs = 30_000
/** For each socket, this many replaced workers may still be finishing; the oldest has to hurry then. */
const drainingMax = 4
const hurry: Drain = {acceptMs: 0, idleMs: 0, timeoutMs: 1_000}
/** A worker that has not ended this long after its drain is over is killed. */
const killAfterMs = 1_000

export interface CrewOptions {
  readonly sockets: readonly HeldSocket[]
  readonly spawn: (socket: HeldSocket, onChange: (worker: WorkerProcess) => void) => WorkerProcess
  /** How a worker ends that was replaced. */
  readonly replaced: Drain
  /** A worker is gone; its report is its last. */
  readonly onGone: (worker: WorkerProcess) => void
  readonly log: Logger
  readonly now: () => number
}

interface Slot {
  readonly socket: HeldSocket
  current: WorkerProcess
  /** Deaths in a row. */
  failures: number
  timer?: NodeJS.Timeout
}

export class Crew {
  readonly #options: CrewOptions
  readonly #slots: Slot[] = []
  readonly #workers = new Set<WorkerProcess>()
  readonly #looks = new Set<() => void>()
  #isStopping = false
  #reloading: Promise<void> | undefined
  #again = false

  constructor(options: CrewOptions) {
    this.#options = options
  }

  /** All that run, those that are ending too. */
  get workers(): readonly WorkerProcess[] {
    return [...this.#workers]
  }

  get isStopping(): boolean {
    return this.#isStopping
  }

  #spawn(socket: HeldSocket): WorkerProcess {
    const worker = this.#options.spawn(socket, changed => this.#changed(changed))
    this.#workers.add(worker)
    return worker
  }

  #changed(worker: WorkerProcess): void {
    if (worker.isGone) {
      this.#workers.delete(worker)
      this.#options.onGone(worker)
      const slot = this.#slots.find(({current}) => current === worker)
      if (slot !== undefined && !this.#isStopping) this.#replace(slot, worker)
    }
    for (const look of [...this.#looks]) look()
  }

  #replace(slot: Slot, {id, pid, end, startedAt}: WorkerProcess): void {
    const {log, now} = this.#options
    slot.failures = now() - startedAt >= wellMs ? 0 : slot.failures + 1
    const waitMs = slot.failures < 2 ? 0 : backoffMs(slot.failures - 1, restartBaseMs, restartMsMax)
    log.error({worker: id, pid, end, waitMs}, 'a worker has died; starting another')
    slot.timer = setTimeout(() => {
      if (!this.#isStopping) slot.current = this.#spawn(slot.socket)
    }, waitMs)
  }

  /** Resolves with true when `condition` holds, with false after `timeoutMs`. */
  #until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    return new Promise(resolve => {
      const end = (held: boolean): void => {
        clearTimeout(timer)
        this.#looks.delete(look)
        resolve(held)
      }
      const look = (): void => {
        if (condition()) end(true)
      }
      const timer = setTimeout(end, timeoutMs, false)
      this.#looks.add(look)
      look()
    })
  }

  /** Starts the workers. True when every one takes connections; false, with all of them ended, when one can not be started. */
  async start(): Promise<boolean> {
    for (const socket of this.#options.sockets) this.#slots.push({socket, current: this.#spawn(socket), failures: 0})
    const first = this.#slots.map(({current}) => current)
    await this.#until(() => first.some(({isGone}) => isGone) || first.every(({state}) => state !== 'starting'), reloadTimeoutMs)
    if (first.every(({state}) => state === 'listening' || state === 'ready')) return true
    await this.stop(hurry)
    return false
  }

  /** Replaces all workers by ones of the program on disk: those get ready first, then these finish what they have. Asked for meanwhile, once more. */
  reload(): Promise<void> {
    if (this.#reloading !== undefined) this.#again = true
    this.#reloading ??= this.#reload().finally(() => {
      this.#reloading = undefined
      if (!this.#again || this.#isStopping) return
      this.#again = false
      return this.reload()
    })
    return this.#reloading
  }

  async #reload(): Promise<void> {
    const {log} = this.#options
    if (this.#isStopping) return
    const next = this.#slots.map(slot => ({slot, worker: this.#spawn(slot.socket)}))
    const isReady = (): boolean => next.every(({worker}) => worker.state === 'ready')
    await this.#until(() => this.#isStopping || isReady() || next.some(({worker}) => worker.isGone), reloadTimeoutMs)
    if (this.#isStopping) return
    if (!isReady()) {
      log.error({why: whyNot(next.map(({worker}) => worker))}, 'the new workers do not get ready; the old ones stay')
      for (const {worker} of next) this.#retire(worker, hurry)
      return
    }
    for (const {slot, worker} of next) {
      clearTimeout(slot.timer)
      this.#retire(slot.current, this.#options.replaced)
      Object.assign(slot, {current: worker, failures: 0})
    }
    log.info({workers: next.length}, 'reloaded')
    const draining = this.workers.filter(({state}) => state === 'draining').sort((a, b) => a.startedAt - b.startedAt)
    for (const worker of draining.slice(0, -drainingMax * this.#slots.length)) worker.drain(hurry)
  }

  /** Ends a worker as `drain` says; one that does not listen is killed. */
  #retire(worker: WorkerProcess, drain: Drain): void {
    worker.drain(drain)
    void this.#until(() => worker.isGone, drain.timeoutMs + killAfterMs).then(isGone => {
      if (!isGone) worker.kill()
    })
  }

  /** Ends all workers. */
  async stop(drain: Drain): Promise<void> {
    this.#isStopping = true
    for (const slot of this.#slots) clearTimeout(slot.timer)
    for (const worker of this.#workers) worker.drain(drain)
    for (const socket of this.#options.sockets) socket.close()
    if (await this.#until(() => this.#workers.size === 0, drain.timeoutMs + killAfterMs)) return
    for (const worker of this.#workers) worker.kill()
    await this.#until(() => this.#workers.size === 0, killAfterMs)
  }
}

const whyNot = (workers: readonly WorkerProcess[]): string => {
  if (workers.some(({isForeign}) => isForeign)) return 'the program on disk is of a version that this process can not lead: restart it'
  const gone = workers.find(({isGone}) => isGone)
  return gone === undefined ? `no table after ${reloadTimeoutMs / 1_000} s` : `one ended (${gone.end})`
}
