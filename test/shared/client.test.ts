// The typed client against a real server that answers as told.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import {after, before, beforeEach, describe, it} from 'node:test'
import {callTriesMax, createClient} from '#shared/client.ts'
import {GilliamError, problem} from '#shared/errors.ts'

interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

type Answer = (response: ServerResponse, seen: Seen) => void

describe('client', () => {
  let seen: Seen[] = []
  let answers: Answer[] = []
  let api = ''
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const one = {method: request.method, url: request.url, headers: request.headers, body}
    seen.push(one)
    const answer = answers.length > 1 ? answers.shift() : answers[0]
    answer?.(response, one)
  })
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    api = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  beforeEach(() => {
    seen = []
    answers = []
  })

  const json =
    (status: number, body?: unknown): Answer =>
    response =>
      response.writeHead(status, {'content-type': 'application/json'}).end(body === undefined ? undefined : JSON.stringify(body))
  const fail = (code: Parameters<typeof problem>[0], errors?: {path: string; message: string}[]): Answer => {
    const body = problem(code, `it is ${code}`, errors && {errors})
    return json(body.status, body)
  }
  const reset: Answer = response => response.destroy()
  const client = (token = 'gil_admin_x') => createClient({api: `${api}/`, token, random: () => 0})
  const refused = async (promise: Promise<unknown>): Promise<GilliamError> => {
    const error = await promise.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof GilliamError, String(error))
    return error
  }

  it('sends path, query, body and token, and reads the answer', async () => {
    answers = [json(200, {a: 1})]
    const params = {formation: 'crm', name: 'web.a'}
    assert.deepEqual(await client().call('announce', {params, query: {ttl: '5'}, body: {host: 'é'}}), {a: 1})
    assert.deepEqual([seen[0]?.method, seen[0]?.url, seen[0]?.body], ['PUT', '/v1/registry/crm/web.a?ttl=5', '{"host":"é"}'])
    assert.equal(seen[0]?.headers.authorization, 'Bearer gil_admin_x')
    assert.equal(seen[0]?.headers['content-type'], 'application/json')
    await client().call('getLogs', {params: {formation: 'a/b?c'}, query: {service: undefined, cursor: 'a&b=c'}})
    assert.equal(seen[1]?.url, '/v1/formations/a%2Fb%3Fc/logs?cursor=a%26b%3Dc')
    assert.equal(seen[1]?.headers['content-type'], undefined)
    await createClient({api}).call('getHealth')
    assert.equal(seen[2]?.headers.authorization, undefined)
  })

  it('reads an answer without a body as nothing', async () => {
    answers = [json(204)]
    assert.equal(await client().call('deleteRoute', {params: {route: 'x'}}), undefined)
  })

  it('throws what the server said, and does not ask again', async () => {
    const errors = [{path: 'name', message: 'no'}]
    answers = [fail('invalid_request', errors)]
    const error = await refused(client().call('createFormation', {body: {name: 'X'}}))
    assert.deepEqual([error.code, error.message, error.errors], ['invalid_request', 'it is invalid_request', errors])
    assert.equal(seen.length, 1)
  })

  it('asks again when the connection breaks or the control plane says not now, with the same key', async () => {
    answers = [reset, fail('unavailable'), fail('idempotency_in_progress'), json(201, {name: 'crm'})]
    await client().call('createFormation', {body: {name: 'crm'}})
    assert.equal(seen.length, 4)
    const keys = seen.map(({headers}) => headers['idempotency-key'])
    assert.match(String(keys[0]), /^[0-9a-f-]{36}$/)
    assert.equal(new Set(keys).size, 1)
  })

  it('sends a key of its own for each call, or the one it is given', async () => {
    answers = [json(201, {})]
    await client().call('createFormation', {body: {name: 'crm'}})
    await client().call('createFormation', {body: {name: 'crm'}})
    await client().call('createFormation', {body: {name: 'crm'}}, {idempotencyKey: 'mine'})
    await client().call('discover', {body: {formations: {}}})
    const [one, two, given, natural] = seen.map(({headers}) => headers['idempotency-key'])
    assert.notEqual(one, two)
    assert.deepEqual([given, natural], ['mine', undefined])
  })

  it('gives up after a bounded number of tries', async () => {
    answers = [fail('unavailable')]
    assert.equal((await refused(client().call('listFormations'))).code, 'unavailable')
    assert.equal(seen.length, callTriesMax)
    await refused(client().call('listFormations', {}, {triesMax: 1}))
    assert.equal(seen.length, callTriesMax + 1)
  })

  it('says when the control plane can not be reached, and why', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const address = closed.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    closed.close()
    await once(closed, 'close')
    const error = await refused(createClient({api: `http://127.0.0.1:${port}`}).call('getHealth', {}, {triesMax: 2}))
    assert.equal(error.code, 'unavailable')
    assert.match(error.message, new RegExp(`Can not reach the control plane at http://127.0.0.1:${port}: .*ECONNREFUSED`))
  })

  it('ends a try that takes too long, and the call when its caller gives up', async () => {
    answers = [() => undefined]
    const error = await refused(client().call('getHealth', {}, {timeoutMs: 20, triesMax: 1}))
    assert.match(error.message, /no answer within 20 ms/)
    const abort = new AbortController()
    const call = client().call('getHealth', {}, {signal: abort.signal})
    abort.abort(new Error('enough'))
    await assert.rejects(call, /enough/)
    answers = [fail('unavailable')]
    const waiting = new AbortController()
    const repeated = client().call('getHealth', {}, {signal: waiting.signal})
    while (seen.length < 3) await new Promise(resolve => setImmediate(resolve))
    waiting.abort()
    await assert.rejects(repeated, {name: 'AbortError'})
  })

  it('counts a repeated DELETE that finds nothing as done', async () => {
    answers = [reset, fail('not_found')]
    assert.equal(await client().call('deleteRoute', {params: {route: 'x'}}), undefined)
    answers = [fail('not_found')]
    assert.equal((await refused(client().call('deleteRoute', {params: {route: 'x'}}))).code, 'not_found')
    answers = [reset, fail('not_found')]
    assert.equal((await refused(client().call('destroyFormation', {params: {formation: 'x'}}))).code, 'not_found')
  })

  it('says so when something else answers', async () => {
    answers = [response => response.writeHead(200).end('<html>')]
    assert.match((await refused(client().call('listFormations'))).message, /not JSON: is it a Gilliam control plane/)
    answers = [response => response.writeHead(502).end('<html>')]
    assert.equal((await refused(client().call('listFormations', {}, {triesMax: 1}))).code, 'unavailable')
    answers = [json(400, {code: '__proto__', detail: 'x'})]
    assert.equal((await refused(client().call('listFormations'))).code, 'internal')
  })
})
