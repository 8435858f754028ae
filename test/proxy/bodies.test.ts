// Bodies on their way through: whole, in order, with backpressure, many at once.
import assert from 'node:assert/strict'
import {createHash, randomBytes} from 'node:crypto'
import {request as httpRequest} from 'node:http'
import {connect} from 'node:net'
import {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {test} from 'node:test'
import {Agent, request} from 'undici'
import {type Closer, call, closedPort, entry, startInstance, startRouter, until} from './rig.ts'

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

const routed = (t: Closer, ...ports: number[]) =>
  startRouter(t, feed => {
    feed.announce('crm', ...ports.map((port, index) => entry('users', `a${index}`, port)))
    feed.route(['*', '/{rest:.*}', 'users.crm.service/{rest}'])
  })

const bodyBytes = 24 * 1_048_576

test('big bodies arrive whole, with and without a length', async t => {
  const data = randomBytes(bodyBytes)
  const {port} = await startInstance(t, (incoming, response) => {
    const hash = createHash('sha256')
    incoming.on('data', chunk => hash.update(chunk))
    incoming.on('end', () =>
      response.end(`${hash.digest('hex')} ${incoming.headers['content-length'] ?? incoming.headers['transfer-encoding']}`),
    )
  })
  const {router} = await routed(t, port)
  const sized = await call(router.port, {method: 'POST', body: data})
  assert.equal(sized.text, `${sha256(data)} ${bodyBytes}`)
  const chunked = await call(router.port, {method: 'PUT', headers: {'transfer-encoding': 'chunked'}, body: data})
  assert.equal(chunked.text, `${sha256(data)} chunked`)
})

test('big answers arrive whole, also at a slow reader, without being gathered in between', async t => {
  const data = randomBytes(bodyBytes)
  let written = 0
  const {port} = await startInstance(t, async (_incoming, response) => {
    const chunks = function* (): Generator<Buffer> {
      for (let at = 0; at < data.length; at += 65_536) {
        written = at
        yield data.subarray(at, at + 65_536)
      }
    }
    await pipeline(Readable.from(chunks(), {objectMode: false}), response)
  })
  const {router} = await routed(t, port)
  assert.equal(sha256((await call(router.port)).body), sha256(data))
  written = 0
  const socket = connect(router.port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  let seen = -1
  let steady = 0
  await until(() => {
    steady = written > 0 && written === seen ? steady + 1 : 0
    seen = written
    return steady === 20
  }, 'the instance is held back')
  assert.ok(written < data.length - 65_536, `all of ${data.length} bytes were taken from the instance though nobody read them`)
  let total = 0
  for await (const chunk of socket) total += (chunk as Buffer).length
  assert.ok(total >= data.length)
})

test('a streamed exchange goes both ways at the same time', async t => {
  const {port} = await startInstance(t, (incoming, response) => {
    incoming.on('data', chunk => response.write(`echo ${chunk}`))
    incoming.on('end', () => response.end('done'))
  })
  const {router} = await routed(t, port)
  const received: string[] = []
  await new Promise<void>((resolve, reject) => {
    const outgoing = httpRequest({host: '127.0.0.1', port: router.port, method: 'POST', agent: false}, response => {
      response.on('data', chunk => {
        received.push(String(chunk))
        if (received.length === 1) outgoing.write('two')
        if (received.length === 2) outgoing.end()
      })
      response.on('end', resolve)
    })
    outgoing.on('error', reject)
    outgoing.write('one')
  })
  assert.deepEqual(received, ['echo one', 'echo two', 'done'])
})

test('a body nobody took yet goes to the next instance; Expect: 100-continue is asked of it', async t => {
  const {port} = await startInstance(t, async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    response.end(`${Buffer.concat(chunks).length} ${incoming.headers.expect ?? 'no expect'}`)
  })
  const {router} = await routed(t, await closedPort(), await closedPort(), port)
  const exchange = (expectation: boolean): Promise<{text: string; continued: boolean}> =>
    new Promise((resolve, reject) => {
      let continued = false
      const headers = {'content-length': '5', ...(expectation ? {expect: '100-continue'} : {})}
      const outgoing = httpRequest({host: '127.0.0.1', port: router.port, method: 'POST', headers, agent: false}, response => {
        let text = ''
        response.on('data', chunk => {
          text += chunk
        })
        response.on('end', () => resolve({text, continued}))
      })
      outgoing.on('error', reject)
      outgoing.on('continue', () => {
        continued = true
        outgoing.end('12345')
      })
      if (expectation) outgoing.flushHeaders()
      else outgoing.end('12345')
    })
  assert.deepEqual(await exchange(true), {text: '5 100-continue', continued: true})
  assert.deepEqual(await exchange(false), {text: '5 no expect', continued: false})
})

test('a client that expects 100 Continue gets a refusal without having sent its body', async t => {
  const {router} = await routed(t)
  const socket = connect(router.port, '127.0.0.1')
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += chunk
  assert.match(text, /^HTTP\/1\.1 503 .*connection: close/is)
  assert.doesNotMatch(text, /100 Continue/)
})

test('an early answer to an unfinished upload reaches the client', async t => {
  const {port} = await startInstance(t, (_incoming, response) => {
    response.writeHead(413, {connection: 'close'}).end('too much')
  })
  const {router} = await routed(t, port)
  const socket = connect(router.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegin')
  let text = ''
  for await (const chunk of socket) text += chunk
  assert.match(text, /^HTTP\/1\.1 413 .*too much/s)
})

test('1000 requests at once are all answered, each with its own answer', async t => {
  const held: (() => void)[] = []
  const wanted = 1_000
  const {port} = await startInstance(t, (incoming, response) => {
    held.push(() => response.end(incoming.url))
    if (held.length === wanted) for (const release of held) release()
  })
  const {router} = await routed(t, port)
  const dispatcher = new Agent({connections: wanted, pipelining: 1})
  t.after(() => dispatcher.close())
  const answers = await Promise.all(
    Array.from({length: wanted}, async (_, index) => {
      const {statusCode, body} = await request(`${router.url}/r${index}`, {dispatcher})
      return statusCode === 200 && (await body.text()) === `/r${index}`
    }),
  )
  assert.equal(answers.filter(Boolean).length, wanted)
  const table = JSON.parse((await router.admin('/table')).text)
  assert.deepEqual(
    table.upstreams.map(({inFlight}: {inFlight: number}) => inFlight),
    [0],
  )
})
