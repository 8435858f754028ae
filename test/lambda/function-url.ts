// A function URL: every request goes to one function as it is, in payload v2, with nothing matched.
import {randomUUID} from 'node:crypto'
import {once} from 'node:events'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import type {APIGatewayProxyStructuredResultV2} from 'aws-lambda'
import {toEvent, writeResult} from '#local/gateway-event.ts'

/** Calls the function. */
export type Invoke = (event: unknown) => Promise<unknown>

/** Listens on a port of 127.0.0.1; `invoke` is asked for with each request, so that the function may start later. */
export const startFunctionUrl = async (invoke: Invoke) => {
  let calls = 0
  const server = createServer(async (request, response) => {
    calls += 1
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const url = new URL(request.url ?? '/', 'http://function')
    const routed = {path: url.pathname, query: url.search.slice(1), routeKey: '$default', pathParameters: {}}
    const event = toEvent({request, ...routed, body: Buffer.concat(chunks), requestId: randomUUID(), now: Date.now()})
    writeResult((await invoke(event)) as APIGatewayProxyStructuredResultV2, response, false)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    calls: () => calls,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
