// The agent when things go wrong around it: killed, told to leave, rebooted, without a control plane, refused. Nothing is lost, nothing doubled.
import assert from 'node:assert/strict'
import {existsSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, it} from 'node:test'
import {assignment, health, httpScript, machine, processesOf} from './fixtures.ts'
import {until} from './wait.ts'

describe('agent faults', {concurrency: 3}, () => {
  it('an agent that was killed adopts what runs, notices its death at once, and doubles nothing', async t => {
    const here = await machine(t)
    here.plane.assign(assignment('e1', {script: httpScript(), ports: [{port: 80}], health: health()}))
    await here.start()
    const before = await here.plane.reported('e1', report => report.state === 'running')
    const pids = processesOf('e1')
    await here.end('SIGKILL')
    await here.start()
    assert.deepEqual(processesOf('e1'), pids)
    const [leader] = pids
    const url = `http://127.0.0.1:${before.address?.ports[80]}/`
    const pid = Number(await (await fetch(url)).text())
    process.kill(pid, 'SIGKILL')
    const after = await here.plane.reported('e1', report => report.restarts === 1 && report.state === 'running')
    assert.deepEqual(after.address, before.address, 'the same port, so that callers with an old table still find it')
    assert.ok(!processesOf('e1').includes(leader as number))
  })

  it('an agent that can not write a byte adopts what runs, and so does the next one', async t => {
    const here = await machine(t)
    here.plane.assign(assignment('e2'))
    await here.start()
    await here.plane.reported('e2', report => report.state === 'running')
    const pids = processesOf('e2')
    for (let round = 0; round < 2; round++) {
      await here.end('SIGKILL')
      await here.start({}, 'ulimit -f 0')
      await until(() => here.output().includes('the state can not be saved'), here.output)
    }
    await here.end('SIGKILL')
    await here.start()
    assert.deepEqual(processesOf('e2'), pids)
  })

  it('an agent killed while it starts an instance neither forgets nor doubles it', async t => {
    const here = await machine(t)
    const ids = Array.from({length: 6}, (_, n) => `f${n}`)
    here.plane.assign(...ids.map(id => assignment(id, {script: 'exec sleep 1000'})))
    await here.start()
    for (let round = 0; round < 4; round++) {
      await here.end('SIGKILL')
      await here.start()
    }
    for (const id of ids) await here.plane.reported(id, report => report.state === 'running')
    const sleepers = ids.map(id => processesOf(id).length)
    assert.ok(
      sleepers.every(count => count === sleepers[0] && count <= 3),
      `processes of each: ${sleepers}`,
    )
  })

  it('a control plane that asks for nonsense is not flooded', async t => {
    const here = await machine(t)
    for (const nonsense of ['soon', -5, 1e13] as unknown as number[]) {
      here.plane.nextSyncMs = nonsense
      await here.start()
      const before = here.plane.syncs
      const startedAt = performance.now()
      await until(() => here.plane.syncs >= before + 2 || performance.now() - startedAt > 500)
      const perSecond = ((here.plane.syncs - before) / (performance.now() - startedAt)) * 1_000
      assert.ok(perSecond <= 150, `${perSecond} calls per second when asked to wait ${nonsense} ms`)
      await here.end('SIGKILL')
    }
  })

  it('SIGTERM leaves instances running; SIGUSR2 stops them, and they start again under the same id', async t => {
    const here = await machine(t)
    here.plane.assign(assignment('g1', {script: httpScript(), ports: [{port: 80}], health: health()}))
    await here.start()
    await here.plane.reported('g1', report => report.state === 'running')
    const pids = processesOf('g1')
    assert.equal(await here.end('SIGTERM'), 0)
    assert.deepEqual(processesOf('g1'), pids)
    await here.start()
    assert.equal(await here.end('SIGUSR2'), 0)
    assert.deepEqual(processesOf('g1'), [])
    const withdrawn = here.plane.latest('g1')
    assert.equal(withdrawn?.announced, false)
    await here.start()
    await here.plane.reported('g1', report => report.state === 'running' && report.announced)
  })

  it('after a reboot the same instances start again on the same executor', async t => {
    const here = await machine(t)
    here.plane.assign(assignment('m1', {script: 'echo "$PORT" >> ports; exec sleep 1000', ports: [{port: 80}]}))
    await here.start()
    const written = `${here.home}/instances/crm.users.m1/run/ports`
    const ports = () => (existsSync(written) ? readFileSync(written, 'utf8').match(/\d+(?=\n)/g) : null) ?? []
    await until(() => ports().length === 1)
    await here.end('SIGKILL')
    for (const pid of processesOf('m1')) process.kill(pid, 'SIGKILL')
    // What a reboot looks like to the next agent: another boot id than the one in its state and in the notes of the processes.
    const state = `${here.home}/state.json`
    writeFileSync(state, readFileSync(state, 'utf8').replace(/"bootId":"[^"]*"/, '"bootId":"another"'))
    const control = `${here.home}/instances/crm.users.m1/control`
    const note = `${control}/${readdirSync(control)
      .filter(name => name.startsWith('pid.'))
      .sort()
      .at(-1)}`
    const claim = readlinkSync(note)
    rmSync(note)
    symlinkSync(claim.replace(/^\S+/, 'another'), note)
    await here.start()
    await until(() => ports().length === 2)
    assert.equal(new Set(ports()).size, 1)
  })

  it('what must stop does so while it is cut off, also under the next agent, and starts again with the control plane', async t => {
    const here = await machine(t)
    const onLost = {action: 'stop', afterMs: 1_500} as const
    here.plane.assign(assignment('s1', {onLost, script: 'trap "" TERM; while :; do sleep 0.1; done', stopGraceMs: 500}), assignment('s2'))
    await here.start()
    for (const id of ['s1', 's2']) await here.plane.reported(id, report => report.state === 'running')
    here.plane.broken = 503
    assert.ok(processesOf('s1').length > 0)
    await until(() => processesOf('s1').length === 0, here.output)
    assert.ok(processesOf('s2').length > 0, 'others go on')
    await here.end('SIGKILL')
    const restarted = here.start()
    await until(() => here.output().split('sync failed').length > 4, here.output)
    assert.deepEqual(processesOf('s1'), [])
    here.plane.broken = undefined
    await restarted
    await here.plane.reported('s1', report => report.state === 'running')
    await until(() => processesOf('s1').length > 0)
  })

  it('an agent that was dead for too long stops what must stop before anything else', async t => {
    const here = await machine(t)
    here.plane.assign(assignment('d1', {onLost: {action: 'stop', afterMs: 8_000}}))
    await here.start()
    await here.plane.reported('d1', report => report.state === 'running')
    const state = () => JSON.parse(readFileSync(`${here.home}/state.json`, 'utf8')) as {heardAt?: number}
    await until(() => state().heardAt !== undefined)
    await here.end('SIGKILL')
    writeFileSync(`${here.home}/state.json`, JSON.stringify({...state(), heardAt: (state().heardAt ?? 0) - 8_000}))
    here.plane.broken = 503
    assert.ok(processesOf('d1').length > 0, 'nobody was there to stop it')
    const restarted = here.start()
    await until(() => processesOf('d1').length === 0, here.output)
    here.plane.broken = undefined
    await restarted
    await until(() => processesOf('d1').length > 0, here.output)
  })

  it('after a reboot with no control plane only what is kept starts; the rest follows its word', async t => {
    const here = await machine(t)
    here.plane.assign(assignment('r1'), assignment('r2', {onLost: {action: 'keep', afterMs: 0}}), assignment('r3'))
    await here.start()
    for (const id of ['r1', 'r2', 'r3']) await here.plane.reported(id, report => report.state === 'running')
    await here.end('SIGKILL')
    for (const id of ['r1', 'r2', 'r3']) for (const pid of processesOf(id)) process.kill(pid, 'SIGKILL')
    const state = `${here.home}/state.json`
    writeFileSync(state, readFileSync(state, 'utf8').replace(/"bootId":"[^"]*"/, '"bootId":"another"'))
    here.plane.broken = 503
    const restarted = here.start()
    await until(() => processesOf('r2').length > 0, here.output)
    await until(() => here.output().split('sync failed').length > 3, here.output)
    assert.deepEqual([processesOf('r1'), processesOf('r3')], [[], []])
    here.plane.assign(assignment('r1'), assignment('r2', {onLost: {action: 'keep', afterMs: 0}}))
    here.plane.broken = undefined
    await restarted
    await until(() => processesOf('r1').length > 0, here.output)
    assert.deepEqual(processesOf('r3'), [], 'it was given up meanwhile')
  })

  it('without a control plane everything keeps running, also over a restart of the agent; reports come when it is back', async t => {
    const here = await machine(t)
    here.plane.assign(
      assignment('i1', {script: 'test -e again && exec sleep 1000; touch again; sleep 1; while [ ! -e die ]; do sleep 0.05; done; exit 4'}),
    )
    await here.start()
    await here.plane.reported('i1', report => report.state === 'running')
    here.plane.broken = 503
    const pids = processesOf('i1')
    await here.end('SIGKILL')
    const restarted = here.start()
    await until(() => here.output().includes('sync failed'))
    assert.ok(processesOf('i1').some(pid => pids.includes(pid)))
    writeFileSync(`${here.home}/instances/crm.users.i1/run/die`, '')
    await until(() => here.output().includes('exit code 4'))
    here.plane.broken = undefined
    await restarted
    await here.plane.reported('i1', report => report.restarts === 1 && report.state === 'running')
  })

  it('what was told and not answered is told again, though it is by now as it was before', async t => {
    const here = await machine(t)
    const ready = join(here.home, 'ready')
    writeFileSync(ready, '')
    const script = httpScript(true).replace('existsSync("ready")', `existsSync(${JSON.stringify(ready)})`)
    here.plane.assign(assignment('k2', {script, ports: [{port: 80}], health: health()}))
    await here.start()
    await here.plane.reported('k2', report => report.announced)
    here.plane.mute = true
    rmSync(ready)
    await here.plane.reported('k2', report => !report.announced)
    writeFileSync(ready, '')
    here.plane.mute = false
    await here.plane.reported('k2', report => report.announced)
  })

  it('an agent in whose place another has joined stops what it runs; it proves to be the same by its key', async t => {
    const here = await machine(t)
    here.plane.assign(assignment('k1'))
    await here.start()
    await here.plane.reported('k1', report => report.state === 'running')
    here.plane.refuseCredential()
    await until(() => here.plane.joins.length === 2)
    const keys = here.plane.joins.map(body => (body as {key?: string}).key)
    assert.match(keys[0] ?? '', /^[A-Za-z0-9_-]{43}$/)
    assert.equal(keys[0], keys[1])
    assert.ok(!here.output().includes(keys[0] ?? ''), 'nothing logs it')
    here.plane.taken = true
    here.plane.refuseCredential()
    await until(() => processesOf('k1').length === 0)
  })

  it('a refused credential is answered by joining again, as the same executor', async t => {
    const here = await machine(t)
    here.plane.assign(assignment('j1'))
    await here.start()
    await here.plane.reported('j1', report => report.state === 'running')
    const pids = processesOf('j1')
    here.plane.refuseCredential()
    await until(() => here.plane.joins.length === 2)
    const syncs = here.plane.syncs
    await until(() => here.plane.syncs > syncs)
    assert.deepEqual(processesOf('j1'), pids)
    assert.equal((here.plane.joins[1] as {id: string}).id, 'here')
  })

  it('a process that ignores SIGTERM is killed after its grace, with everything it started', async t => {
    const here = await machine(t)
    const stubborn = assignment('k1', {script: 'trap "" TERM; sleep 1000 & while :; do sleep 0.1; done', stopGraceMs: 300})
    here.plane.assign(stubborn)
    await here.start()
    await here.plane.reported('k1', report => report.state === 'running')
    here.plane.assign({...stubborn, stop: true})
    await here.plane.reported('k1', report => report.state === 'stopped')
    assert.deepEqual(processesOf('k1'), [])
  })

  it('a second agent in the same home is refused', async t => {
    const here = await machine(t)
    await here.start()
    const first = here.agent()
    t.after(() => first.kill('SIGKILL'))
    await here.start()
    await until(() => here.agent().exitCode === 1, here.output)
    assert.match(here.output(), /an agent runs here already \(pid \d+\)/)
  })
})
