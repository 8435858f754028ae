// Hosts that go silent with requests in flight, and instances that are passed over: what requests see of them, and what only the lookout does.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {createServer, type Server} from 'node:net'
import {type TestContext, test} from 'node:test'
import {type Limits, limitsDefault} from '#proxy/limits.ts'
import {until} from '../agent/wait.ts'
import {type Deaf, startDeaf} from './deaf.ts'
import {call, type Entry, entry, startInstance, startRouter} from './rig.ts'

const limits = {...limitsDefault, quietMsMax: 400, probeTimeoutMs: 150, connectTimeoutMs: 150}

/** A router that sends what has the cookie to `a1`. */
const startWith = async (t: TestContext, port: number, more: Partial<Limits> = {}, others: readonly Entry[] = []) => {
  const well = await startInstance(t, (_request, response) => response.end('ok'))
  const started = await startRouter(
    t,
    feed => {
      feed.announce('crm', entry('users', 'a1', port), entry('users', 'b2', well.port), ...others)
      feed.routeWith({sticky: 'sid'}, '*', '/', 'users.crm.service')
    },
    {limits: {...limits, ...more}},
  )
  const views = async () =>
    (JSON.parse((await started.router.admin('/table')).text) as {upstreams: {name: string; inFlight: number; ejectedForMs: number}[]})
      .upstreams
  const first = async () => (await views()).find(({name}) => name === 'a1.users.crm')
  return {...started, views, first}
}

/** Listens on the port after a deaf one. */
const besideDeaf = async (t: TestContext, neighbour: Server): Promise<Deaf> => {
  const deaf = await startDeaf(t)
  const isOurs = await new Promise<boolean>(resolve => {
    neighbour.once('error', () => resolve(false)).listen(deaf.port + 1, '127.0.0.1', () => resolve(true))
  })
  return isOurs ? deaf : besideDeaf(t, neighbour)
}

const toFirst = {headers: {cookie: 'sid=a1'}}

test('a request in flight to a host that went silent goes elsewhere when it may, and is told when not', async t => {
  const deaf = await startDeaf(t, {both: true})
  // It is passed over, for connections it does not take, before anything has waited for long: what is in flight is looked after all the same.
  const {router, first} = await startWith(t, deaf.port, {quietMsMax: 2_000})
  const get = call(router.port, toFirst)
  const post = call(router.port, {...toFirst, method: 'POST', body: 'x'})
  await until(async () => (await first())?.inFlight === 2)
  await deaf.fill()
  for (let n = 0; n < 4; n++) void call(router.port, toFirst).catch(() => undefined)
  const [read, written] = await Promise.all([get, post])
  assert.deepEqual([read.status, read.text], [200, 'ok'])
  assert.equal(written.status, 504)
  assert.equal(written.problem.code, 'upstream_timeout')
  assert.match(String(written.problem.detail), /is on a host that stopped answering/)
  assert.ok(((await first())?.ejectedForMs ?? 0) > 0)
})

test('one that a request found out while we asked is not used again when that is over, but our asking is not', async t => {
  const deaf = await startDeaf(t, {both: true})
  // Asking takes 3 s, being passed over for the first time 2 s.
  const {router, first} = await startWith(t, deaf.port, {probeTimeoutMs: 1_500})
  const get = call(router.port, toFirst)
  const since = Date.now()
  await until(async () => (await first())?.inFlight === 1)
  await deaf.fill()
  // Looks three times while one try may take: we ask by now.
  await until(() => Date.now() - since > limits.quietMsMax + 1_500 / 3 + 100)
  assert.equal((await call(router.port, toFirst)).text, 'ok')
  assert.equal((await get).text, 'ok')
  assert.ok(((await first())?.ejectedForMs ?? 0) > 0)
})

test('a request whose kept connection its instance ends after it has waited for long goes to another one, not there again', async t => {
  let asked = 0
  const instance = createServer(socket => {
    let onThis = 0
    socket
      .on('error', () => undefined)
      .on('data', () => {
        asked += 1
        onThis += 1
        if (onThis === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst')
        else setTimeout(() => socket.end(), 2 * limits.quietMsMax)
      })
  }).listen(0, '127.0.0.1')
  await once(instance, 'listening')
  t.after(() => instance.close())
  const {router} = await startWith(t, (instance.address() as {port: number}).port, {upstreamKeepAliveMs: 60_000})
  assert.equal((await call(router.port, toFirst)).text, 'first')
  assert.equal((await call(router.port, toFirst)).text, 'ok')
  assert.equal(asked, 2)
})

test('one to an instance that takes no connection, on a host that answers others, is left alone', async t => {
  let tried = 0
  const neighbour = createServer(socket => {
    tried += 1
    socket.destroy()
  })
  const deaf = await besideDeaf(t, neighbour)
  t.after(() => neighbour.close())
  const {router, first} = await startWith(t, deaf.port)
  void call(router.port, toFirst).catch(() => undefined)
  await until(async () => (await first())?.inFlight === 1)
  await deaf.fill()
  await until(() => tried >= 3)
  assert.deepEqual(await first().then(seen => [seen?.inFlight, seen?.ejectedForMs]), [1, 0])
})

test('no request goes to hosts known to be silent while there is another, though most are', async t => {
  const [deaf, other] = [await startDeaf(t, {both: true}), await startDeaf(t, {both: true})]
  const {router, views} = await startWith(t, deaf.port, {}, [entry('users', 'c3', other.port)])
  await Promise.all([deaf.fill(), other.fill()])
  const silent = async () => (await views()).filter(({ejectedForMs}) => ejectedForMs > 2_000).length
  // The second time is for 4 s, and only after we have tried it.
  await until(async () => (await call(router.port)).text === 'ok' && (await silent()) === 2)
  const retries = async () => /gilliam_proxy_retries_total (\d+)/.exec((await router.admin('/metrics')).text)?.[1]
  const before = await retries()
  for (let n = 0; n < 20; n++) assert.equal((await call(router.port)).text, 'ok')
  assert.equal(await retries(), before)
})

test('an instance that is passed over is tried by us, not with a request, and is back when it takes connections', async t => {
  let gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const {port} = gone.address() as {port: number}
  gone.close()
  await once(gone, 'close')
  const {router, first} = await startWith(t, port)
  assert.equal((await call(router.port, toFirst)).text, 'ok')
  const since = Date.now()
  // Out for 2 s at first: what is left grows only when it was tried and did not answer.
  await until(async () => (await first())?.ejectedForMs !== 0 && Date.now() - since + ((await first())?.ejectedForMs ?? 0) > 5_000)
  assert.equal((await first())?.inFlight, 0)
  gone = createServer(socket => socket.destroy()).listen(port, '127.0.0.1')
  await once(gone, 'listening')
  t.after(() => gone.close())
  await until(async () => (await first())?.ejectedForMs === 0)
})
