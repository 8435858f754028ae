// The table in force as people get to see it at `/table`. Describes; decides nothing.
import type {Role} from './destination.ts'
import type {Directory} from './directory.ts'
import type {Upstreams} from './upstreams.ts'

/** What one process thinks of an instance. */
export interface UpstreamView {
  readonly name: string
  readonly address: string
  readonly inFlight: number
  readonly ejectedForMs: number
}

/** Routes in order and the endpoints known, with how current they are. */
export const describeDirectory = (role: Role['name'], directory: Directory) => ({
  role,
  controlPlane: {reachable: !directory.outOfReach, lastAnswerAt: directory.lastAnswerAt ?? null},
  routes: {
    version: directory.routesVersion,
    items: directory.table.routes.map(({route}) => route),
    unreadable: directory.table.unreadable,
  },
  formations: Object.fromEntries(
    [...directory.formations].map(([name, {version, loaded, named, endpoints, traffic}]) => [
      name,
      {version, loaded, named, endpoints, traffic},
    ]),
  ),
})

/** Instances this process has sent requests to. */
export const describeUpstreams = (upstreams: Upstreams, now: number): UpstreamView[] =>
  upstreams.all.map(({name, host, port, inFlight, ejectedUntil}) => ({
    name,
    address: `${host}:${port}`,
    inFlight,
    ejectedForMs: Math.max(0, ejectedUntil - now),
  }))

/** What several processes think of the same instances: requests are added up, the longest ejection counts. */
export const mergeUpstreams = (views: readonly (readonly UpstreamView[])[]): UpstreamView[] => {
  const merged = new Map<string, UpstreamView>()
  for (const view of views.flat()) {
    const key = `${view.name} ${view.address}`
    const before = merged.get(key)
    if (before === undefined) merged.set(key, view)
    else {
      const inFlight = before.inFlight + view.inFlight
      merged.set(key, {...view, inFlight, ejectedForMs: Math.max(before.ejectedForMs, view.ejectedForMs)})
    }
  }
  return [...merged.values()]
}
