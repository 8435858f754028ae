// Sessions against clients that keep to no protocol: what an agent keeps for them is bounded, and nobody else's work ends with it.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import type {AddressInfo} from 'node:net'
import {PassThrough} from 'node:stream'
import {type TestContext, test} from 'node:test'
import {WebSocket} from 'ws'
import {serve, type Work} from '#agent/sessions/work.ts'
import {relayLimitsDefault} from '#proxy/rendezvous/limits.ts'
import {createRelay} from '#proxy/rendezvous/server.ts'
import {createLogger} from '#shared/log.ts'
import {encodeFrame, payloadBytesMax, stdinWindowBytes} from '#shared/sessions/frames.ts'
import {joinRelay, type Peer} from '#shared/sessions/peer.ts'
import {makeSigningKey, publicOf, type Side, signTicket} from '#shared/sessions/tickets.ts'
import {until} from './wait.ts'

const key = await makeSigningKey('first')

/** A client that sends what it likes, and the agent's side of its session. */
const meet = async (t: TestContext): Promise<{client: WebSocket; peer: Peer}> => {
  const log = createLogger('test', {level: 'fatal'})
  const source = {fetchKeys: async () => [publicOf(key)], fetchRevoked: async () => ({tokens: [], at: Date.now()})}
  const relay = createRelay({...source, limits: relayLimitsDefault, log, now: Date.now})
  relay.server.listen(0, '127.0.0.1')
  await once(relay.server, 'listening')
  const url = `ws://127.0.0.1:${(relay.server.address() as AddressInfo).port}/`
  const ticket = (side: Side) => signTicket(key, {session: 'a', side, formation: 'crm', until: Date.now() + 60_000}, Date.now())
  const client = new WebSocket(url, {headers: {authorization: `Bearer ${await ticket('client')}`}, perMessageDeflate: false})
  t.after(() => {
    client.terminate()
    return relay.close()
  })
  client.on('error', () => undefined)
  await once(client, 'open')
  return {client, peer: await joinRelay({relay: url, ticket: await ticket('agent'), waitMs: 5_000})}
}

/** Sends frames until the connection is over, or so many bytes are sent. */
const flood = async (client: WebSocket, frame: Buffer, bytesMax: number): Promise<void> => {
  for (let sent = 0; sent < bytesMax && client.readyState === WebSocket.OPEN; sent += frame.length)
    await new Promise<void>(resolve => client.send(frame, () => resolve()))
}

/** A command that takes no input until it is told to. */
const reluctant = (): {work: Work; stdin: PassThrough} => {
  const stdin = new PassThrough()
  stdin.on('error', () => undefined)
  const work = {
    stdin,
    stdout: new PassThrough(),
    isTerminal: false,
    resize: () => undefined,
    signal: () => undefined,
    ended: new Promise<never>(() => undefined),
  }
  return {work, stdin}
}

test('input that a command does not take, beyond what may be under way, ends the session', async t => {
  const {client, peer} = await meet(t)
  const {work, stdin} = reluctant()
  const served = serve(peer, work)
  await flood(client, encodeFrame('stdin', Buffer.alloc(payloadBytesMax)), 64 * 1_048_576)
  assert.notEqual(await served, 'ended')
  assert.ok(stdin.writableLength + stdin.readableLength <= stdinWindowBytes + 2 * payloadBytesMax)
})

test('so does input in tiny pieces, of which each takes more memory than its bytes', async t => {
  const {client, peer} = await meet(t)
  const served = serve(peer, reluctant().work)
  const piece = encodeFrame('stdin', Buffer.from('x'))
  for (let sent = 0; sent < stdinWindowBytes && client.readyState === WebSocket.OPEN; sent += 1_000) {
    for (let one = 0; one < 999; one++) client.send(piece)
    await flood(client, piece, piece.length)
  }
  assert.notEqual(await served, 'ended')
})

test('all that may be under way is kept until the command takes it', async t => {
  const {client, peer} = await meet(t)
  const {work, stdin} = reluctant()
  const served = serve(peer, work)
  await flood(client, encodeFrame('stdin', Buffer.alloc(payloadBytesMax)), stdinWindowBytes + payloadBytesMax)
  let taken = 0
  stdin.on('data', (bytes: Buffer) => (taken += bytes.length))
  await until(() => taken === stdinWindowBytes + payloadBytesMax)
  assert.ok(peer.isOpen)
  client.close()
  await served
})

test('what comes before anybody listens is kept up to a limit', async t => {
  const {client, peer} = await meet(t)
  await flood(client, encodeFrame('stdin', Buffer.alloc(payloadBytesMax)), 64 * 1_048_576)
  await peer.closed
})

test('an answer that its client does not read is kept up to a limit, too', async t => {
  const {client, peer} = await meet(t)
  client.pause()
  for (let sent = 0; peer.isOpen && sent < 1_000; sent++) {
    peer.send('credit', Buffer.alloc(payloadBytesMax))
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.ok(!peer.isOpen)
})

test('signals beyond what a person sends are left out', async t => {
  const {client, peer} = await meet(t)
  const {work, stdin} = reluctant()
  let signals = 0
  const served = serve(peer, {...work, signal: () => (signals += 1)})
  const signal = encodeFrame('signal', Buffer.from('{"signal":"SIGHUP"}'))
  await flood(client, signal, 2_000 * signal.length)
  client.send(encodeFrame('stdin', Buffer.from('the end')))
  await until(() => stdin.readableLength > 0)
  assert.ok(signals >= 1 && signals < 1_000, `${signals} of 2000 were passed on`)
  client.close()
  await served
})
