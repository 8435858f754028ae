// Every part is killed in turn under light load. What has been acknowledged stays, instances are neither lost nor doubled, and the data plane serves on.
import assert from 'node:assert/strict'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {type Listed, Stage, until} from './stage.ts'

const formation = 'echo'
const server = `import {createServer} from 'node:http'
const name = process.env.GILLIAM_SERVICE + '.' + process.env.GILLIAM_INSTANCE
const server = createServer((request, response) => response.end(name)).listen(Number(process.env.PORT), process.env.HOST)
process.once('SIGTERM', () => server.close(() => process.exit(0)).closeIdleConnections())
`
const manifest = `formation: ${formation}
processes:
  web: {script: exec node server.mjs, ports: [80], scale: 2, health: {http: /}, resources: {cpu: 0.05, memory: 48M}}
routes:
  - 'echo.localhost/{rest:.*}: web.${formation}.service/{rest}'
`

describe('platform: faults', () => {
  const stage = new Stage()
  const project = join(stage.folder, 'project')

  const serves = async (): Promise<boolean> => (await stage.route('echo.localhost', '/any/path')).status === 200
  const names = async (): Promise<string[]> => (await stage.running(formation, 'web')).map(one => one.name).sort()
  const pidsOf = (instances: readonly string[]): number[] => instances.flatMap(name => stage.instancePids(formation, name))

  /** Asks through the router and the proxy all the time while `task` runs; what was not answered with 200 is returned. */
  const underLoad = async (task: () => Promise<void>): Promise<string[]> => {
    const failures: string[] = []
    let over = false
    const ask = async (from: string, once: () => Promise<{status: number; text: string}>): Promise<void> => {
      while (!over) {
        const {status, text} = await once()
        if (status !== 200) failures.push(`${from}: ${status} ${text}`)
      }
    }
    const asking = [
      ask('router', () => stage.route('echo.localhost', '/')),
      ask('proxy', () => stage.through(`http://web.${formation}.service/`)),
    ]
    try {
      await task()
    } finally {
      over = true
      await Promise.all(asking)
    }
    return failures
  }

  const kill = (what: string, pids: readonly number[]): void => {
    assert.ok(pids.length > 0, `${what} is not running`)
    for (const pid of pids) process.kill(pid, 'SIGKILL')
  }

  before(async () => {
    mkdirSync(project)
    writeFileSync(join(project, 'server.mjs'), server)
    writeFileSync(join(project, 'gilliam.yml'), manifest)
    await stage.start()
    await stage.must(['create', formation], project)
    await stage.must(['deploy'], project)
    await until('the route to serve', serves)
  })
  after(() => stage.close())

  it('agent killed: nothing fails, and the next agent adopts the same processes', async () => {
    const instances = await names()
    const pids = pidsOf(instances)
    const failures = await underLoad(async () => {
      kill('the agent', stage.pids(/agent\/main\.ts/))
      await stage.start()
      await until('the executor to sync', async () => (await stage.items<{state: string}>(['executors']))[0]?.state === 'ready')
    })
    assert.deepEqual(failures, [])
    assert.deepEqual(await names(), instances)
    assert.deepEqual(pidsOf(instances), pids)
  })

  it('control plane killed: router and proxy serve on; started again, it knows everything', async () => {
    const instances = await names()
    const failures = await underLoad(async () => {
      kill('the control plane', [stage.urls.pid])
      assert.equal((await stage.gilliam(['ps', '-f', formation])).code, 3, 'the CLI says that it can not reach the control plane')
      for (let i = 0; i < 20; i++) assert.ok(await serves())
      await stage.start()
    })
    assert.deepEqual(failures, [])
    assert.deepEqual(await names(), instances)
  })

  it('router killed with the control plane down: it comes back and serves from its file', async () => {
    kill('the control plane', [stage.urls.pid])
    const router = (pid: number): boolean => stage.pids(/router/).includes(pid)
    const before = stage.pids(/router\.m?js/)
    kill('the router', before)
    await until('another router', async () => stage.pids(/router\.m?js/).some(pid => !before.includes(pid) && router(pid)))
    await until('the route to serve', serves)
    await stage.start()
    assert.ok(await serves())
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
    await until('the route to serve', serves)
  })
})
