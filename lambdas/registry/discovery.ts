// The feed of router and proxy: the versions they hold come in, what changed goes out.

import {fitting, pageBytesMax} from '#lambdas/middleware/pages.ts'
import type {Operation} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {askAgainMs, type Pace} from '#shared/domain/pace.ts'
import type {Endpoint, FormationSnapshot} from '#shared/domain/registry.ts'

/** Clocks differ, so what ends by itself is told as time left, not as a time. */
const presentEndpoint = ({expiresAt, ...endpoint}: Endpoint, now: number) =>
  expiresAt === undefined ? endpoint : {...endpoint, expiresInMs: Math.max(0, expiresAt - now)}

const presentSnapshot = ({version, endpoints, traffic}: FormationSnapshot, now: number) => ({
  version,
  endpoints: endpoints.map(endpoint => presentEndpoint(endpoint, now)),
  ...(Object.keys(traffic).length === 0 ? {} : {traffic}),
})

/** One formation alone always goes out, unless the table of routes takes its place: readers ask again for what they did not get. */
const roomFor = (snapshots: readonly FormationSnapshot[], tableBytes: number): readonly FormationSnapshot[] => {
  const left = pageBytesMax - tableBytes
  const [first] = fitting(snapshots, left)
  if (first === undefined || (tableBytes > 0 && Buffer.byteLength(JSON.stringify(first)) > left)) return []
  return fitting(snapshots, left)
}

export const discoverOperation =
  (store: Pick<Store, 'registry' | 'routes'>, pace: Pace): Operation<'discover'> =>
  async ({body}, {now}) => {
    const [changed, table] = await Promise.all([
      store.registry.snapshots(body.formations, now),
      body.routes === undefined ? undefined : store.routes.table(body.routes),
    ])
    const told = roomFor(changed, table === undefined ? 0 : Buffer.byteLength(JSON.stringify(table)))
    const formations = Object.fromEntries(told.map(snapshot => [snapshot.formation, presentSnapshot(snapshot, now)]))
    const isNews = table !== undefined || changed.length > 0
    const nextPollMs = askAgainMs(isNews ? 0 : (body.quietMs ?? 0), pace)
    return table === undefined ? {formations, nextPollMs} : {formations, routes: table, nextPollMs}
  }
