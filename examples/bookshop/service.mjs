// What every Node service of the bookshop does the same way: answers JSON over HTTP, says that it is healthy, calls its neighbours and ends gracefully.
// Needs nothing but Node. Knows no service of the shop.
import {once} from 'node:events'
import {createServer, get} from 'node:http'

const formation = process.env.GILLIAM_FORMATION ?? 'bookshop'
const callTimeoutMs = 5_000
const closeTimeoutMs = 5_000

/** An answer that is not 200. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/** Who answered: `users.4k2x9q0c1z`, so that a caller sees balancing and replacement at work. */
export const me = `${process.env.GILLIAM_SERVICE ?? 'local'}.${process.env.GILLIAM_INSTANCE ?? process.pid}`

const readJson = async response => {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

/** One GET: `{status, body}`, with what the body says as JSON, or `{}`. Rejects when there is no answer within {@link callTimeoutMs}. */
const getJson = async url => {
  const request = get(url, {signal: AbortSignal.timeout(callTimeoutMs)})
  const [response] = await once(request, 'response')
  return {status: response.statusCode, body: await readJson(response)}
}

/**
 * GETs JSON from another service of this formation, at `http://<service>.<formation>.service/…`. The agent sets HTTP_PROXY and NODE_USE_ENV_PROXY=1, so
 * node:http sends it to the proxy, which picks an instance for each request. (Node's `fetch` works too, but it opens a tunnel and stays with the one
 * instance at its end.) Throws a {@link Refusal} of 404 or 502.
 */
export const ask = async (service, path) => {
  const {status, body} = await getJson(`http://${service}.${formation}.service${path}`).catch(error => {
    throw new Refusal(502, `${service} can not be reached: ${error.message}`)
  })
  if (status === 200) return body
  throw new Refusal(status === 404 ? 404 : 502, body.detail ?? body.error ?? `${service} answered ${status}`)
}

const send = (response, status, body) => {
  const html = typeof body === 'string'
  response.writeHead(status, {'content-type': html ? 'text/html; charset=utf-8' : 'application/json', 'x-served-by': me})
  response.end(html ? body : `${JSON.stringify(body)}\n`)
}

const answer = async (handle, request, response) => {
  const url = new URL(request.url, 'http://service')
  try {
    if (url.pathname === '/healthz') return send(response, 200, {ok: true, servedBy: me})
    send(response, 200, await handle(decodeURIComponent(url.pathname), url.searchParams))
  } catch (error) {
    if (!(error instanceof Refusal)) console.error(error)
    send(response, error.status ?? 500, {error: error.message, servedBy: me})
  }
}

/** Serves `handle(path, query)` on $PORT until SIGTERM; then finishes what was begun, calls `end`, and exits 0. */
export const serve = (handle, end = () => {}) => {
  const server = createServer((request, response) => answer(handle, request, response))
  server.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? '127.0.0.1', () =>
    console.log(`${me} listens on ${server.address().port}`),
  )
  process.once('SIGTERM', () => {
    console.log(`${me} stops`)
    setTimeout(() => process.exit(1), closeTimeoutMs).unref()
    end()
    server.close(() => process.exit(0))
    server.closeIdleConnections()
  })
}
