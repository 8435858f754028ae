// Containers when things go wrong: no memory, an engine that dies or restarts, agents that are killed while output flows, two agents at once.
import assert from 'node:assert/strict'
import {existsSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, describe, it, type TestContext} from 'node:test'
import type {Exit} from '#agent/instance.ts'
import type {ContainerSpec} from '#agent/runtime/docker/container.ts'
import type {Running} from '#agent/runtime/runtime.ts'
import {until} from '#test/agent/wait.ts'
import {engineMissing, useEngine} from './engine.ts'
import {runtimeOn, specOf, writtenBy} from './fixtures.ts'

const skip = engineMissing()

const ofRunning = (found: {state: string; running?: Running}): Running => {
  assert.equal(found.state, 'running')
  return found.running as Running
}

describe('containers and faults', {skip}, () => {
  const engine = useEngine()
  const {create, closeAll, errors} = runtimeOn(engine)
  after(closeAll)

  const start = async (t: TestContext, spec: ContainerSpec): Promise<Running> => {
    const running = await create().start(spec)
    t.after(async () => {
      await create().forget?.(spec.directory)
    })
    return running
  }
  const running = async (): Promise<{Names: string[]}[]> => engine.api.call('GET', '/containers/json')

  it('an end for want of memory is told as such, and found as such', async t => {
    const spec = specOf(t, engine.stackId, 'oom', 'exec tail /dev/zero', {
      bounds: {cpuMilli: 1_000, memoryMib: 8, pidsMax: 64, filesMax: 64},
    })
    const {ended} = await start(t, spec)
    assert.deepEqual(await ended, {code: 137, oom: true})
    assert.deepEqual(await create().find(spec.directory), {state: 'ended', exit: {code: 137, oom: true}})
  })

  it('a fork bomb stays under its limit of processes', async t => {
    const script = 'i=0; while [ $i -lt 200 ]; do sleep 100 & i=$((i+1)); done 2>/dev/null; echo all'
    const spec = specOf(t, engine.stackId, 'bomb', `sh -c '${script}'; echo over`, {
      bounds: {cpuMilli: 1_000, memoryMib: 64, pidsMax: 20, filesMax: 64},
    })
    await (await start(t, spec)).ended
    assert.equal(writtenBy(spec), 'over\n')
    assert.match(writtenBy(spec, 'err.log') || "can't fork", /can't fork|Resource/)
  })

  it('of two agents that start the same instance one does, or each after the other: never both', async t => {
    const spec = specOf(t, engine.stackId, 'twice', 'exec sleep 1000')
    t.after(() => create().forget?.(spec.directory))
    await Promise.allSettled([create().start(spec), create().start(spec), create().start(spec)])
    const mine = (await running()).filter(({Names}) => Names.some(name => name.endsWith('crm.users.twice')))
    assert.ok(mine.length <= 1)
  })

  it('output has neither gap nor line twice over agents that come and go, and an engine that does', async t => {
    const spec = specOf(t, engine.stackId, 'lines', 'i=0; while [ ! -e enough ]; do i=$((i+1)); echo line $i; echo $i >&2; done')
    let runtime = create()
    t.after(() => create().forget?.(spec.directory))
    await runtime.start(spec)
    const lines = () => writtenBy(spec).split('\n').length
    for (let round = 0; round < 4; round++) {
      const before = lines()
      await until(() => lines() > before + 50)
      await runtime.close()
      runtime = create()
      ofRunning(await runtime.find(spec.directory))
    }
    const found = ofRunning(await runtime.find(spec.directory))
    writeFileSync(join(spec.directory, 'run/enough'), '')
    assert.deepEqual(await found.ended, {code: 0})
    const out = writtenBy(spec).trimEnd().split('\n')
    const err = writtenBy(spec, 'err.log').trimEnd().split('\n')
    assert.deepEqual(
      out,
      out.map((_, n) => `line ${n + 1}`),
    )
    assert.deepEqual(
      err,
      err.map((_, n) => String(n + 1)),
    )
    assert.equal(out.length, err.length)
  })

  it('what was written while no agent was there is read before its end is told', async t => {
    const spec = specOf(t, engine.stackId, 'unseen', 'touch up; while [ ! -e go ]; do sleep 0.02; done; echo last words')
    const first = create()
    t.after(() => create().forget?.(spec.directory))
    await first.start(spec)
    await until(() => existsSync(join(spec.directory, 'run/up')))
    await first.close()
    writeFileSync(join(spec.directory, 'run/go'), '')
    await until(async () => (await running()).every(({Names}) => !Names.some(name => name.endsWith('unseen'))))
    assert.deepEqual(await create().find(spec.directory), {state: 'ended', exit: {code: 0}})
    assert.equal(writtenBy(spec), 'last words\n')
  })

  it('while the engine is dead nothing is told to have ended; afterwards what did is, and what was wished is done', async t => {
    const spec = specOf(t, engine.stackId, 'dead', 'echo up; exec sleep 1000')
    const never = specOf(t, engine.stackId, 'never', 'exec sleep 1000')
    const followed = await start(t, spec)
    await until(() => existsSync(join(spec.directory, 'out.log')) && writtenBy(spec) === 'up\n')
    let told: Exit | undefined
    void followed.ended.then(exit => {
      told = exit
    })
    await engine.end('SIGKILL')
    // A newly started agent knows as little.
    const found = ofRunning(await create().find(spec.directory))
    assert.deepEqual(await create().find(never.directory), {state: 'absent'}, 'what was never started needs no engine to know')
    await assert.rejects(create().start(never), /the Docker engine at .* does not answer/)
    await until(() => errors.some(line => line.startsWith('the engine does not answer')))
    assert.equal(told, undefined)
    found.kill()
    await engine.start()
    assert.equal((await followed.ended).code === 0, false)
    await found.ended
    assert.equal((await create().find(spec.directory)).state, 'ended')
  })

  it('a container that somebody removed has ended, nobody knows how', async t => {
    const spec = specOf(t, engine.stackId, 'removed', 'exec sleep 1000')
    const {ended} = await start(t, spec)
    const id = readFileSync(join(spec.directory, 'container'), 'utf8').trim()
    await engine.api.call('DELETE', `/containers/${id}`, {query: {force: '1'}})
    const exit = await ended
    assert.ok(exit.code === undefined || exit.code === 137)
    assert.deepEqual(await create().find(spec.directory), {state: 'ended', exit: {}})
  })

  it('a start that was not made leaves nothing behind', async t => {
    const spec = specOf(t, engine.stackId, 'bad', 'true', {
      image: {id: engine.stackId, user: '', stopSignal: 'SIGTERM'},
      user: 'nobody-here',
    })
    await assert.rejects(create().start(spec), /nobody-here/)
    assert.deepEqual(await create().find(spec.directory), {state: 'absent'})
  })

  it('containers of instances that nobody knows are ended; those of other executors are not', async t => {
    const [known, lost] = [specOf(t, engine.stackId, 'known', 'exec sleep 1000'), specOf(t, engine.stackId, 'lost', 'exec sleep 1000')]
    await start(t, known)
    const {ended} = await start(t, lost)
    // Labels come with an image, too: what others run of it is theirs.
    const Labels = {'gilliam.executor': 'test.here', 'gilliam.instance': 'crm.users.lost'}
    const body = {Image: engine.stackId, Cmd: ['true'], Labels}
    const {Id: others} = await engine.api.call<{Id: string}>('POST', '/containers/create', {query: {name: 'others'}, body})
    t.after(() => engine.api.call('DELETE', `/containers/${others}`, {query: {force: '1'}}))
    assert.deepEqual(await create().endStrays(key => key !== 'crm.users.lost'), ['crm.users.lost'])
    await ended
    await engine.api.call('GET', `/containers/${others}/json`)
    assert.equal((await create().find(known.directory)).state, 'running')
  })
})

describe('containers and an engine that keeps them over its restarts', {skip}, () => {
  const engine = useEngine('--live-restore')
  const {create, closeAll} = runtimeOn(engine)
  after(closeAll)

  it('what runs goes on, its output too, and its end is told', async t => {
    const spec = specOf(t, engine.stackId, 'live', 'i=0; while [ ! -e enough ]; do i=$((i+1)); echo $i; sleep 0.05; done; exit 3')
    const followed = await create().start(spec)
    t.after(() => create().forget?.(spec.directory))
    const lines = () => (existsSync(join(spec.directory, 'out.log')) ? writtenBy(spec).split('\n').length : 0)
    await until(() => lines() > 3)
    await engine.end('SIGTERM')
    await engine.start()
    const before = lines()
    await until(() => lines() > before + 3)
    writeFileSync(join(spec.directory, 'run/enough'), '')
    assert.deepEqual(await followed.ended, {code: 3})
    const out = writtenBy(spec).trimEnd().split('\n')
    assert.deepEqual(
      out,
      out.map((_, n) => String(n + 1)),
    )
  })
})
