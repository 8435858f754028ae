// The figures Prometheus collects. Owns their names and keeps the number of label values bounded.
import {Counter, Gauge, Histogram, Registry} from 'prom-client'
import type {Directory} from './directory.ts'
import type {Entry} from './report.ts'

/** More services than this are counted together as `other`. */
export const servicesLabelledMax = 500
const durationSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export interface Metrics {
  readonly registry: Registry
  readonly report: (entry: Entry) => void
  readonly retried: () => void
  readonly ejected: () => void
  readonly tunnels: {inc: () => void; dec: () => void}
}

/** Gauges that are read off the directory when somebody collects. */
const watchDirectory = (registry: Registry, directory: Directory, now: () => number): void => {
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value())
      },
    })
  }
  gauge('gilliam_proxy_routes', 'Routes in the table', () => directory.table.routes.length)
  gauge('gilliam_proxy_formations', 'Formations watched', () => directory.formations.size)
  gauge('gilliam_proxy_control_plane_reachable', '1 when the last poll was answered', () => (directory.outOfReach ? 0 : 1))
  gauge('gilliam_proxy_table_age_seconds', 'Since the feed last answered; -1 when it never has', () =>
    directory.lastAnswerAt === undefined ? -1 : (now() - directory.lastAnswerAt) / 1_000,
  )
}

/** Bounds a label: known values stay, new ones beyond the limit become `other`. */
const createLabels = (max: number): ((value: string) => string) => {
  const known = new Set<string>()
  return value => {
    if (!known.has(value) && known.size >= max) return 'other'
    known.add(value)
    return value
  }
}

/** Metrics of one process, in a registry of their own. */
export const createMetrics = (directory: Directory, now: () => number): Metrics => {
  const registry = new Registry()
  const registers = [registry]
  const requests = new Counter({
    name: 'gilliam_proxy_requests_total',
    help: 'Requests that are over, by kind, service address and status',
    labelNames: ['kind', 'service', 'status'] as const,
    registers,
  })
  const durations = new Histogram({
    name: 'gilliam_proxy_request_seconds',
    help: 'From the request’s head to the end of the answer, HTTP only',
    labelNames: ['service'] as const,
    buckets: durationSeconds,
    registers,
  })
  const errors = new Counter({
    name: 'gilliam_proxy_errors_total',
    help: 'Requests we answered with an error of our own, or whose answer broke off',
    labelNames: ['code'] as const,
    registers,
  })
  const retries = new Counter({name: 'gilliam_proxy_retries_total', help: 'Requests given to another instance after one failed', registers})
  const ejections = new Counter({name: 'gilliam_proxy_ejections_total', help: 'Times an instance was passed over for a while', registers})
  const tunnels = new Gauge({name: 'gilliam_proxy_tunnels', help: 'Open WebSockets and CONNECT tunnels', registers})
  watchDirectory(registry, directory, now)
  const bounded = createLabels(servicesLabelledMax)
  return {
    registry,
    report: entry => {
      const {instance, service, formation, code, kind} = entry
      const label = instance === undefined || service === undefined ? '' : bounded(`${service}.${formation}`)
      requests.inc({kind, service: label, status: String(entry.status)})
      if (code !== undefined) errors.inc({code})
      if (kind === 'http' && label !== '') durations.observe({service: label}, entry.durationMs / 1_000)
    },
    retried: () => retries.inc(),
    ejected: () => ejections.inc(),
    tunnels,
  }
}
