// Requests no honest client sends: refused with a clear answer, never passed on in another reading.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {connect} from 'node:net'
import {test} from 'node:test'
import {limitsDefault} from '#proxy/limits.ts'
import {call, entry, rawCall, startInstance, startRouter, until} from './rig.ts'

test('smuggling attempts and malformed heads do not reach an instance', async t => {
  const seen: string[] = []
  const {port} = await startInstance(t, (request, response) => {
    seen.push(`${request.method} ${request.url}`)
    request.resume().on('end', () => response.end('ok'))
  })
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', port))
    feed.route(['*', '/{rest:.*}', 'users.crm.service/{rest}'])
  })
  const cases: Record<string, string> = {
    'both lengths':
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n',
    'two lengths': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde',
    'odd length': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd',
    'unknown coding': 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    'another coding besides': 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    'handshake with a body':
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 35\r\n\r\nGET /evil HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'space before colon': 'GET / HTTP/1.1\r\nHost : x\r\n\r\n',
    'folded header': 'GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n',
    'bare newline': 'GET / HTTP/1.1\nHost: x\n\n',
    'no host': 'GET / HTTP/1.1\r\n\r\n',
    'two hosts': 'GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n',
    'bad host': 'GET / HTTP/1.1\r\nHost: x/y\r\n\r\n',
    'space in target': 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n',
    'no target': 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    'byte above ASCII': 'GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n',
    'unknown method': 'BREW / HTTP/1.1\r\nHost: x\r\n\r\n',
    'not HTTP': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'HTTP/2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  }
  for (const [name, text] of Object.entries(cases)) {
    const [head = ''] = text.split('\r\n\r\n')
    const closing = text.includes('\r\nHost') ? text.replace('\r\n', '\r\nConnection: close\r\n') : text
    assert.ok(head.length > 0)
    const received = await rawCall(router.port, Buffer.from(closing, 'latin1'))
    assert.match(received, /^HTTP\/1\.1 400 /, `${name}: ${received.slice(0, 200)}`)
  }
  assert.deepEqual(seen, [])
})

test('odd characters in the path arrive escaped, and bytes after a body are a request of their own', async t => {
  const seen: string[] = []
  const {port} = await startInstance(t, (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers['content-length'] ?? '-'}`)
    request.resume().on('end', () => response.end('ok'))
  })
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', port))
    feed.route(['*', '/{rest:.*}', 'users.crm.service/v/{rest}'])
  })
  const text =
    'POST /a\\b|"<>%2f?q=[1] HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc' +
    'GET /../../b/%2e%2e/c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  const received = await rawCall(router.port, Buffer.from(text, 'latin1'))
  assert.equal(received.match(/HTTP\/1\.1 200 /g)?.length, 2, received)
  assert.deepEqual(seen, ['POST /v/a%5Cb%7C%22%3C%3E%2F?q=[1] 3', 'GET /v/c -'])
})

test('a client that never finishes its head is cut off', async t => {
  const {router} = await startRouter(t, feed => feed.route(['*', '/', 'users.crm.service']), {
    limits: {...limitsDefault, headTimeoutMs: 200},
  })
  const received = await rawCall(router.port, 'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ')
  assert.match(received, /^HTTP\/1\.1 400 .*took too long/s)
})

test('a client that stops in the middle of its body leaves nothing behind', async t => {
  let begun = 0
  let broken = 0
  const {port} = await startInstance(t, request => {
    begun += 1
    request.on('error', () => {
      broken += 1
    })
    request.resume()
  })
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', port))
    feed.route(['*', '/', 'users.crm.service'])
  })
  for (let i = 0; i < 20; i++) {
    const socket = connect(router.port, '127.0.0.1')
    socket.on('error', () => undefined).resume()
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf')
    if (i % 4 > 1) await until(() => begun > i / 4, 'the instance has begun')
    if (i % 2 === 0) socket.resetAndDestroy()
    else socket.end()
    await once(socket, 'close')
  }
  await until(async () => {
    const table = JSON.parse((await router.admin('/table')).text)
    return table.upstreams.every(({inFlight}: {inFlight: number}) => inFlight === 0)
  }, 'nothing is in flight')
  await until(() => broken === begun && begun > 0, 'the instance was told of every broken request')
  assert.equal((await call(router.port, {path: '/none'})).status, 404)
})
