// Living on the feed: first use, outage, restart from the snapshot, expiry, and not asking more than needed.
import assert from 'node:assert/strict'
import {mkdtemp, readFile, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {test} from 'node:test'
import {type Closer, call, entry, Feed, startInstance, startPlane, until} from './rig.ts'

const startOk = (t: Closer, text = 'ok') => startInstance(t, (_request, response) => response.end(text))

const temporary = async (t: Closer): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'gilliam-proxy-'))
  t.after(() => rm(folder, {recursive: true, force: true}))
  return folder
}

const isReady = async (plane: {admin: (path: string) => Promise<{status: number}>}): Promise<boolean> =>
  (await plane.admin('/readyz')).status === 200

test('a formation is asked for on first use, and the request waits for the answer', async t => {
  const {port} = await startOk(t)
  const feed = new Feed()
  feed.announce('crm', entry('users', 'a1', port))
  await feed.start(t)
  const proxy = await startPlane(t, 'proxy', feed)
  await until(() => isReady(proxy), 'ready')
  assert.ok(feed.asked.every(({formations, routes}) => Object.keys(formations).length === 0 && routes === undefined))
  const answers = await Promise.all(Array.from({length: 20}, () => call(proxy.port, {path: 'http://users.crm.service/'})))
  assert.deepEqual([...new Set(answers.map(({status}) => status))], [200])
  await until(() => feed.asked.some(({formations}) => formations.crm === 1), 'later polls carry the version')
})

test('a formation nobody has is known to be empty, not asked for again and again', async t => {
  const feed = new Feed()
  await feed.start(t)
  const proxy = await startPlane(t, 'proxy', feed)
  await until(() => isReady(proxy), 'ready')
  await call(proxy.port, {path: 'http://users.nothing.service/'})
  const before = feed.asked.length
  for (let i = 0; i < 50; i++) assert.equal((await call(proxy.port, {path: 'http://users.nothing.service/'})).status, 503)
  assert.ok(feed.asked.length - before < 25, `${feed.asked.length - before} polls for 50 requests`)
})

test('with the control plane gone everything known goes on; what is unknown is refused quickly and says why', async t => {
  const {port} = await startOk(t)
  const feed = new Feed()
  feed.announce('crm', entry('users', 'a1', port), entry('outsider', 'x1', port, {expiresInMs: 150}))
  feed.route(['*', '/', 'users.crm.service'], ['*', '/outsider', 'outsider.crm.service'], ['*', '/{f}', 'users.{f}.service'])
  await feed.start(t)
  const router = await startPlane(t, 'router', feed)
  await until(async () => (await call(router.port)).status === 200, 'serving')
  await feed.stop()
  await until(async () => JSON.parse((await router.admin('/table')).text).controlPlane.reachable === false, 'the outage is noticed')
  await until(
    async () => /table_age_seconds 0\.[2-9]|table_age_seconds [1-9]/.test((await router.admin('/metrics')).text),
    'the lease is over',
  )
  for (let i = 0; i < 20; i++) assert.equal((await call(router.port)).status, 200)
  assert.equal((await call(router.port, {path: '/outsider'})).status, 200, 'what could not renew is kept')
  const unknown = await call(router.port, {path: '/other'})
  assert.equal(unknown.status, 503)
  assert.match(String(unknown.problem.detail), /control plane could not be asked/)
  assert.equal(await isReady(router), true)
  await feed.start(t)
  await until(async () => JSON.parse((await router.admin('/table')).text).controlPlane.reachable === true, 'back')
  await until(async () => (await call(router.port, {path: '/outsider'})).status === 503, 'what did not renew ends')
  assert.equal((await call(router.port)).status, 200)
})

test('entries from outside the platform end by themselves', async t => {
  const {port} = await startOk(t)
  const feed = new Feed()
  feed.announce('crm', entry('outsider', 'x1', port, {expiresInMs: 400}), entry('users', 'a1', port))
  await feed.start(t)
  const proxy = await startPlane(t, 'proxy', feed)
  assert.equal((await call(proxy.port, {path: 'http://outsider.crm.service/'})).status, 200)
  await until(async () => (await call(proxy.port, {path: 'http://outsider.crm.service/'})).status === 503, 'it ended')
  assert.equal((await call(proxy.port, {path: 'http://users.crm.service/'})).status, 200)
})

test('restarted with the control plane down it serves the saved table, then asks for everything anew', async t => {
  const first = await startOk(t, 'first')
  const second = await startOk(t, 'second')
  const snapshotFile = join(await temporary(t), 'table.json')
  const feed = new Feed()
  feed.announce('crm', entry('users', 'a1', first.port))
  feed.announce('shop', entry('cart', 'c1', first.port))
  feed.route(['*', '/', 'users.crm.service'], ['*', '/{f}', 'cart.{f}.service'])
  await feed.start(t)
  const before = await startPlane(t, 'router', feed, {snapshotFile})
  await until(async () => (await call(before.port, {path: '/shop'})).status === 200, 'serving')
  await before.stop()
  await feed.stop()
  assert.equal((await stat(snapshotFile)).mode & 0o777, 0o600)

  const after = await startPlane(t, 'router', feed, {snapshotFile})
  assert.equal(await isReady(after), true, 'ready before the control plane has answered')
  assert.equal((await call(after.port)).text, 'first')
  assert.equal((await call(after.port, {path: '/shop'})).text, 'first')

  // A control plane with another history under the same version numbers.
  const other = new Feed()
  other.announce('crm', entry('users', 'b1', second.port))
  other.route(['*', '/', 'users.crm.service'], ['*', '/{f}', 'cart.{f}.service'])
  await other.start(t)
  const moved = await startPlane(t, 'router', other, {snapshotFile})
  await until(async () => (await call(moved.port)).text === 'second', 'the new table')
  await until(async () => (await call(moved.port, {path: '/shop'})).status === 503, 'what is no longer there is dropped')
})

test('a damaged snapshot is set aside with a warning', async t => {
  const snapshotFile = join(await temporary(t), 'table.json')
  const feed = new Feed()
  for (const content of [
    '{"format":1,',
    '{"format":99}',
    '{"format":1,"discovered":{"formations":{"crm":{"version":1,"endpoints":[{}]}},"nextPollMs":1}}',
  ]) {
    await writeFile(snapshotFile, content)
    const router = await startPlane(t, 'router', feed, {snapshotFile})
    assert.equal(await isReady(router), false)
    assert.ok(router.logged.some(line => line.includes('can not be read')))
    const answer = await call(router.port)
    assert.deepEqual([answer.status, answer.problem.code], [503, 'unavailable'])
    await router.stop()
  }
})

test('the snapshot follows changes while running, and an unwritable place harms nothing', async t => {
  const {port} = await startOk(t)
  const folder = await temporary(t)
  const snapshotFile = join(folder, 'table.json')
  const feed = new Feed()
  feed.announce('crm', entry('users', 'a1', port))
  feed.route(['*', '/', 'users.crm.service'])
  await feed.start(t)
  const router = await startPlane(t, 'router', feed, {snapshotFile})
  await until(async () => (await call(router.port)).status === 200, 'serving')
  feed.announce('crm', entry('users', 'b2', port))
  await until(async () => (await readFile(snapshotFile, 'utf8').catch(() => '')).includes('"b2"'), 'saved')
  const broken = await startPlane(t, 'router', feed, {snapshotFile: join(folder, 'none', 'table.json')})
  await until(() => broken.logged.some(line => line.includes('could not save the table')), 'a warning')
  assert.equal((await call(broken.port)).status, 200)
})

test('while draining it is not ready, refuses newcomers and lets what is in flight finish', async t => {
  let release: (() => void) | undefined
  const {port} = await startInstance(t, (_request, response) => {
    response.write('begun ')
    release = () => response.end('ended')
  })
  const feed = new Feed()
  feed.announce('crm', entry('users', 'a1', port))
  await feed.start(t)
  const {limitsDefault} = await import('#proxy/limits.ts')
  const proxy = await startPlane(t, 'proxy', feed, {limits: {...limitsDefault, drainTimeoutMs: 5_000}})
  const inFlight = call(proxy.port, {path: 'http://users.crm.service/'})
  await until(() => release !== undefined, 'in flight')
  const stopped = proxy.stop()
  await until(async () => (await proxy.admin('/readyz')).status === 503, 'not ready')
  await until(async () => (await call(proxy.port).catch(() => undefined)) === undefined, 'no newcomers')
  release?.()
  assert.equal((await inFlight).text, 'begun ended')
  await stopped
})
