// The admin listener: health, readiness, metrics and the current table. Read-only; not meant for the outside. Asks whoever serves, in this process or others.
import {createServer, type Server, type ServerResponse} from 'node:http'

/** `ok` decides the status; the rest is for people. */
export interface Readiness {
  readonly ok: boolean
  readonly [detail: string]: unknown
}

export interface AdminSource {
  readonly readiness: () => Readiness
  /** In the text format of Prometheus. */
  readonly metrics: () => Promise<string>
  /** Everything that is routed by. */
  readonly table: () => Promise<unknown>
}

const metricsType = 'text/plain; version=0.0.4; charset=utf-8'

const answer = (response: ServerResponse, status: number, body: unknown): void => {
  const text = `${JSON.stringify(body, undefined, 2)}\n`
  response.writeHead(status, {'content-type': 'application/json', 'cache-control': 'no-store'}).end(text)
}

const serve = async (path: string | undefined, source: AdminSource, response: ServerResponse): Promise<void> => {
  if (path === '/healthz') answer(response, 200, {ok: true})
  else if (path === '/readyz') {
    const readiness = source.readiness()
    answer(response, readiness.ok ? 200 : 503, readiness)
  } else if (path === '/table') answer(response, 200, await source.table())
  else if (path === '/metrics') response.writeHead(200, {'content-type': metricsType}).end(await source.metrics())
  else answer(response, 404, {detail: 'There are /healthz, /readyz, /metrics and /table.'})
}

/** A server with `/healthz`, `/readyz` (200 once a table has been loaded and until draining), `/metrics` and `/table`. */
export const createAdmin = (source: AdminSource): Server =>
  createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, {detail: 'GET only'})
    else serve(request.url?.split('?')[0], source, response).catch((error: unknown) => answer(response, 500, {detail: String(error)}))
  })

/** Ends the admin listener and whoever is connected to it. */
export const closeAdmin = (server: Server): Promise<void> =>
  new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
