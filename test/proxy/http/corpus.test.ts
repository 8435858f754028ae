// The corpus: every malformed message is refused, however it is cut, and none of it reaches an instance; odd but sound ones are read as they are meant.
import assert from 'node:assert/strict'
import {createServer, type Socket} from 'node:net'
import {test} from 'node:test'
import {call, entry, rawCall, startRouter} from '../rig.ts'
import {acceptedAnswers, acceptedRequests, refusedAnswers, refusedRequests} from './corpus.ts'
import {readRequests, readResponse} from './read.ts'

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')

test('every malformed request is refused, and none before it is whole is taken for sound', () => {
  for (const [name, text] of Object.entries(refusedRequests)) {
    const {seen, refused} = readRequests(bytesOf(text), 3)
    assert.ok(refused !== undefined, name)
    assert.deepEqual(seen, [], name)
    for (let end = 1; end < Math.min(text.length, 200); end++) assert.deepEqual(readRequests(bytesOf(text.slice(0, end))).seen, [], name)
  }
})

test('odd but sound requests are read as meant', () => {
  for (const [name, [text, body]] of Object.entries(acceptedRequests)) {
    for (const pieces of [1, 2, 1_000]) {
      const {seen, refused} = readRequests(bytesOf(text), pieces)
      assert.deepEqual([refused, seen.map(one => one.body)], [undefined, [body]], name)
    }
  }
})

test('every malformed answer is refused; sound ones are read as meant', () => {
  for (const [name, text] of Object.entries(refusedAnswers)) assert.ok(readResponse(bytesOf(text), 'GET', 3).refused !== undefined, name)
  for (const [name, [text, body]] of Object.entries(acceptedAnswers)) {
    for (const pieces of [1, 2, 1_000]) {
      const {seen, refused} = readResponse(bytesOf(text), 'GET', pieces)
      assert.deepEqual([refused, seen.map(one => one.body)], [undefined, [body]], name)
    }
  }
})

/** An instance that answers every connection with the same bytes, and remembers what it was sent. */
const startParrot = async (t: {after: (close: () => void) => void}, answer: () => string) => {
  const sockets = new Set<Socket>()
  const received: string[] = []
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', chunk => {
      received.push(chunk.toString('latin1'))
      socket.write(answer(), 'latin1')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {port: (server.address() as {port: number}).port, received}
}

const setUp = async (t: Parameters<typeof startRouter>[0], answer: () => string) => {
  const parrot = await startParrot(t, answer)
  const {router} = await startRouter(t, feed => {
    feed.announce('crm', entry('users', 'a1', parrot.port))
    feed.route(['*', '/{rest:.*}', 'users.crm.service/{rest}'])
  })
  return {parrot, router}
}

test('no malformed head reaches an instance; no byte after a malformed body does', async t => {
  const {parrot, router} = await setUp(t, () => 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  for (const [name, text] of Object.entries(refusedRequests)) {
    const answer = await rawCall(router.port, bytesOf(`${text}GET /evil HTTP/1.1\r\nHost: x\r\n\r\n`))
    assert.match(answer, /^HTTP\/1\.1 4(?:00|13) |^$/, `${name}: ${answer.slice(0, 100)}`)
  }
  assert.ok(!parrot.received.some(text => /^GET|evil/m.test(text)), parrot.received.join('\n'))
  assert.ok(
    parrot.received.every(text => /^POST \/ HTTP\/1\.1\r\nhost: users\.crm\.service\r\n/.test(text)),
    'only heads of requests with a body',
  )
})

test('no malformed answer reaches a client as one', async t => {
  let answer = ''
  const {router} = await setUp(t, () => answer)
  for (const [name, text] of Object.entries(refusedAnswers)) {
    answer = text
    const outcome = await call(router.port).then(
      ({status, text: body}) => `${status} ${body}`,
      () => 'broken off',
    )
    // Bytes beyond a whole answer end the connection to the instance; the answer itself was sound.
    if (name === 'bytes after the answer' || name === 'two answers') assert.match(outcome, /^200 a?$/, name)
    else assert.match(outcome, /^502 |^broken off$/, `${name}: ${outcome}`)
  }
})
