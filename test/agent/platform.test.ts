// The agent over HTTP against the real functions and the embedded database: join, assign, run, announce, stop; and a redis that needs no script.
import assert from 'node:assert/strict'
import {writeFileSync} from 'node:fs'
import {connect} from 'node:net'
import {join} from 'node:path'
import {type TestContext, test} from 'node:test'
import {processesHere} from '#agent/processes.ts'
import {isOnPath} from '#agent/programs.ts'
import {runAgent} from '#agent/run.ts'
import {readSettings} from '#agent/settings.ts'
import {type GatewayFunction, startGateway} from '#local/gateway.ts'
import {endpoints, type FunctionName} from '#shared/endpoints.ts'
import {createLogger} from '#shared/log.ts'
import {startPlatform} from '#test/lambdas/platform.ts'
import {pendingInstance, serviceDefinition} from '#test/store/samples.ts'
import {httpScript, temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

const startHere = async (t: TestContext) => {
  const platform = await startPlatform()
  const log = createLogger('test', {level: 'silent'})
  const functions = Object.fromEntries(
    Object.entries(platform.functions).map(([name, answer]): [string, GatewayFunction] => [name, event => answer(event)]),
  ) as Record<FunctionName, GatewayFunction>
  const gateway = await startGateway({table: endpoints, functions, port: 0, now: () => platform.clock.now, log})
  // Cleaning up goes in the order it was asked for: what runs first, then its folder.
  t.after(async () => {
    await agent.suspend()
    await gateway.close()
    await platform.stop()
  })
  const home = temporaryFolder(t)
  writeFileSync(join(home, 'join'), await platform.tokenOf('join'))
  const environment = {
    GILLIAM_API: `http://127.0.0.1:${gateway.port}`,
    GILLIAM_EXECUTOR: 'here',
    GILLIAM_AGENT_HOME: home,
    GILLIAM_JOIN_TOKEN_FILE: join(home, 'join'),
    PATH: process.env.PATH,
  }
  const settings = await readSettings(environment, process.execPath)
  const agent = await runAgent(settings, {
    ...processesHere(settings, log),
    log,
    program: {version: 'source', file: '/main.ts', node: process.execPath},
    wallClock: Date.now,
    random: Math.random,
  })
  await until(async () => (await platform.store.executors.get('here')) !== undefined)
  return {platform, agent}
}

type Here = Awaited<ReturnType<typeof startHere>>

const place = async ({platform}: Here, service: string, id: string, ports = [{port: 80}]): Promise<void> => {
  await platform.store.instances.spawn(pendingInstance('crm', service, id, {origin: 'spawn', ports}, platform.clock.now))
  const [executor, instance] = [await platform.store.executors.get('here'), await platform.store.instances.get('crm', id)]
  assert.ok(executor && instance)
  assert.equal((await platform.store.instances.assign(executor, [instance], platform.clock.now)).assigned.length, 1)
}

const reached = ({platform}: Here, id: string, state: string): Promise<void> => {
  let seen = ''
  const look = async () => {
    const found = await platform.store.instances.get('crm', id)
    seen = JSON.stringify(found)
    return found?.state === state
  }
  return until(look, () => seen)
}

test('joins, runs what is assigned, announces it, and withdraws it before it stops', async t => {
  const here = await startHere(t)
  const {call} = here.platform
  await call('createFormation', {body: {name: 'crm'}})
  await call('createRelease', {
    params: {formation: 'crm'},
    body: {services: {web: serviceDefinition({script: httpScript(), ports: [{port: 80}]})}},
  })
  await place(here, 'web', 'w1')
  await reached(here, 'w1', 'running')
  const [entry] = Object.entries((await call('getRegistry', {params: {formation: 'crm'}})).body) as [string, {host: string; port: number}][]
  assert.equal(entry?.[0], 'web.w1')
  assert.equal((await fetch(`http://${entry[1].host}:${entry[1].port}/`)).status, 200)
  assert.equal((await call('stopInstance', {params: {formation: 'crm', instance: 'w1'}})).status, 202)
  assert.deepEqual((await call('getRegistry', {params: {formation: 'crm'}})).body, {})
  await reached(here, 'w1', 'stopped')
  const executor = await here.platform.store.executors.get('here')
  assert.equal(executor?.instances, 0)
  assert.deepEqual(executor?.agent, {version: 'source', ring: 'default', installed: true, launched: false})
  await until(() => here.agent.agent.records.size === 0)
})

const redisMissing = isOnPath('redis-server', process.env.PATH ?? '')
  ? false
  : 'redis-server is not installed (Debian: apt-get install redis-server)'

test('an auxiliary of type redis runs without a script', {skip: redisMissing}, async t => {
  const here = await startHere(t)
  const {call} = here.platform
  const {script: _, ...cache} = serviceDefinition({kind: 'auxiliary', type: 'redis', ports: [{port: 6379}]})
  await call('createFormation', {body: {name: 'crm'}})
  await call('createRelease', {params: {formation: 'crm'}, body: {services: {_cache: cache}}})
  await place(here, '_cache', 'r1', [{port: 6379}])
  await reached(here, 'r1', 'running')
  const port = (await here.platform.store.instances.get('crm', 'r1'))?.address?.ports[6379]
  assert.ok(port)
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.once('error', reject)
    socket.once('data', data => {
      socket.destroy()
      resolve(String(data))
    })
  })
  assert.equal(answer, '+PONG\r\n')
})
