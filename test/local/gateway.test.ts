// The gateway over real sockets: which function is called with which event, and every refusal of its own.
import assert from 'node:assert/strict'
import {request as httpRequest} from 'node:http'
import {connect} from 'node:net'
import {after, test} from 'node:test'
import type {APIGatewayProxyEventV2} from 'aws-lambda'
import {type GatewayFunction, startGateway} from '#local/gateway.ts'
import {compileRoutes} from '#local/gateway-routes.ts'
import {type Endpoint, endpoints, type FunctionName} from '#shared/endpoints.ts'
import {createLogger} from '#shared/log.ts'

const log = createLogger('test', {level: 'silent'})
const events: APIGatewayProxyEventV2[] = []
const echo =
  (name: FunctionName): GatewayFunction =>
  async event => {
    events.push(event)
    if (event.headers['x-test'] === 'throw') throw new Error('broken')
    if (event.headers['x-test'] === 'binary')
      return {statusCode: 200, body: Buffer.from([0, 255]).toString('base64'), isBase64Encoded: true}
    if (event.headers['x-test'] === 'empty') return {statusCode: 204, cookies: ['a=1', 'b=2']}
    return {statusCode: 201, headers: {'content-type': 'application/json'}, body: JSON.stringify({name})}
  }
const names: readonly FunctionName[] = ['formations', 'executors', 'registry', 'routing', 'artifacts', 'logs', 'access']
const functions = Object.fromEntries(names.map(name => [name, echo(name)])) as Record<FunctionName, GatewayFunction>
const start = () => startGateway({table: endpoints, functions, port: 0, now: () => 1_700_000_000_000, log})
const gateway = await start()
const base = `http://127.0.0.1:${gateway.port}`
after(() => gateway.close())

const last = (): APIGatewayProxyEventV2 => {
  const event = events.at(-1)
  assert.ok(event)
  return event
}

test('every endpoint of the table finds its function and its parameters', () => {
  const match = compileRoutes(endpoints)
  for (const endpoint of Object.values(endpoints) as Endpoint[]) {
    const path = endpoint.path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => `a%20${name}`)
    const found = match(endpoint.method, path)
    assert.ok(found.outcome === 'found', endpoint.path)
    assert.equal(found.route.routeKey, `${endpoint.method} ${endpoint.path}`)
    assert.equal(found.route.function, endpoint.function)
    for (const [name, value] of Object.entries(found.pathParameters)) assert.equal(value, `a ${name}`)
  }
})

test('refuses a table in which two endpoints are the same', () => {
  const one = endpoints.getHealth
  assert.throws(() => compileRoutes({one, two: one}), /two endpoints match GET \/v1\/health/)
})

test('makes a payload v2 event', async () => {
  const answer = await fetch(`${base}/v1/registry/crm/users.a%2Fb?ttl=5&x=1&x=2`, {
    method: 'PUT',
    headers: {'content-type': 'application/json', cookie: 'a=1; b=2', 'x-two': 'y'},
    body: '{"host":"ü"}',
  })
  assert.equal(answer.status, 201)
  assert.deepEqual(await answer.json(), {name: 'registry'})
  const event = last()
  assert.equal(event.version, '2.0')
  assert.equal(event.routeKey, 'PUT /v1/registry/{formation}/{name}')
  assert.equal(event.rawPath, '/v1/registry/crm/users.a%2Fb')
  assert.equal(event.rawQueryString, 'ttl=5&x=1&x=2')
  assert.deepEqual(event.queryStringParameters, {ttl: '5', x: '1,2'})
  assert.deepEqual(event.pathParameters, {formation: 'crm', name: 'users.a/b'})
  assert.deepEqual(event.cookies, ['a=1', 'b=2'])
  assert.equal(event.body, '{"host":"ü"}')
  assert.equal(event.isBase64Encoded, false)
  assert.equal(event.requestContext.http.method, 'PUT')
  assert.equal(event.requestContext.http.sourceIp, '127.0.0.1')
  assert.equal(event.requestContext.stage, '$default')
  assert.equal(event.requestContext.timeEpoch, 1_700_000_000_000)
  assert.match(event.requestContext.requestId, /^[0-9a-f-]{36}$/)
})

test('a body that is not text travels as base64, both ways', async () => {
  const headers = {'content-type': 'application/octet-stream', 'x-test': 'binary'}
  const answer = await fetch(`${base}/v1/formations`, {method: 'POST', headers, body: new Uint8Array([1, 200])})
  assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), new Uint8Array([0, 255]))
  assert.equal(last().isBase64Encoded, true)
  assert.deepEqual(Buffer.from(last().body ?? '', 'base64'), Buffer.from([1, 200]))
})

test('a result without a body has none, and cookies become headers', async () => {
  const answer = await fetch(`${base}/v1/routes/x`, {method: 'DELETE', headers: {'x-test': 'empty'}})
  assert.equal(answer.status, 204)
  assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2'])
  assert.equal(last().body, undefined)
})

test('refuses in problem+json what no function answers', async () => {
  for (const [method, path, status, code] of [
    ['GET', '/', 404, 'not_found'],
    ['GET', '/v1/nothing', 404, 'not_found'],
    ['GET', '/v1/formations/', 404, 'not_found'],
    ['GET', '/v1/formations//releases', 404, 'not_found'],
    ['PATCH', '/v1/formations', 405, 'method_not_allowed'],
    ['DELETE', '/v1/formations', 405, 'method_not_allowed'],
    ['GET', '/v1/formations/%E0%A4%A', 400, 'invalid_request'],
    ['GET', '/v1/formations', 500, 'internal'],
  ] as const) {
    const answer = await fetch(base + path, {method, headers: {'x-test': 'throw'}})
    assert.equal(answer.status, status, `${method} ${path}`)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
    const body = (await answer.json()) as {code: string; requestId: string; detail: string}
    assert.equal(body.code, code)
    assert.equal(body.requestId, answer.headers.get('x-request-id'))
    assert.doesNotMatch(body.detail, /broken/)
    if (status === 405) assert.equal(answer.headers.get('allow'), 'GET, POST')
  }
})

test('answers 413 to a body beyond the limit, with and without a length', async () => {
  const body = 'x'.repeat(2_000_000)
  const before = events.length
  const whole = await fetch(`${base}/v1/formations`, {method: 'POST', body})
  assert.equal(whole.status, 413)
  const chunked = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest(`${base}/v1/formations`, {method: 'POST'}, response => resolve(response.resume().statusCode))
    request.once('error', reject)
    for (let i = 0; i < 20; i++) request.write(body.slice(0, 100_000))
    request.end()
  })
  assert.equal(chunked, 413)
  assert.equal(events.length, before)
})

test('takes the absolute form of a target, and survives what is not HTTP', async () => {
  const text = await new Promise<string>(resolve => {
    const socket = connect(gateway.port, '127.0.0.1')
    let answer = ''
    socket.on('data', data => {
      answer += data
    })
    socket.on('close', () => resolve(answer))
    socket.write('GET http://any.host/v1/health?a=b HTTP/1.1\r\nhost: any.host\r\nconnection: close\r\n\r\n')
  })
  assert.match(text, /^HTTP\/1.1 201 /)
  assert.equal(last().rawQueryString, 'a=b')
  const closed = await new Promise<boolean>(resolve => {
    const socket = connect(gateway.port, '127.0.0.1')
    socket.resume()
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(true))
    socket.write('\0\0\0 nonsense\r\n\r\n')
  })
  assert.ok(closed)
  assert.equal((await fetch(`${base}/v1/health`)).status, 201)
})

test('closing answers what is under way and refuses what is new', async () => {
  let release: (() => void) | undefined
  const held = new Promise<void>(resolve => {
    release = resolve
  })
  let entered: (() => void) | undefined
  const inside = new Promise<void>(resolve => {
    entered = resolve
  })
  const access: GatewayFunction = async () => {
    entered?.()
    await held
    return {statusCode: 200, body: 'done'}
  }
  const own = await startGateway({table: endpoints, functions: {...functions, access}, port: 0, now: Date.now, log})
  const answer = fetch(`http://127.0.0.1:${own.port}/v1/health`)
  await inside
  const closed = own.close()
  await assert.rejects(fetch(`http://127.0.0.1:${own.port}/v1/health`))
  release?.()
  assert.equal(await (await answer).text(), 'done')
  await closed
})

test('a taken port is an error that says so', async () => {
  await assert.rejects(startGateway({table: endpoints, functions, port: gateway.port, now: Date.now, log}), {code: 'EADDRINUSE'})
})
