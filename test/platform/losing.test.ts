// Executors that are lost, disconnected and back, and a machine that is started anew with all that ran on it: whichever side comes first, what is wanted
// runs as often as it is wanted, and nothing that was given up runs on.
import assert from 'node:assert/strict'
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {stagePaths} from '#local/paths.ts'
import {startAgent} from '#local/start.ts'
import {type Listed, Stage, until} from './stage.ts'

const executors = ['local', 'local-2', 'local-3']
const far = executors.slice(1)
/** Longer than an executor's lease and what follows it. */
const lostWithinMs = 150_000
/** What a machine may take to serve again, after it was started. */
const servesAgainMs = 120_000

const server = `import {createServer} from 'node:http'
createServer((request, response) => response.end(process.env.GILLIAM_INSTANCE)).listen(Number(process.env.PORT), process.env.HOST)
process.once('SIGTERM', () => process.exit(0))
`
const each = 'ports: [80], health: {http: /}, resources: {cpu: 0.05, memory: 48M}'
const manifest = `formation: shop
processes:
  web: {script: exec node server.mjs, scale: 6, ${each}}
  till: {script: exec node server.mjs, scale: 3, on_lost: keep, ${each}}
routes:
  - 'web.localhost/{rest:.*}: web.shop.service/{rest}'
  - 'till.localhost/{rest:.*}: till.shop.service/{rest}'
`

describe('platform: losing and rebooting', () => {
  const stage = new Stage()
  const flags = ['--agents', String(executors.length)]

  const of = async (service: string): Promise<readonly Listed[]> =>
    (await stage.items<Listed>(['ps', '-f', 'shop'])).filter(one => one.service === service && one.state !== 'stopping')
  const on = async (service: string, executor: string): Promise<readonly Listed[]> =>
    (await of(service)).filter(one => one.executor === executor)
  const stateOf = async (executor: string): Promise<string | undefined> =>
    (await stage.items<{id: string; state: string}>(['executors'])).find(one => one.id === executor)?.state
  const pidsOf = (instances: readonly Listed[]): number[] => instances.flatMap(({name}) => stage.instancePids('shop', name))
  const isRunning = (instances: readonly Listed[], count: number): boolean =>
    instances.length === count && instances.every(({state}) => state === 'running')
  const serves = async (host: string): Promise<boolean> => (await stage.route(host, '/')).status === 200

  const kill = (pids: readonly number[]): void => {
    assert.ok(pids.length > 0)
    for (const pid of pids) process.kill(pid, 'SIGKILL')
  }
  const agentsOf = (executor: string): number[] =>
    stage
      .processes()
      .filter(({command}) => command.includes('agent.mjs') && command.endsWith(`/agents/${executor}`))
      .map(({pid}) => pid)

  /** As an init system would, without looking at anything else. */
  const startAgentOnly = async (executor: string): Promise<void> => {
    const paths = stagePaths(stage.home)
    const settings = JSON.parse(readFileSync(paths.stage, 'utf8'))
    const {PATH = '', HOME = stage.folder} = process.env
    await startAgent({...settings, home: stage.home, mode: 'detach', watched: false, json: true}, paths, {PATH, HOME}, executor)
  }
  const outputOf = (executor: string): string => readFileSync(stagePaths(stage.home).agent(executor).log, 'utf8')

  before(async () => {
    await stage.start(...flags)
    const folder = join(stage.folder, 'shop')
    mkdirSync(folder)
    writeFileSync(join(folder, 'server.mjs'), server)
    writeFileSync(join(folder, 'gilliam.yml'), manifest)
    await stage.must(['create', 'shop'], folder)
    await stage.must(['deploy'], folder)
    for (const host of ['web.localhost', 'till.localhost']) await until(`${host} to serve`, () => serves(host))
  })
  after(() => stage.close())

  it('an agent or the control plane back first: what was given up stops, what was kept is as it was', async () => {
    const given = await Promise.all(far.map(executor => on('web', executor)))
    const kept = await Promise.all(far.map(executor => on('till', executor)))
    assert.ok(given.every(all => all.length > 0) && kept.every(all => all.length > 0), 'the default rank spreads them')
    const keptPids = pidsOf(kept.flat())
    kill(far.flatMap(agentsOf))
    await until(
      'what they ran to be made anew',
      async () => (await on('web', 'local')).length === 6 && isRunning(await of('web'), 6),
      lostWithinMs,
    )
    for (const executor of far) assert.equal(await stateOf(executor), 'disconnected')
    const reasons = (await of('till')).filter(one => one.executor !== 'local').map(one => one.reason ?? '')
    for (const reason of reasons) assert.match(reason, /^local-[23] has not been heard from for \d+[sm]; kept$/)
    assert.deepEqual(pidsOf(kept.flat()), keptPids)
    assert.ok(pidsOf(given.flat()).length > 0, 'nobody was there to stop them')

    kill([stage.urls.pid])
    await startAgentOnly('local-2')
    await until('it to look for the control plane', async () => /sync failed/.test(outputOf('local-2').split('agent runs').at(-1) ?? ''))
    assert.ok(pidsOf(given[0] ?? []).length > 0, 'it can not know yet')
    await stage.start(...flags)
    await until('what was given up to end', async () => pidsOf(given.flat()).length === 0)
    for (const executor of far) await until(`${executor} to be ready`, async () => (await stateOf(executor)) === 'ready')
    assert.deepEqual(pidsOf(kept.flat()), keptPids, 'the very same processes')
    assert.ok(isRunning(await of('till'), 3) && isRunning(await of('web'), 6))
    assert.ok(
      (await of('till')).every(one => (one.reason ?? null) === null),
      'nothing to say of them any more',
    )
  })

  it('everything started anew at once serves again with no command given; only what is kept does not wait for the control plane', async () => {
    const before = (await of('till')).map(one => one.name).sort()
    kill(stage.processes().map(({pid}) => pid))
    await until('all to end', async () => stage.processes().length === 0)
    for (const executor of executors) {
      const state = join(stagePaths(stage.home).agent(executor).home, 'state.json')
      writeFileSync(state, readFileSync(state, 'utf8').replace(/"bootId":"[^"]*"/, '"bootId":"before"'))
    }
    const startedAt = performance.now()
    for (const executor of executors) await startAgentOnly(executor)
    await until('the router to serve what is kept', () => serves('till.localhost'))
    await until('all of it', async () => stage.pids(/^node server\.mjs$/).length === 3)
    assert.equal((await stage.route('web.localhost', '/')).status !== 200, true, 'may have been replaced, as far as its agent knows')
    await stage.start(...flags)
    await until('the rest to serve', () => serves('web.localhost'))
    await until('all to run', async () => isRunning(await of('web'), 6) && isRunning(await of('till'), 3))
    const tookMs = performance.now() - startedAt
    assert.ok(tookMs < servesAgainMs, `it took ${tookMs} ms`)
    assert.deepEqual((await of('till')).map(one => one.name).sort(), before)
    assert.equal(stage.pids(/^node server\.mjs$/).length, 9, 'one process for each')
    for (const service of ['router', 'proxy'])
      await until(`one ${service}`, async () => (await stage.running('gilliam', service)).length === 1)
  })
})
