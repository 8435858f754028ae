// How long the routing table takes to compile and to ask, by its size, against trying one regular expression per route in turn. CPU time of one thread.
// Every run compiles anew, the first included: it is what a router pays at its start.
//   npm run bench -- routes [--quick] [--json]
import type {Route} from '#shared/domain/registry.ts'
import {compileTable, findRoute} from '#shared/domain/route-table.ts'
import {compilePattern} from '#shared/patterns.ts'
import type {Bench, Row} from './bench.ts'

const lookupsMeasured = 100_000
/** Distinct requests asked in turn: more than fit any cache of a processor would measure memory, fewer would measure luck. */
const requestsMax = 1_000
const linearRoutesMax = 10_000

type Request = readonly [host: string, path: string]
interface Sample {
  readonly routes: readonly Route[]
  readonly requests: readonly Request[]
}

/** What route number `i` looks like: half plain text, a third with variables, the rest catch-alls and patterns; three hosts in four, then any. */
const kinds: readonly ((i: number) => readonly [template: string, path: string])[] = [
  i => [`/service-${i}/list`, `/service-${i}/list`],
  i => [`/service-${i}/{id}`, `/service-${i}/4711`],
  i => [`/service-${i}`, `/service-${i}`],
  i => [`/service-${i}/{id}/items/{item:[0-9]+}`, `/service-${i}/4711/items/42`],
  i => [`/v1/service-${i}/status`, `/v1/service-${i}/status`],
  i => [`/files-${i}/{rest:.*}`, `/files-${i}/a/b/c.txt`],
]

const sample = (count: number): Sample => {
  const made = Array.from({length: count}, (_, i) => {
    const [template, path] = kinds[i % kinds.length]?.(i) ?? ['/', '/']
    const isAny = i % 4 === 3
    const host = `host-${i % Math.ceil(count / 20)}.example.com`
    const route: Route = {name: `r${i}`, domain: isAny ? '*' : host, path: template, target: 'users.crm.service'}
    return {route, request: [isAny ? 'elsewhere.example.org' : host, path] satisfies Request}
  })
  const step = Math.max(1, Math.floor(count / requestsMax))
  return {routes: made.map(({route}) => route), requests: made.filter((_, i) => i % step === 0).map(({request}) => request)}
}

const cpuMs = (task: () => void): number => {
  const before = process.cpuUsage()
  task()
  const {user, system} = process.cpuUsage(before)
  return (user + system) / 1_000
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

/** A candidate compiles routes into a function that says whether a request has a route. */
type Candidate = (routes: readonly Route[]) => (host: string, path: string) => boolean

const gilliam: Candidate = routes => {
  const table = compileTable(routes, compilePattern)
  return (host, path) => findRoute(table, host, path) !== undefined
}

const linear: Candidate = routes => {
  const tried = routes.map(({domain, path}) => ({
    domain,
    pattern: new RegExp(`^${path.replace(/\{\w+:([^}]*)\}/g, '($1)').replace(/\{\w+\}/g, '([^/]+)')}$`),
  }))
  return (host, path) => tried.some(({domain, pattern}) => (domain === '*' || domain === host) && pattern.test(path))
}

const measure = (candidate: string, make: Candidate, {routes, requests}: Sample, runs: number): Row => {
  let find: ReturnType<Candidate> = () => false
  const compiled = Array.from({length: runs}, () =>
    cpuMs(() => {
      find = make(routes)
    }),
  )
  const lookups = candidate === 'gilliam' ? lookupsMeasured : Math.min(lookupsMeasured, Math.ceil(2e8 / routes.length / 100))
  const ask = (): void => {
    for (let i = 0; i < lookups; i++) {
      const [host, path] = requests[i % requests.length] as Request
      if (!find(host, path)) throw new Error(`${candidate} finds no route for ${host}${path}`)
    }
  }
  ask()
  const asked = Array.from({length: runs}, () => (cpuMs(ask) * 1_000) / lookups)
  return {
    candidate,
    scenario: 'mixed routes',
    routes: routes.length,
    firstCompileCpuMs: rounded(compiled[0] ?? 0, 1),
    compileCpuMs: rounded(median(compiled), 1),
    lookupCpuMicros: rounded(median(asked), 2),
  }
}

export const run: Bench = async ({quick, progress}) => {
  const rows: Row[] = []
  // The largest first: nothing is warm when it compiles for the first time.
  for (const count of [100_000, 10_000, 1_000, 100]) {
    const made = sample(count)
    for (const [name, candidate] of [
      ['gilliam', gilliam],
      ['one after the other', linear],
    ] as const) {
      if (candidate === linear && count > linearRoutesMax) continue
      progress(`${count} routes: ${name}`)
      rows.push(measure(name, candidate, made, quick ? 3 : 7))
    }
  }
  return rows
}
