// The agent as a process, real instances, and a control plane made by hand.
import assert from 'node:assert/strict'
import {readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {test} from 'node:test'
import {assignment, health, httpScript, machine, processesOf, slugOf} from './fixtures.ts'
import {until} from './wait.ts'

test('runs an instance of a slug, announces it when healthy, ships its output, and withdraws before it stops', async t => {
  const it = await machine(t)
  const {blob, slug} = await slugOf({
    'server.js':
      'require("node:http").createServer((q,s)=>s.end("hello")).listen(process.env.PORT, process.env.HOST, () => console.log("up"))',
  })
  it.plane.slugs.set(slug.sha256, blob)
  await it.start()
  const wanted = assignment('a1', {slug, script: 'node server.js', ports: [{port: 80}], health: health({http: '/'})})
  it.plane.assign(wanted)
  const running = await it.plane.reported('a1', report => report.state === 'running')
  assert.equal(running.announced, true)
  assert.equal(running.address?.host, '127.0.0.1')
  const answer = await fetch(`http://127.0.0.1:${running.address?.ports[80]}/`)
  assert.equal(await answer.text(), 'hello')
  await until(() => it.plane.logs.some(line => line.id === 'a1' && line.stream === 'stdout' && line.text === 'up'))
  it.plane.assign({...wanted, stop: true})
  const stopping = await it.plane.reported('a1', report => report.state === 'stopping')
  assert.equal(stopping.announced, false)
  assert.equal((await fetch(`http://127.0.0.1:${running.address?.ports[80]}/`)).status, 200, 'serves while callers find out')
  const stopped = await it.plane.reported('a1', report => report.state === 'stopped')
  assert.equal(stopped.announced, false)
  assert.deepEqual(processesOf('a1'), [])
})

test('is not announced before it is healthy', async t => {
  const it = await machine(t)
  await it.start()
  it.plane.assign(assignment('b1', {script: httpScript(true), ports: [{port: 80}], health: health()}))
  await it.plane.reported('b1', report => report.state === 'starting' && report.address !== undefined)
  assert.ok(it.plane.reports.every(report => !report.announced))
})

test('the environment of an instance has what the platform promises and nothing of the agent’s', async t => {
  const it = await machine(t)
  await it.start({GILLIAM_PROXY: 'http://127.0.0.1:7128', GILLIAM_TOKEN: 'secret-token'})
  const env = {COLOUR: 'red', PORT: '1', GILLIAM_EXECUTOR: 'other', PORTAL: 'open'}
  it.plane.assign(assignment('env1', {script: 'env; sleep 1000', ports: [{port: 80}, {port: 9000}], env}))
  await until(() => it.plane.logs.some(line => line.text.startsWith('GILLIAM_RELEASE=')) && it.plane.logs.length > 15)
  const seen = new Map(it.plane.logs.map(line => line.text.split(/=(.*)/s) as [string, string]))
  assert.equal(seen.get('COLOUR'), 'red')
  assert.equal(seen.get('PORTAL'), 'open')
  assert.equal(seen.get('GILLIAM_EXECUTOR'), 'here')
  assert.equal(seen.get('PORT'), seen.get('PORT_80'))
  assert.notEqual(seen.get('PORT_9000'), seen.get('PORT_80'))
  assert.equal(seen.get('HTTP_PROXY'), 'http://127.0.0.1:7128')
  assert.equal(seen.get('NODE_USE_ENV_PROXY'), '1')
  assert.equal(seen.get('SECRET_OF_THE_AGENT'), undefined)
  for (const [name, value] of seen) assert.ok(!/TOKEN|AGENT_HOME/.test(name) && !value.includes('secret-token'), name)
})

test('a crashing instance is started again with backoff, and the death is told at once', async t => {
  const it = await machine(t)
  it.plane.nextSyncMs = 60_000
  await it.start()
  // The next call is a minute away: only a report that is due at once can bring the assignment and everything after it.
  await it.end('SIGTERM')
  it.plane.assign(assignment('c1', {script: 'echo up; test -e again && exec sleep 1000; touch again; exit 3'}))
  await it.start()
  const crashed = await it.plane.reported('c1', report => report.exitCode === 3)
  assert.equal(crashed.reason, 'exit code 3; starting again in 0.5 s')
  const again = await it.plane.reported('c1', report => report.state === 'running')
  assert.equal(again.restarts, 1)
  assert.equal(again.reason, undefined)
  assert.equal(processesOf('c1').length > 0, true)
})

test('a process that can not become healthy in time has failed, with the reason and its last lines', async t => {
  const it = await machine(t)
  await it.start()
  const script = httpScript(true).replace('exec node', 'echo hello from the deep; exec node')
  it.plane.assign(assignment('d1', {script, ports: [{port: 80}], health: health({startTimeoutMs: 1_000})}))
  const failed = await it.plane.reported('d1', report => report.state === 'failed')
  assert.equal(failed.reason, 'not healthy within 1 s: GET /healthz answered 500')
  assert.ok(it.plane.logs.some(line => line.text === 'hello from the deep'))
  assert.ok(it.plane.logs.some(line => line.stream === 'agent' && line.text.includes('not healthy within 1 s')))
  assert.deepEqual(processesOf('d1'), [])
})

test('an agent that was killed adopts what runs, notices its death at once, and doubles nothing', async t => {
  const it = await machine(t)
  it.plane.assign(assignment('e1', {script: httpScript(), ports: [{port: 80}], health: health()}))
  await it.start()
  const before = await it.plane.reported('e1', report => report.state === 'running')
  const pids = processesOf('e1')
  await it.end('SIGKILL')
  await it.start()
  assert.deepEqual(processesOf('e1'), pids)
  const [leader] = pids
  const url = `http://127.0.0.1:${before.address?.ports[80]}/`
  const pid = Number(await (await fetch(url)).text())
  process.kill(pid, 'SIGKILL')
  const after = await it.plane.reported('e1', report => report.restarts === 1 && report.state === 'running')
  assert.deepEqual(after.address, before.address, 'the same port, so that callers with an old table still find it')
  assert.ok(!processesOf('e1').includes(leader as number))
})

test('an agent killed while it starts an instance neither forgets nor doubles it', async t => {
  const it = await machine(t)
  const ids = Array.from({length: 6}, (_, n) => `f${n}`)
  it.plane.assign(...ids.map(id => assignment(id, {script: 'exec sleep 1000'})))
  await it.start()
  for (let round = 0; round < 4; round++) {
    await it.end('SIGKILL')
    await it.start()
  }
  for (const id of ids) await it.plane.reported(id, report => report.state === 'running')
  const sleepers = ids.map(id => processesOf(id).length)
  assert.ok(
    sleepers.every(count => count === sleepers[0] && count <= 3),
    `processes of each: ${sleepers}`,
  )
})

test('SIGTERM leaves instances running; SIGUSR2 stops them, and they start again under the same id', async t => {
  const it = await machine(t)
  it.plane.assign(assignment('g1', {script: httpScript(), ports: [{port: 80}], health: health()}))
  await it.start()
  await it.plane.reported('g1', report => report.state === 'running')
  const pids = processesOf('g1')
  assert.equal(await it.end('SIGTERM'), 0)
  assert.deepEqual(processesOf('g1'), pids)
  await it.start()
  assert.equal(await it.end('SIGUSR2'), 0)
  assert.deepEqual(processesOf('g1'), [])
  const withdrawn = it.plane.latest('g1')
  assert.equal(withdrawn?.announced, false)
  await it.start()
  await it.plane.reported('g1', report => report.state === 'running' && report.announced)
})

test('after a reboot the same instances start again on the same executor', async t => {
  const it = await machine(t)
  it.plane.assign(assignment('m1', {script: 'echo "$PORT" >> ports; exec sleep 1000', ports: [{port: 80}]}))
  await it.start()
  await until(() => it.plane.latest('m1') !== undefined && processesOf('m1').length > 0)
  await it.end('SIGKILL')
  for (const pid of processesOf('m1')) process.kill(pid, 'SIGKILL')
  // What a reboot looks like to the next agent: another boot id than the one in its state and in the notes of the processes.
  const state = `${it.home}/state.json`
  writeFileSync(state, readFileSync(state, 'utf8').replace(/"bootId":"[^"]*"/, '"bootId":"another"'))
  const control = `${it.home}/instances/crm.users.m1/control`
  const note = `${control}/${readdirSync(control).find(name => name.startsWith('pid.'))}`
  writeFileSync(note, readFileSync(note, 'utf8').replace(/^\S+/, 'another'))
  await it.start()
  await until(() => processesOf('m1').length > 0)
  const ports = () => readFileSync(`${it.home}/instances/crm.users.m1/run/ports`, 'utf8').trim().split('\n')
  await until(() => ports().length === 2)
  assert.equal(new Set(ports()).size, 1)
})

test('what is not assigned any more is stopped at once', async t => {
  const it = await machine(t)
  it.plane.assign(assignment('h1'), assignment('h2'))
  await it.start()
  await it.plane.reported('h1', report => report.state === 'running')
  it.plane.assign(assignment('h2'))
  await it.plane.reported('h1', report => report.state === 'stopped')
  assert.deepEqual(processesOf('h1'), [])
  assert.ok(processesOf('h2').length > 0)
})

test('without a control plane everything keeps running, also over a restart of the agent; reports come when it is back', async t => {
  const it = await machine(t)
  it.plane.assign(
    assignment('i1', {script: 'test -e again && exec sleep 1000; touch again; sleep 1; while [ ! -e die ]; do sleep 0.05; done; exit 4'}),
  )
  await it.start()
  await it.plane.reported('i1', report => report.state === 'running')
  it.plane.broken = 503
  const pids = processesOf('i1')
  await it.end('SIGKILL')
  const restarted = it.start()
  await until(() => it.output().includes('sync failed'))
  assert.ok(processesOf('i1').includes(pids[0] as number))
  writeFileSync(`${it.home}/instances/crm.users.i1/run/die`, '')
  await until(() => it.output().includes('exit code 4'))
  it.plane.broken = undefined
  await restarted
  await it.plane.reported('i1', report => report.restarts === 1 && report.state === 'running')
})

test('a refused credential is answered by joining again, as the same executor', async t => {
  const it = await machine(t)
  it.plane.assign(assignment('j1'))
  await it.start()
  await it.plane.reported('j1', report => report.state === 'running')
  const pids = processesOf('j1')
  it.plane.refuseCredential()
  await until(() => it.plane.joins.length === 2)
  const syncs = it.plane.syncs
  await until(() => it.plane.syncs > syncs)
  assert.deepEqual(processesOf('j1'), pids)
  assert.equal((it.plane.joins[1] as {id: string}).id, 'here')
})

test('a process that ignores SIGTERM is killed after its grace, with everything it started', async t => {
  const it = await machine(t)
  const stubborn = assignment('k1', {script: 'trap "" TERM; sleep 1000 & while :; do sleep 0.1; done', stopGraceMs: 300})
  it.plane.assign(stubborn)
  await it.start()
  await it.plane.reported('k1', report => report.state === 'running')
  it.plane.assign({...stubborn, stop: true})
  await it.plane.reported('k1', report => report.state === 'stopped')
  assert.deepEqual(processesOf('k1'), [])
})

test('what can never start fails at once and says why', async t => {
  const it = await machine(t)
  await it.start()
  const nothing = {script: undefined}
  it.plane.assign(
    assignment('l1', {...nothing, kind: 'auxiliary', type: 'mystery'}),
    assignment('l2', {...nothing, image: 'busybox'}),
    assignment('l3', {slug: {sha256: '0'.repeat(64), bytes: 9}}),
  )
  assert.match(
    (await it.plane.reported('l1', report => report.state === 'failed')).reason ?? '',
    /unknown type mystery: this executor knows redis, etcd/,
  )
  assert.match((await it.plane.reported('l2', report => report.state === 'failed')).reason ?? '', /docker/)
  const retried = await it.plane.reported('l3', report => report.reason !== undefined)
  assert.match(retried.reason ?? '', /slug 000000000000 could not be fetched: the download answered 404; starting again in 0.5 s/)
})

test('a second agent in the same home is refused', async t => {
  const it = await machine(t)
  await it.start()
  const first = it.agent()
  t.after(() => first.kill('SIGKILL'))
  await it.start()
  await until(() => it.agent().exitCode === 1, it.output)
  assert.match(it.output(), /an agent runs here already \(pid \d+\)/)
})
