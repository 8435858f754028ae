// The relay over real sockets: who is let in, what passes, what ends a session, and what is held back.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {type AddressInfo, connect} from 'node:net'
import {type TestContext, test} from 'node:test'
import {WebSocket} from 'ws'
import {type RelayLimits, relayLimitsDefault} from '#proxy/rendezvous/limits.ts'
import {createRelay} from '#proxy/rendezvous/server.ts'
import {createLogger} from '#shared/log.ts'
import {closeCodes, joinRelay, type Peer} from '#shared/sessions/peer.ts'
import {makeSigningKey, publicOf, type Side, signTicket, ticketSeconds, ticketSkewSeconds} from '#shared/sessions/tickets.ts'
import {until} from '#test/agent/wait.ts'
import {readText} from '#test/tidy/source.ts'

const log = createLogger('test', {level: 'fatal'})
const key = await makeSigningKey('first')

interface Raw {
  readonly socket: WebSocket
  readonly joined: Promise<void>
  /** The close code. */
  readonly closed: Promise<number>
}

const start = async (t: TestContext, limits: Partial<RelayLimits> = {}) => {
  const clock = {now: Date.now()}
  let fetches = 0
  const fetchKeys = async () => {
    fetches += 1
    return [publicOf(key)]
  }
  const revoked: string[] = []
  const asked: number[] = []
  const fetchRevoked = async (since: number) => {
    asked.push(since)
    return {tokens: revoked, at: clock.now}
  }
  const relay = createRelay({fetchKeys, fetchRevoked, limits: {...relayLimitsDefault, ...limits}, log, now: () => clock.now})
  relay.server.listen(0, '127.0.0.1')
  await once(relay.server, 'listening')
  const url = `ws://127.0.0.1:${(relay.server.address() as AddressInfo).port}/`
  t.after(() => relay.close())
  const ticket = (session: string, side: Side, signer = key, holder?: string, formation = 'crm'): Promise<string> =>
    signTicket(signer, {session, side, formation, until: clock.now + 60_000, ...(holder !== undefined && {holder})}, clock.now)
  const raw = async (session: string, side: Side, formation?: string): Promise<Raw> => {
    const authorization = `Bearer ${await ticket(session, side, key, undefined, formation)}`
    const socket = new WebSocket(url, {headers: {authorization}, perMessageDeflate: false})
    t.after(() => socket.terminate())
    const joined = new Promise<void>(resolve => socket.once('message', () => resolve()))
    const closed = new Promise<number>(resolve => socket.once('close', resolve))
    await once(socket, 'open')
    return {socket, joined, closed}
  }
  return {relay, url, clock, ticket, raw, revoked, asked, fetches: () => fetches}
}

/** The status and problem that an attempt to connect is answered with. */
const refusal = (url: string, authorization?: string): Promise<{status: number; code: string}> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url, {headers: authorization === undefined ? {} : {authorization}})
    socket.on('error', () => undefined)
    socket.on('open', () => reject(new Error('it was let in')))
    socket.on('unexpected-response', (_, response) => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => (text += chunk))
      response.on('end', () => resolve({status: response.statusCode ?? 0, code: JSON.parse(text).code}))
      response.on('error', reject)
    })
  })

test('docs/sessions.md tells the limits of a relay as they are', () => {
  const page = readText('docs/sessions.md')
  const {sessionsMax, sessionsPerFormationMax, frameBytesMax, bufferedBytesMax, bufferedInAllBytesMax} = relayLimitsDefault
  for (const limit of [`${sessionsMax}; ${sessionsPerFormationMax}`, frameBytesMax, bufferedBytesMax, bufferedInAllBytesMax])
    assert.ok(page.includes(`| ${limit} |`), String(limit))
})

test('the two sides of a session meet, and what one says the other hears, in order', async t => {
  const {url, ticket} = await start(t)
  const join = async (side: Side) => joinRelay({relay: url, ticket: await ticket('a', side), waitMs: 5_000})
  const [client, agent] = await Promise.all([join('client'), join('agent')])
  const heard: string[] = []
  agent.listen(({name, payload}) => {
    heard.push(`${name} ${payload}`)
    if (name === 'stdin' && payload.length === 0) agent.sendJson('exit', {code: 3})
  })
  const exit = new Promise<string>(resolve => client.listen(({name, payload}) => resolve(`${name} ${payload}`)))
  client.send('stdin', Buffer.from('one'))
  client.send('stdin', Buffer.from('two'))
  client.send('stdin')
  assert.equal(await exit, 'exit {"code":3}')
  assert.deepEqual(heard, ['stdin one', 'stdin two', 'stdin '])
  await client.close()
  assert.equal((await agent.closed).code, closeCodes.gone)
})

test('only those with a ticket that holds are let in', async t => {
  const {url, ticket, clock, fetches} = await start(t)
  const other = await makeSigningKey('first')
  assert.deepEqual(await refusal(url), {status: 401, code: 'unauthenticated'})
  assert.deepEqual(await refusal(url, 'Bearer nonsense'), {status: 401, code: 'unauthenticated'})
  assert.deepEqual(await refusal(url, `Bearer ${await ticket('a', 'client', other)}`), {status: 401, code: 'unauthenticated'})
  assert.equal(fetches(), 1, 'keys are not fetched again for every stranger')
  const late = await ticket('a', 'client')
  clock.now += (ticketSeconds + ticketSkewSeconds + 1) * 1_000
  assert.deepEqual(await refusal(url, `Bearer ${late}`), {status: 401, code: 'unauthenticated'})
  const ended = await signTicket(key, {session: 'b', side: 'client', formation: 'crm', until: clock.now - 1}, clock.now)
  assert.deepEqual(await refusal(url, `Bearer ${ended}`), {status: 401, code: 'unauthenticated'})
})

test('who is refused does not keep a connection open by not closing it', async t => {
  const {relay, url} = await start(t)
  const {port} = new URL(url)
  const stranger = connect({port: Number(port), host: '127.0.0.1', allowHalfOpen: true})
  t.after(() => stranger.destroy())
  stranger.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  let heard = ''
  stranger.on('data', chunk => (heard += chunk)).on('error', () => undefined)
  await until(() => heard.startsWith('HTTP/1.1 401'))
  const connections = () =>
    new Promise<number>((resolve, reject) => relay.server.getConnections((error, n) => (error ? reject(error) : resolve(n))))
  await until(async () => (await connections()) === 0)
})

test('a ticket holds once, and so does another one for the same side', async t => {
  const {url, ticket, raw} = await start(t)
  const used = await ticket('a', 'client')
  const first = new WebSocket(url, {headers: {authorization: `Bearer ${used}`}})
  await once(first, 'open')
  for (const again of [used, await ticket('a', 'client')])
    assert.deepEqual(await refusal(url, `Bearer ${again}`), {status: 401, code: 'unauthenticated'})
  first.terminate()
  assert.deepEqual(await refusal(url, `Bearer ${used}`), {status: 401, code: 'unauthenticated'}, 'nor when the session is over')
  await raw('b', 'client')
})

test('a side that does not speak in bytes, before its time, or in too large messages, ends the session', async t => {
  const {raw} = await start(t)
  const alone = await raw('a', 'client')
  alone.socket.send(Buffer.from('early'))
  assert.equal(await alone.closed, closeCodes.fault)
  const sides = async (session: string) => {
    const [client, agent] = [await raw(session, 'client'), await raw(session, 'agent')]
    await Promise.all([client.joined, agent.joined])
    return {client, agent}
  }
  const texting = await sides('b')
  texting.client.socket.send('text')
  assert.equal(await texting.agent.closed, closeCodes.fault)
  const large = await sides('c')
  large.client.socket.send(Buffer.alloc(relayLimitsDefault.frameBytesMax + 1))
  assert.equal(await large.agent.closed, closeCodes.gone)
})

test('more sessions than there may be are refused; a session that is there takes its other side', async t => {
  const {url, ticket, raw, relay} = await start(t, {sessionsMax: 1})
  const client = await raw('a', 'client')
  assert.deepEqual(await refusal(url, `Bearer ${await ticket('b', 'client')}`), {status: 503, code: 'unavailable'})
  const agent = await raw('a', 'agent')
  await Promise.all([client.joined, agent.joined])
  assert.equal(relay.size(), 1)
})

test('a formation with as many sessions as one may have keeps nobody else out, and the reason is told', async t => {
  const {url, ticket, raw} = await start(t, {sessionsPerFormationMax: 1})
  const client = await raw('a', 'client', 'crm')
  const second = await ticket('b', 'client', key, undefined, 'crm')
  await assert.rejects(joinRelay({relay: url, ticket: second, waitMs: 5_000}), {
    name: 'RelayError',
    message: /refuses \(503\): .*of this formation/,
  })
  await raw('c', 'client', 'shop')
  client.socket.close()
  await client.closed
  await raw('d', 'client', 'crm')
})

test('a ticket made before the relay began is refused: another relay may have taken it', async t => {
  const {url, ticket, clock} = await start(t)
  const at = clock.now
  clock.now = at - 1
  const before = await ticket('a', 'client')
  clock.now = at
  assert.deepEqual(await refusal(url, `Bearer ${before}`), {status: 503, code: 'unavailable'})
})

test('one formation’s slow sides take its share of the relay’s memory, and hold up nobody else', async t => {
  const all = 1_048_576
  const {relay, url, ticket} = await start(t, {bufferedInAllBytesMax: all})
  const meet = async (session: string, formation: string) => {
    const join = async (side: Side) =>
      joinRelay({relay: url, ticket: await ticket(session, side, key, undefined, formation), waitMs: 5_000})
    const [client, agent] = await Promise.all([join('client'), join('agent')])
    return {client, agent}
  }
  const slow = await Promise.all(Array.from({length: 16}, (_, at) => meet(`slow${at}`, 'crm')))
  const other = await meet('other', 'shop')
  const chunk = Buffer.alloc(65_536, 7)
  const total = 16 * 1_048_576
  const pour = async (agent: Peer): Promise<void> => {
    for (let sent = 0; sent < total; sent += chunk.length) await agent.pour('stdout', chunk)
  }
  for (const {client, agent} of slow) {
    client.pause()
    void pour(agent)
  }
  let before = -1
  await until(async () => {
    const isStill = relay.bytes() === before && before > 0
    before = relay.bytes()
    await new Promise(resolve => setTimeout(resolve, 200))
    return isStill
  })
  // Each had a message on its way when the share was used up, and another one came before it was paused.
  const bound = all / 2 + 2 * slow.length * chunk.length
  assert.ok(relay.bytes() <= bound, `${relay.bytes()} bytes are kept for one formation, more than ${bound}`)
  const hear = async (client: Peer): Promise<void> => {
    let heard = 0
    client.listen(({payload}) => (heard += payload.length))
    client.resume()
    await until(() => heard === total)
  }
  await Promise.all([pour(other.agent), hear(other.client)])
  await hear(slow[0]?.client as Peer)
  for (const {client, agent} of slow) for (const peer of [client, agent]) peer.destroy()
  await until(() => relay.bytes() === 0)
})

test('a side that nobody comes to meet does not wait for ever', async t => {
  const {raw, relay} = await start(t, {waitMs: 100})
  assert.equal(await (await raw('a', 'client')).closed, closeCodes.over)
  assert.equal(relay.size(), 0)
})

test('a side that is not heard of is gone, and the other one told', async t => {
  const {raw} = await start(t, {silenceMs: 300, pingMs: 50})
  const client = await raw('a', 'client')
  const agent = await raw('a', 'agent')
  // It neither reads nor answers from now on.
  agent.socket.pause()
  assert.equal(await client.closed, closeCodes.gone)
})

test('who sends faster than the other side takes is made to wait; nothing is lost', async t => {
  const {url, ticket} = await start(t, {bufferedBytesMax: 65_536})
  const join = async (side: Side) => joinRelay({relay: url, ticket: await ticket('a', side), waitMs: 5_000})
  const [client, agent] = await Promise.all([join('client'), join('agent')])
  const total = 64 * 1_048_576
  let heard = 0
  client.listen(({payload}) => (heard += payload.length))
  client.pause()
  let sent = 0
  const pouring = (async () => {
    for (; sent < total; sent += 1_048_576) await agent.pour('stdout', Buffer.alloc(1_048_576, 7))
  })()
  let before = -1
  await until(async () => {
    const isStill = sent === before
    before = sent
    await new Promise(resolve => setTimeout(resolve, 100))
    return isStill
  })
  assert.ok(sent < total / 2, `${sent} bytes were taken from the sender while nobody read`)
  client.resume()
  await pouring
  await until(() => heard === total)
})

test('a session ends when the token it was asked for with is revoked, others go on; without sessions nothing is asked', async t => {
  const {url, ticket, revoked, asked, relay, clock} = await start(t, {revokedEveryMs: 10})
  const meet = async (session: string, holder: string) => {
    const join = async (side: Side) => joinRelay({relay: url, ticket: await ticket(session, side, key, holder), waitMs: 5_000})
    const [client, agent] = await Promise.all([join('client'), join('agent')])
    return {client, agent}
  }
  assert.deepEqual(asked, [])
  const [one, other] = await Promise.all([meet('a', 'token-one'), meet('b', 'token-other')])
  await until(() => asked.length > 1)
  assert.ok((asked[0] ?? 0) < clock.now && asked.at(-1) === clock.now)
  revoked.push('token-one')
  const [client, agent] = await Promise.all([one.client.closed, one.agent.closed])
  assert.deepEqual([client.code, agent.code], [closeCodes.over, closeCodes.over])
  assert.match(client.reason, /revoked/)
  assert.equal(relay.size(), 1)
  assert.ok(other.client.isOpen)
  await other.client.close()
})
