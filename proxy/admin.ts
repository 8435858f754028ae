// The admin listener: health, readiness, metrics and the current table. Read-only; not meant for the outside.
import {createServer, type Server, type ServerResponse} from 'node:http'
import type {Directory} from './directory.ts'
import type {Metrics} from './metrics.ts'
import type {Upstreams} from './upstreams.ts'

export interface AdminOptions {
  readonly role: string
  readonly directory: Directory
  readonly upstreams: Upstreams
  readonly metrics: Metrics
  readonly draining: () => boolean
  readonly now: () => number
}

const answer = (response: ServerResponse, status: number, body: unknown): void => {
  const text = `${JSON.stringify(body, undefined, 2)}\n`
  response.writeHead(status, {'content-type': 'application/json', 'cache-control': 'no-store'}).end(text)
}

/** Everything the process routes by, for people. */
const tableOf = ({role, directory, upstreams, now}: AdminOptions): unknown => ({
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
  upstreams: upstreams.all.map(({name, host, port, inFlight, ejectedUntil}) => ({
    name,
    address: `${host}:${port}`,
    inFlight,
    ejectedForMs: Math.max(0, ejectedUntil - now()),
  })),
})

/** A server with `/healthz`, `/readyz` (200 once a table has been loaded and until draining), `/metrics` and `/table`. */
export const createAdmin = (options: AdminOptions): Server => {
  const {directory, metrics, draining} = options
  return createServer((request, response) => {
    const path = request.url?.split('?')[0]
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, {detail: 'GET only'})
    else if (path === '/healthz') answer(response, 200, {ok: true})
    else if (path === '/readyz') {
      const ok = directory.loaded && !draining()
      answer(response, ok ? 200 : 503, {ok, tableLoaded: directory.loaded, draining: draining()})
    } else if (path === '/table') answer(response, 200, tableOf(options))
    else if (path === '/metrics') {
      metrics.registry.metrics().then(
        text => response.writeHead(200, {'content-type': metrics.registry.contentType}).end(text),
        (error: unknown) => answer(response, 500, {detail: String(error)}),
      )
    } else answer(response, 404, {detail: 'There are /healthz, /readyz, /metrics and /table.'})
  })
}

/** Ends the admin listener and whoever is connected to it. */
export const closeAdmin = (server: Server): Promise<void> =>
  new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
