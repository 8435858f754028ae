// Every part is killed in turn under light load. What has been acknowledged stays, instances are neither lost nor doubled, and the data plane serves on.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {deployEcho, echoProgram, underLoad} from './echo.ts'
import {type Listed, Stage, until} from './stage.ts'

const formation = 'echo'
/** The program itself, not the shell that watches it. */
const routerProgram = /^node proxy\.mjs router$/
describe('platform: faults', () => {
  const stage = new Stage()
  let project: string

  const serves = async (): Promise<boolean> => (await stage.route('echo.localhost', '/any/path')).status === 200
  const names = async (): Promise<string[]> => (await stage.running(formation, 'web')).map(one => one.name).sort()
  const pidsOf = (instances: readonly string[]): number[] => instances.flatMap(name => stage.instancePids(formation, name))

  const kill = (what: string, pids: readonly number[]): void => {
    assert.ok(pids.length > 0, `${what} is not running`)
    for (const pid of pids) process.kill(pid, 'SIGKILL')
  }

  /** Nothing is lost and nothing runs twice: the control plane lists exactly `instances`, and there is one process for each. */
  const agrees = async (instances: readonly string[]): Promise<void> => {
    assert.deepEqual(await names(), instances)
    assert.equal(stage.pids(echoProgram).length, instances.length, 'one process for each instance')
  }

  before(async () => {
    await stage.start()
    project = await deployEcho(stage, 2)
    await until('the route to serve', serves)
  })
  after(() => stage.close())

  it('agent killed: nothing fails, and the next agent adopts the same processes', async () => {
    const instances = await names()
    const pids = pidsOf(instances)
    const failures = await underLoad(stage, async () => {
      kill('the agent', stage.pids(/agent\.mjs/))
      await stage.start()
      await until('the executor to sync', async () => (await stage.items<{state: string}>(['executors']))[0]?.state === 'ready')
    })
    assert.deepEqual(failures, [])
    await agrees(instances)
    assert.deepEqual(pidsOf(instances), pids)
  })

  it('control plane killed: router and proxy serve on; started again, it knows everything', async () => {
    const instances = await names()
    const failures = await underLoad(stage, async () => {
      kill('the control plane', [stage.urls.pid])
      assert.equal((await stage.gilliam(['ps', '-f', formation])).code, 3, 'the CLI says that it can not reach the control plane')
      for (let i = 0; i < 20; i++) assert.ok(await serves())
      await stage.start()
    })
    assert.deepEqual(failures, [])
    await agrees(instances)
  })

  it('router killed with the control plane down: it comes back and serves from its file', async () => {
    const instances = await names()
    kill('the control plane', [stage.urls.pid])
    const before = stage.pids(routerProgram)
    kill('the router', before)
    await until('another router', async () => stage.pids(routerProgram).some(pid => !before.includes(pid)))
    await until('the route to serve', serves)
    await stage.start()
    assert.ok(await serves())
    await agrees(instances)
  })

  it('database killed: it is started again, and acknowledged writes are there', async () => {
    await stage.must(['scale', 'web=3'], project)
    kill('the database', stage.pids(/dynoxide/))
    await until('the control plane to answer', async () => (await stage.gilliam(['ps', '-f', formation])).code === 0)
    await until('three to run', async () => (await names()).length === 3)
    assert.ok(await serves())
  })

  it('stopped and started: desired instances come back, and no process is left in between', async () => {
    await stage.stop()
    assert.deepEqual(stage.processes(), [])
    await stage.start()
    await until('three to run', async () => (await names()).length === 3)
    await until('the route to serve', serves)
    assert.deepEqual((await stage.items<Listed>(['releases', '-f', formation])).length, 1)
  })

  it('everything killed at once, as by a power cut: it resumes', async () => {
    for (const {pid} of stage.processes()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // it ended with its parent
      }
    }
    await until('all to end', async () => stage.processes().length === 0)
    await stage.start()
    await until('three to run', async () => (await names()).length === 3)
    await agrees(await names())
    await until('the route to serve', serves)
  })
})
