// Trailers: passed on both ways where the receiver speaks them, and what may not travel that way.
import assert from 'node:assert/strict'
import type {IncomingMessage} from 'node:http'
import {test} from 'node:test'
import type {RouteOptions} from '#shared/domain/route-options.ts'
import {type Closer, entry, rawCall, startInstance, startRouter} from './rig.ts'

/** An instance that tells of a request's trailers in its answer, and adds its own behind it. */
const routed = async (t: Closer, options: RouteOptions = {}) => {
  const seen: {te: unknown; trailer: unknown}[] = []
  const {port} = await startInstance(t, async (request: IncomingMessage, response) => {
    for await (const _chunk of request);
    seen.push({te: request.headers.te, trailer: request.headers.trailer})
    response.setHeader('trailer', 'X-Sum, X-User')
    response.write(`[${request.rawTrailers.join(' ')}]`)
    response.addTrailers({'X-Sum': '42', 'X-User': 'ada', 'Set-Cookie': 'a=b'})
    response.end()
  })
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', port))
    feed.routeWith(options, '*', '/', 'users.crm.service')
  })
  return {router, seen}
}

const post = (lines: string, version = '1.1'): string => `POST / HTTP/${version}\r\nHost: x\r\nConnection: close\r\n${lines}\r\n`
const body = '3\r\nabc\r\n0\r\nX-Digest: abc\r\nX-User: root\r\nAuthorization: evil\r\nX_More: 1\r\n\r\n'
const chunked = 'Transfer-Encoding: chunked\r\nTrailer: X-Digest\r\n'

test('trailers of a request reach the instance, those of an answer a client that takes them', async t => {
  const {router, seen} = await routed(t)
  const received = await rawCall(router.port, `${post(`${chunked}TE: trailers\r\n`)}${body}`)
  assert.match(received, /\[X-Digest abc X-User root X_More 1\]/)
  assert.match(received, /\r\ntrailer: X-Sum, X-User\r\n/)
  assert.match(received, /\r\n0\r\nX-Sum: 42\r\nX-User: ada\r\n\r\n$/)
  assert.deepEqual(seen, [{te: 'trailers', trailer: 'X-Digest'}])
})

test('who does not ask for trailers, or speaks HTTP/1.0, gets none', async t => {
  const {router, seen} = await routed(t)
  const plain = await rawCall(router.port, `${post('TE: gzip\r\n')}`)
  assert.match(plain, /\r\n\r\n2\r\n\[\]\r\n0\r\n\r\n$/)
  assert.doesNotMatch(plain, /trailer|X-Sum/i)
  const old = await rawCall(router.port, post('TE: trailers\r\n', '1.0'))
  assert.match(old, /\r\n\r\n\[\]$/)
  assert.deepEqual(seen, [
    {te: undefined, trailer: undefined},
    {te: undefined, trailer: undefined},
  ])
})

test('headers that a route changes can not come behind a body instead', async t => {
  const {router} = await routed(t, {requestHeaders: {set: {'x-user': 'nobody'}}, responseHeaders: {remove: ['x-user']}})
  const received = await rawCall(router.port, `${post(`${chunked}TE: trailers\r\n`)}${body}`)
  assert.match(received, /\[X-Digest abc X_More 1\]/)
  assert.match(received, /\r\n0\r\nX-Sum: 42\r\n\r\n$/)
})

test('trailers that come in pieces, or byte by byte, are the same', async t => {
  const {router} = await routed(t)
  const {connect} = await import('node:net')
  const socket = connect({port: router.port, host: '127.0.0.1', noDelay: true})
  t.after(() => socket.destroy())
  const text = `${post(chunked)}${body}`
  const writes = (async () => {
    for (const byte of text) await new Promise(resolve => socket.write(byte, resolve))
  })()
  let received = ''
  for await (const chunk of socket) received += chunk
  await writes
  assert.match(received, /\[X-Digest abc X-User root X_More 1\]/)
})
