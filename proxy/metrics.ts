// The figures Prometheus collects. Owns their names and how many label values there may be; requests are counted in series.ts and only made into samples
// when somebody collects.
import {Counter, Gauge, type LabelValues, Registry} from 'prom-client'
import type {Directory} from './directory.ts'
import type {Entry} from './report.ts'
import {bucketsMs, type Series, SeriesSet} from './series.ts'

/** Sets of kind, route, service and release that are counted by themselves; more of a kind are counted together as `other`. */
export const routeSeriesMax = 2_000
/** Instances that are counted by themselves; more are counted together as `other`. */
export const instanceSeriesMax = 2_000

export interface Metrics {
  readonly registry: Registry
  readonly report: (entry: Entry) => void
  readonly retried: () => void
  readonly ejected: () => void
  readonly tunnels: {inc: () => void; dec: () => void}
  /** Forgets series of what is gone. */
  readonly sweep: () => void
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

type Labels = LabelValues<string>
interface Sample {
  readonly labels: Labels
  readonly value: number
  readonly metricName?: string
}

/** A metric whose samples are made when somebody collects, in place of prom-client's own store, which looks labels up for every request. */
const family = (
  registry: Registry,
  {name, help, type}: {name: string; help: string; type: 'counter' | 'histogram' | 'summary'},
  samples: () => Sample[],
): void => {
  const get = async () => ({name, help, type, aggregator: 'sum', values: samples()})
  registry.registerMetric(Object.assign(new Counter({name, help, registers: []}), {get}))
}

const statusSamples = ({labels, statuses}: Series<Labels>): Sample[] =>
  [...statuses].map(([status, {count}]) => ({labels: {...labels, status}, value: count}))

const sumAndCount = (name: string, {labels, count, sumMs}: Series<Labels>): Sample[] => [
  {metricName: `${name}_sum`, labels, value: sumMs / 1_000},
  {metricName: `${name}_count`, labels, value: count},
]

/** Buckets add up, as Prometheus wants them. */
const histogramSamples = (name: string, series: Series<Labels>): Sample[] => {
  const {labels, buckets} = series
  let below = 0
  const samples = buckets.map((count, at): Sample => {
    below += count
    const le = at < bucketsMs.length ? (bucketsMs[at] as number) / 1_000 : '+Inf'
    return {metricName: `${name}_bucket`, labels: {...labels, le}, value: below}
  })
  return [...samples, ...sumAndCount(name, series)]
}

const serviceOf = ({instance, service, formation}: Entry): Labels =>
  instance === undefined ? {service: '', formation: ''} : {service: `${service}.${formation}`, formation: formation ?? ''}
const routeLabels = (entry: Entry): Labels => ({route: entry.route ?? '', ...serviceOf(entry), release: entry.release ?? ''})
const instanceLabels = (entry: Entry): Labels => ({...serviceOf(entry), release: entry.release ?? '', instance: entry.instance ?? ''})

const other = 'other'
const otherRoute: Labels = {route: other, service: other, formation: other, release: other}
const otherInstance: Labels = {service: other, formation: other, release: other, instance: other}

/** Counts requests, by kind, route and release, and by instance. */
const countRequests = (registry: Registry) => {
  const kinds = {
    http: new SeriesSet(routeSeriesMax, otherRoute),
    upgrade: new SeriesSet(routeSeriesMax, otherRoute),
    connect: new SeriesSet(routeSeriesMax, otherRoute),
  }
  const instances = new SeriesSet(instanceSeriesMax, otherInstance)
  const requests = {name: 'gilliam_proxy_requests_total', help: 'Requests that are over', type: 'counter'} as const
  family(registry, requests, () =>
    Object.entries(kinds).flatMap(([kind, set]) =>
      set.all.flatMap(statusSamples).map(({labels, value}) => ({labels: {kind, ...labels}, value})),
    ),
  )
  const seconds = {
    name: 'gilliam_proxy_request_seconds',
    help: 'From the request’s head to the end of the answer, HTTP that reached an instance',
    type: 'histogram',
  } as const
  family(registry, seconds, () =>
    kinds.http.all.filter(({labels}) => labels.service !== '').flatMap(each => histogramSamples(seconds.name, each)),
  )
  const byInstance = {
    name: 'gilliam_proxy_instance_requests_total',
    help: 'Requests that an instance was the last to get',
    type: 'counter',
  } as const
  family(registry, byInstance, () => instances.all.flatMap(statusSamples))
  const instanceSeconds = {
    name: 'gilliam_proxy_instance_request_seconds',
    help: 'How long those of HTTP took together',
    type: 'summary',
  } as const
  family(registry, instanceSeconds, () => instances.all.flatMap(each => sumAndCount(instanceSeconds.name, each)))
  return {kinds, instances}
}

/** Metrics of one process, in a registry of their own. */
export const createMetrics = (directory: Directory, now: () => number): Metrics => {
  const registry = new Registry()
  const registers = [registry]
  const {kinds, instances} = countRequests(registry)
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
  return {
    registry,
    report: entry => {
      const {kind, instance, route = '', group = '', code} = entry
      kinds[kind].count(route, group, entry, routeLabels)
      if (instance !== undefined && kind === 'http') instances.count(instance, '', entry, instanceLabels)
      if (code !== undefined) errors.inc({code})
    },
    retried: () => retries.inc(),
    ejected: () => ejections.inc(),
    tunnels,
    sweep: () => {
      for (const set of [...Object.values(kinds), instances]) set.sweep(now())
    },
  }
}
