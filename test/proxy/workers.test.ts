// Workers under a primary, as real processes: reloads that lose nothing, workers and primaries that are killed, and programs that do not start.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {copyFile, writeFile} from 'node:fs/promises'
import {Agent, request} from 'node:http'
import {connect, type Socket} from 'node:net'
import {join} from 'node:path'
import {after, before, test} from 'node:test'
import {setTimeout as sleep} from 'node:timers/promises'
import {WebSocket, WebSocketServer} from 'ws'
import {bundleProgram, type Program, runRouter} from './program.ts'
import {type Closer, call, entry, Feed, startInstance, until} from './rig.ts'

let program: Program

before(async () => {
  program = await bundleProgram()
})
after(() => program.remove())

/** A feed with one instance that tells the length of what it is sent, and gives `/slow` an answer when told to. */
const startSystem = async (t: Closer) => {
  const slow: (() => void)[] = []
  const instance = await startInstance(t, (incoming, response) => {
    let bytes = 0
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    incoming.on('end', () => {
      if (incoming.url === '/slow') slow.push(() => response.end('late'))
      else response.end(String(bytes))
    })
  })
  const feed = new Feed()
  feed.announce('crm', entry('users', 'a1', instance.port))
  feed.route(['*', '/{rest:.*}', 'users.crm.service/{rest}'])
  await feed.start(t)
  return {feed, slow, instance}
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const send = (port: number, agent: Agent | false, body: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const outgoing = request({host: '127.0.0.1', port, method: body === '' ? 'GET' : 'POST', agent}, response => {
      let text = ''
      response.on('data', chunk => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => resolve(`${response.statusCode} ${text}`))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })

/** Requests of all sorts, without a pause, until told to end: on kept and on new connections, with and without a body. */
const startLoad = (port: number) => {
  const agent = new Agent({keepAlive: true})
  const failed: string[] = []
  let sent = 0
  let isOver = false
  const client = async (kind: Agent | false, body: string): Promise<void> => {
    while (!isOver) {
      sent += 1
      const answer = await send(port, kind, body).catch((error: Error) => error.message)
      if (answer !== `200 ${body.length}`) failed.push(answer)
      await sleep(2)
    }
  }
  const clients = [agent, agent, false, false].flatMap((kind, index) =>
    client(kind as Agent | false, index % 2 === 0 ? '' : 'x'.repeat(300)),
  )
  const end = async () => {
    isOver = true
    await Promise.all(clients)
    agent.destroy()
    return {sent, failed}
  }
  return {end, sent: () => sent}
}

const counted = (metrics: string): number =>
  [...metrics.matchAll(/^gilliam_proxy_requests_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0)

test('reloads under load lose no request, and no count', async t => {
  const {feed} = await startSystem(t)
  const router = await runRouter(t, program, feed)
  const load = startLoad(router.port)
  for (let reloads = 0; reloads < 3; reloads++) {
    const before = load.sent()
    await router.reload()
    await until(() => load.sent() > before + 50, 'more requests')
  }
  const table = JSON.parse((await call(router.admin, {path: '/table'})).text) as {upstreams: {name: string}[]}
  assert.deepEqual(
    table.upstreams.map(({name}) => name),
    ['a1.users.crm'],
  )
  const {sent, failed} = await load.end()
  assert.deepEqual(failed, [])
  const {text} = await call(router.admin, {path: '/metrics'})
  assert.equal(counted(text), sent)
  assert.match(text, /^gilliam_proxy_routes 1$/m)
  router.child.kill('SIGTERM')
  const [code] = await once(router.child, 'exit')
  assert.equal(code, 0, router.output())
})

test('a replaced worker finishes what it has: a request, an idle connection’s next one, a WebSocket until the deadline', async t => {
  const {feed, slow, instance} = await startSystem(t)
  new WebSocketServer({server: instance.server}).on('connection', socket => socket.on('message', data => socket.send(data)))
  const router = await runRouter(t, program, feed, {GILLIAM_WORKERS: '1', GILLIAM_RELOAD_DRAIN_MS: '1500'})
  const [old] = await router.workers()
  const idle = new Agent({keepAlive: true, maxSockets: 1})
  t.after(() => idle.destroy())
  assert.equal(await send(router.port, idle, ''), '200 0')
  const socket = new WebSocket(`ws://127.0.0.1:${router.port}/ws`)
  await once(socket, 'open')
  const late = call(router.port, {path: '/slow'})
  await until(() => slow.length === 1, 'the request at the instance')
  await router.reload()
  socket.send('still here')
  assert.equal(String((await once(socket, 'message'))[0]), 'still here')
  const closing = await new Promise(resolve => {
    request({host: '127.0.0.1', port: router.port, agent: idle}, response => {
      response.resume().on('end', () => resolve(response.headers.connection))
    }).end()
  })
  assert.equal(closing, 'close')
  slow[0]?.()
  assert.equal((await late).text, 'late')
  const [closed] = await once(socket, 'close')
  assert.equal(closed, 1006)
  await until(() => !isAlive(old?.pid as number), 'the old worker ends')
})

test('of a worker that is killed only its own requests fail, and another takes its place', async t => {
  const {feed} = await startSystem(t)
  const router = await runRouter(t, program, feed)
  const [victim, other] = await router.workers()
  process.kill(victim?.pid as number, 'SIGKILL')
  await until(async () => !(await router.workers()).some(({id}) => id === victim?.id), 'the death is noticed')
  const answers = await Promise.all(Array.from({length: 40}, () => send(router.port, false, 'abc')))
  assert.deepEqual(new Set(answers), new Set(['200 3']))
  await until(async () => (await router.workers()).filter(({state}) => state === 'ready').length === 2, 'replaced')
  assert.ok((await router.workers()).some(({id}) => id === other?.id))
})

test('connections wait while the only worker is replaced', async t => {
  const {feed} = await startSystem(t)
  const router = await runRouter(t, program, feed, {GILLIAM_WORKERS: '1'})
  for (let deaths = 0; deaths < 2; deaths++) {
    const [victim] = await router.workers()
    process.kill(victim?.pid as number, 'SIGKILL')
    await until(() => !isAlive(victim?.pid as number), 'dead')
    assert.equal(await send(router.port, false, 'abc'), '200 3')
    await until(async () => (await router.workers()).some(({state}) => state === 'ready'), 'ready again')
  }
})

test('a program that does not start leaves the old workers where they are', async t => {
  const {feed} = await startSystem(t)
  const own = {...program, file: join(program.folder, 'replaced.mjs')}
  await copyFile(program.file, own.file)
  const router = await runRouter(t, own, feed)
  const before = await router.workers()
  for (const broken of ['process.exit(3)', "process.send({kind: 'hello', protocol: 0}); setInterval(() => {}, 1000)"]) {
    await writeFile(own.file, broken)
    const failures = router.output().split('do not get ready').length
    router.child.kill('SIGHUP')
    await until(() => router.output().split('do not get ready').length > failures, 'refused')
    assert.equal(await send(router.port, false, 'abc'), '200 3')
  }
  assert.match(router.output(), /one ended \(exit code 3\)/)
  assert.match(router.output(), /of a version that this process can not lead/)
  await until(async () => (await router.workers()).length === 2, 'only the old ones')
  assert.deepEqual(await router.workers(), before)
  // The first ends; the second holds on to the listening socket and hears nothing.
  const first = JSON.stringify(join(program.folder, 'first'))
  const hangs = 'writeFileSync(1, "hangs as " + process.pid + ";"); for (;;) {}'
  await writeFile(
    own.file,
    `import {mkdirSync, writeFileSync} from 'node:fs'; try {mkdirSync(${first}); process.exitCode = 3} catch {${hangs}}`,
  )
  router.child.kill('SIGHUP')
  const hung = (): number => Number(/hangs as ([0-9]+);/.exec(router.output())?.[1] ?? 0)
  await until(() => hung() > 0, 'one hangs')
  await until(() => !isAlive(hung()), 'it is ended all the same')
  await until(async () => (await router.workers()).length === 2, 'only the old ones again')
  await copyFile(program.file, own.file)
  await router.reload()
})

test('new workers have the table though the control plane is gone, and the primary alone has the token', async t => {
  const {feed} = await startSystem(t)
  const router = await runRouter(t, program, feed)
  assert.equal(await send(router.port, false, ''), '200 0')
  await feed.stop()
  await until(async () => /reachable 0/.test((await call(router.admin, {path: '/metrics'})).text), 'it is noticed')
  await router.reload()
  const answers = await Promise.all(Array.from({length: 20}, () => send(router.port, false, 'abc')))
  assert.deepEqual(new Set(answers), new Set(['200 3']))
  const asked = feed.asked.length
  await feed.start(t)
  feed.announce('crm')
  await until(async () => (await call(router.port)).status === 503, 'changes arrive again')
  assert.ok(feed.asked.length > asked)
})

test('a rate limit holds for all workers together', async t => {
  const {feed} = await startSystem(t)
  feed.route()
  feed.routeWith({rateLimit: {requests: 20, perMs: 3_600_000}}, '*', '/{rest:.*}', 'users.crm.service/{rest}')
  const router = await runRouter(t, program, feed)
  let passed = 0
  let refusedInARow = 0
  while (refusedInARow < 10) {
    const {status} = await call(router.port)
    refusedInARow = status === 429 ? refusedInARow + 1 : 0
    if (status === 200) passed += 1
    await sleep(10)
  }
  // Each on its own would have let 20 through.
  assert.ok(passed >= 20 && passed < 40, `${passed} passed`)
})

test('workers end with their primary', async t => {
  const {feed, slow} = await startSystem(t)
  const router = await runRouter(t, program, feed)
  const workers = await router.workers()
  const late = call(router.port, {path: '/slow'})
  await until(() => slow.length === 1, 'the request at the instance')
  router.child.kill('SIGKILL')
  await once(router.child, 'exit')
  await until(() => refuses(router.port), 'nobody listens any more')
  slow[0]?.()
  assert.equal((await late).text, 'late')
  await until(() => workers.every(({pid}) => !isAlive(pid)), 'the workers end')
})

const refuses = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket: Socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', () => resolve(true))
  })
