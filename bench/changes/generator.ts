// The load seen from the benchmark: starts its process, knows how far it is, ends it.
import {type ChildProcess, fork} from 'node:child_process'
import {once} from 'node:events'
import {fileURLToPath} from 'node:url'
import {cpuMsOf} from '../stages/figures.ts'
import type {LoadReport, LoadSettings} from './load.ts'

/** In-flight requests end within the load's own timeout of 10 s. */
const endTimeoutMs = 20_000

export class Generator {
  readonly #child: ChildProcess
  #last: LoadReport = {requests: 0, failed: 0, skipped: 0, heldUpMs: 0}
  #ended = false

  constructor(settings: LoadSettings) {
    this.#child = fork(fileURLToPath(new URL('./load.ts', import.meta.url)), [JSON.stringify(settings)])
    this.#child.on('message', report => {
      this.#last = report as LoadReport
    })
    this.#child.once('exit', () => {
      this.#ended = true
    })
  }

  /** As of the last second. Throws when the load has ended by itself: nothing is measured any more. */
  get report(): LoadReport {
    if (this.#ended) throw new Error('the load has ended by itself')
    return this.#last
  }

  /** CPU time it has used, in milliseconds. */
  get cpuMs(): number {
    return cpuMsOf(this.#child.pid ?? 0)
  }

  /** Sends nothing more, waits for what is in flight; resolves when everything is written down. */
  async stop(): Promise<LoadReport> {
    if (!this.#ended) {
      const exited = once(this.#child, 'exit', {signal: AbortSignal.timeout(endTimeoutMs)})
      this.#child.send('stop')
      await exited
    }
    return this.#last
  }

  /** Ends it at once, if it still runs. */
  kill(): void {
    if (!this.#ended) this.#child.kill('SIGKILL')
  }
}
