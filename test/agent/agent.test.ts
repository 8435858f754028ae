// The agent as a process, real instances, and a control plane made by hand: what it does with an instance from its assignment to its end.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {assignment, health, httpScript, machine, processesOf, slugOf} from './fixtures.ts'
import {until} from './wait.ts'

describe('agent', {concurrency: 3}, () => {
  it('runs an instance of a slug, announces it when healthy, ships its output, and withdraws before it stops', async t => {
    const here = await machine(t)
    const {blob, slug} = await slugOf({
      'server.js':
        'require("node:http").createServer((q,s)=>s.end("hello")).listen(process.env.PORT, process.env.HOST, () => console.log("up"))',
    })
    here.plane.slugs.set(slug.sha256, blob)
    here.plane.drainMs = 2_500
    await here.start()
    const wanted = assignment('a1', {slug, script: 'node server.js', ports: [{port: 80}], health: health({http: '/'})})
    here.plane.assign(wanted)
    const running = await here.plane.reported('a1', report => report.state === 'running')
    assert.equal(running.announced, true)
    assert.equal(running.address?.host, '127.0.0.1')
    const answer = await fetch(`http://127.0.0.1:${running.address?.ports[80]}/`)
    assert.equal(await answer.text(), 'hello')
    await until(() => here.plane.logs.some(line => line.id === 'a1' && line.stream === 'stdout' && line.text === 'up'))
    here.plane.assign({...wanted, stop: true})
    const stopping = await here.plane.reported('a1', report => report.state === 'stopping')
    assert.equal(stopping.announced, false)
    assert.equal((await fetch(`http://127.0.0.1:${running.address?.ports[80]}/`)).status, 200, 'serves while callers find out')
    const stopped = await here.plane.reported('a1', report => report.state === 'stopped')
    assert.equal(stopped.announced, false)
    assert.deepEqual(processesOf('a1'), [])
  })

  it('is not announced before it is healthy', async t => {
    const here = await machine(t)
    await here.start()
    here.plane.assign(assignment('b1', {script: httpScript(true), ports: [{port: 80}], health: health()}))
    await here.plane.reported('b1', report => report.state === 'starting' && report.address !== undefined)
    assert.ok(here.plane.reports.every(report => !report.announced))
  })

  it('the environment of an instance has what the platform promises and nothing of the agent’s', async t => {
    const here = await machine(t)
    await here.start({GILLIAM_PROXY: 'http://127.0.0.1:7128', GILLIAM_TOKEN: 'secret-token'})
    const env = {COLOUR: 'red', PORT: '1', GILLIAM_EXECUTOR: 'other', PORTAL: 'open'}
    here.plane.assign(assignment('env1', {script: 'env; sleep 1000', ports: [{port: 80}, {port: 9000}], env}))
    await until(() => here.plane.logs.some(line => line.text.startsWith('GILLIAM_RELEASE=')) && here.plane.logs.length > 15)
    const seen = new Map(here.plane.logs.map(line => line.text.split(/=(.*)/s) as [string, string]))
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

  it('a crashing instance is started again with backoff, and the death is told at once', async t => {
    const here = await machine(t)
    here.plane.nextSyncMs = 60_000
    await here.start()
    // The next call is a minute away: only a report that is due at once can bring the assignment and everything after it.
    await here.end('SIGTERM')
    here.plane.assign(assignment('c1', {script: 'echo up; test -e again && exec sleep 1000; touch again; exit 3'}))
    await here.start()
    const crashed = await here.plane.reported('c1', report => report.exitCode === 3)
    assert.equal(crashed.reason, 'exit code 3; starting again in 0.5 s')
    const again = await here.plane.reported('c1', report => report.state === 'running')
    assert.equal(again.restarts, 1)
    assert.equal(again.reason, undefined)
    assert.equal(processesOf('c1').length > 0, true)
  })

  it('a process that can not become healthy in time has failed, with the reason and its last lines', async t => {
    const here = await machine(t)
    await here.start()
    const script = httpScript(true).replace('exec node', 'echo hello from the deep; exec node')
    here.plane.assign(assignment('d1', {script, ports: [{port: 80}], health: health({startTimeoutMs: 1_000})}))
    const failed = await here.plane.reported('d1', report => report.state === 'failed')
    assert.equal(failed.reason, 'not healthy within 1 s: GET /healthz answered 500')
    assert.ok(here.plane.logs.some(line => line.text === 'hello from the deep'))
    assert.ok(here.plane.logs.some(line => line.stream === 'agent' && line.text.includes('not healthy within 1 s')))
    assert.deepEqual(processesOf('d1'), [])
  })

  it('what is not assigned any more is stopped at once', async t => {
    const here = await machine(t)
    here.plane.assign(assignment('h1'), assignment('h2'))
    await here.start()
    await here.plane.reported('h1', report => report.state === 'running')
    here.plane.assign(assignment('h2'))
    await here.plane.reported('h1', report => report.state === 'stopped')
    assert.deepEqual(processesOf('h1'), [])
    assert.ok(processesOf('h2').length > 0)
  })

  it('what can never start fails at once and says why', async t => {
    const here = await machine(t)
    await here.start()
    const nothing = {script: undefined}
    here.plane.assign(
      assignment('l1', {...nothing, kind: 'auxiliary', type: 'mystery'}),
      assignment('l2', {...nothing, image: 'busybox'}),
      assignment('l3', {slug: {sha256: '0'.repeat(64), bytes: 9}}),
    )
    assert.match(
      (await here.plane.reported('l1', report => report.state === 'failed')).reason ?? '',
      /neither script nor image, and agents know no types/,
    )
    assert.match((await here.plane.reported('l2', report => report.state === 'failed')).reason ?? '', /docker/)
    const retried = await here.plane.reported('l3', report => report.reason !== undefined)
    assert.match(retried.reason ?? '', /slug 000000000000 could not be fetched: the download answered 404; starting again in 0.5 s/)
  })
})
