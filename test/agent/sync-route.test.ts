// Where an agent's syncs go: by the address that the control plane told of, back to the API when that fails, and never with less care for the credential.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {writeFileSync} from 'node:fs'
import {createServer, type Server, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {describe, it, type TestContext} from 'node:test'
import {Connection} from '#agent/connection.ts'
import {SyncRoute} from '#agent/sync-route.ts'
import {descriptor} from '#test/store/samples.ts'
import {ControlPlane} from './control-plane.ts'
import {temporaryFolder} from './fixtures.ts'

const idle = {assignmentVersion: 1, reports: [], logs: [], holdMs: 0, quietMs: 0}
const pauseMs = 300_000

type Answer = (response: ServerResponse) => void

const json =
  (status: number, body: unknown): Answer =>
  response =>
    response.writeHead(status, {'content-type': 'application/json'}).end(JSON.stringify(body))
const fine = json(200, {assignmentVersion: 1, nextSyncMs: 10, leaseMs: 45_000})
const problem = (status: number, code: string): Answer => json(status, {type: '', title: '', status, code, detail: 'so it is'})

/** Where syncs may go besides the API; answers as it is told. */
const startDoor = async (t: TestContext) => {
  const door = {url: '', calls: [] as string[], answer: fine}
  const server: Server = createServer((request, response) => {
    door.calls.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    door.answer(response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  door.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return door
}

const start = async (t: TestContext) => {
  const [plane, door] = await Promise.all([ControlPlane.start(), startDoor(t)])
  t.after(() => plane.close())
  plane.syncUrl = door.url
  const home = temporaryFolder(t)
  writeFileSync(join(home, 'join-token'), 'join me\n')
  const clock = {now: 0}
  const connection = new Connection({
    api: plane.url,
    descriptor: descriptor('here'),
    credentialFile: join(home, 'credential.json'),
    keyFile: join(home, 'key'),
    join: {tokenFile: join(home, 'join-token')},
    now: () => clock.now,
    wallClock: () => 1,
    onJoined: () => undefined,
    onTaken: () => undefined,
    onLost: () => undefined,
    onUnsaved: () => undefined,
  })
  return {plane, door, clock, connection}
}

describe('syncs of an agent', () => {
  it('go where the answer to the join says, with the credential of the day', async t => {
    const {plane, door, connection} = await start(t)
    await connection.sync(idle)
    door.answer = json(200, {assignmentVersion: 1, nextSyncMs: 10, leaseMs: 45_000, token: 'renewed'})
    await connection.sync(idle)
    await connection.sync(idle)
    const path = 'POST /v1/executors/here/sync'
    assert.deepEqual(door.calls, [`${path} Bearer executor-token-1`, `${path} Bearer executor-token-1`, `${path} Bearer renewed`])
    assert.equal(plane.syncs, 0)
  })

  for (const [what, answer] of [
    ['throttled by Lambda', json(429, {Message: 'Rate Exceeded.'})],
    ['forbidden by AWS', json(403, {Message: 'Forbidden'})],
    ['broken', json(502, {message: 'Internal Server Error'})],
    ['cut off', (response: ServerResponse) => void response.destroy()],
    ['somebody else’s now', (response: ServerResponse) => void response.end('<html>')],
    ['out of order', problem(503, 'unavailable')],
  ] as const)
    it(`go to the API, in the same call, when that address is ${what}; and for five minutes`, async t => {
      const {plane, door, clock, connection} = await start(t)
      await connection.sync(idle)
      door.answer = answer
      await connection.sync(idle)
      assert.deepEqual([door.calls.length, plane.syncs], [2, 1])
      clock.now += pauseMs - 1
      await connection.sync(idle)
      assert.deepEqual([door.calls.length, plane.syncs], [2, 2])
      clock.now += 1
      door.answer = fine
      await connection.sync(idle)
      assert.deepEqual([door.calls.length, plane.syncs], [3, 2])
    })

  it('are told to join again by either: what our own code answers counts', async t => {
    const {plane, door, connection} = await start(t)
    await connection.sync(idle)
    door.answer = problem(401, 'unauthenticated')
    await assert.rejects(connection.sync(idle), {code: 'unauthenticated'})
    door.answer = fine
    await connection.sync(idle)
    assert.deepEqual([plane.joins.length, plane.syncs], [2, 0])
  })

  it('go to the API again for good when it tells of no other address', async t => {
    const {plane, door, clock, connection} = await start(t)
    await connection.sync(idle)
    plane.syncUrl = undefined
    door.answer = json(403, {Message: 'Forbidden'})
    await connection.sync(idle)
    clock.now += pauseMs
    await connection.sync(idle)
    assert.deepEqual([door.calls.length, plane.syncs], [2, 2])
  })

  it('are not sent where the credential would be less safe than at the API', () => {
    const urlFor = (api: string, url: string): string | undefined => {
      const route = new SyncRoute(api, () => 0)
      route.told(url)
      return route.url
    }
    assert.equal(urlFor('https://api.test', 'https://sync.test/'), 'https://sync.test/')
    assert.equal(urlFor('http://127.0.0.1:1', 'http://127.0.0.1:2/'), 'http://127.0.0.1:2/')
    for (const url of ['http://sync.test/', 'ftp://sync.test/', 'https://a:b@sync.test/', 'sync.test', ''])
      assert.equal(urlFor('https://api.test', url), undefined, url)
  })
})
