// The health checks under way, one per instance whose process runs. Owns when watching begins and ends.
import {healthCheckOf} from './checks.ts'
import {type Watching, watchHealth} from './health.ts'
import type {InstanceRecord} from './instance.ts'

export class Monitors {
  readonly #host: string
  readonly #random: () => number
  readonly #stops = new Map<string, () => void>()

  constructor(options: {host: string; random: () => number}) {
    this.#host = options.host
    this.#random = options.random
  }

  /** Begins or ends watching, as the record asks. */
  attend(record: InstanceRecord, on: Watching): void {
    const stop = this.#stops.get(record.key)
    if (record.phase !== 'up') {
      stop?.()
      this.#stops.delete(record.key)
      return
    }
    if (stop !== undefined) return
    const check = healthCheckOf(record.assignment)
    const port = check === undefined ? undefined : record.ports[check.port]
    if (check === undefined || port === undefined) return
    const options = {healthyNow: record.announced, random: this.#random}
    this.#stops.set(record.key, watchHealth(check, {host: record.host ?? this.#host, port}, on, options))
  }

  close(): void {
    for (const stop of this.#stops.values()) stop()
    this.#stops.clear()
  }
}
