// The feed of router and proxy: the versions they hold come in, what changed goes out.
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

export const discoverOperation =
  (store: Pick<Store, 'registry' | 'routes'>, pace: Pace): Operation<'discover'> =>
  async ({body}, {now}) => {
    const [changed, table] = await Promise.all([
      store.registry.snapshots(body.formations, now),
      body.routes === undefined ? undefined : store.routes.table(body.routes),
    ])
    const formations = Object.fromEntries(changed.map(snapshot => [snapshot.formation, presentSnapshot(snapshot, now)]))
    const isNews = table !== undefined || changed.length > 0
    const nextPollMs = askAgainMs(isNews ? 0 : (body.quietMs ?? 0), pace)
    return table === undefined ? {formations, nextPollMs} : {formations, routes: table, nextPollMs}
  }
