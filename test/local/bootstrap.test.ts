// `./bootstrap` itself: a whole stage in a home of its own, started, killed in parts, started again, stopped. Real processes on free ports.
import assert from 'node:assert/strict'
import {type ChildProcess, execFile, spawn} from 'node:child_process'
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync} from 'node:fs'
import {availableParallelism, tmpdir, totalmem} from 'node:os'
import {join} from 'node:path'
import {after, test} from 'node:test'
import {fileURLToPath} from 'node:url'
import {readConfig} from '#cli/config.ts'
import {freePort} from '#local/database.ts'
import {findListener} from '#local/listeners.ts'
import {stagePaths} from '#local/paths.ts'
import {isAlive, type ProcessRecord} from '#local/processes.ts'
import {createClient} from '#shared/client.ts'
import {until} from './until.ts'

const script = fileURLToPath(new URL('../../bootstrap', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'gilliam-bootstrap-'))
const home = join(scratch, 'home')
const paths = stagePaths(home)
const config = join(scratch, 'config')
const env = {...process.env, GILLIAM_CONFIG: config, GILLIAM_DYNAMODB_ENDPOINT: '', GILLIAM_TABLE: ''}
const ports = [await freePort(), await freePort(), await freePort()] as const
const [apiPort, routerPort, proxyPort] = ports
const place = ['--home', home, '--stage', 'lab', '--api-port', apiPort, '--router-port', routerPort, '--proxy-port', proxyPort].map(String)

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const bootstrap = (...args: readonly string[]): Promise<Outcome> =>
  new Promise(resolve => {
    execFile(script, [...args], {env, timeout: 120_000}, (error, stdout, stderr) =>
      resolve({code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr}),
    )
  })

after(async () => {
  await bootstrap('--stop', '--home', home)
  rmSync(scratch, {recursive: true, force: true})
})

const recordIn = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as ProcessRecord
const database = () => recordIn(join(paths.database, 'dynoxide.pid'))
const controlPlane = () => recordIn(paths.controlPlanePid)
const agent = (id = 'local') => recordIn(paths.agent(id).pid)
const stage = async () => {
  const found = (await readConfig(config)).stages.lab
  assert.ok(found)
  return found
}
const client = async () => createClient({api: (await stage()).api, token: (await stage()).token})
const status = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`)).status
const ok = (outcome: Outcome) => {
  assert.equal(outcome.code, 0, outcome.stderr)
  return outcome.stdout
}
const dataPlane = async () => {
  const {items} = await (await client()).call('listInstances', {params: {formation: 'gilliam'}})
  return items.map(({name, state, executor, release}) => ({name, state, executor, release}))
}

test('brings a whole stage up and prints one JSON object', async () => {
  const printed = JSON.parse(ok(await bootstrap('--detach', '--json', ...place))) as Record<string, unknown>
  const url = (port: number) => `http://127.0.0.1:${port}`
  assert.deepEqual(printed, {
    ...{stage: 'lab', api: url(apiPort), router: url(routerPort), proxy: url(proxyPort)},
    ...{home, pid: controlPlane().pid},
  })
  assert.equal(await status(routerPort), 404)
  assert.equal(await status(proxyPort), 400)
  assert.deepEqual(
    (await dataPlane()).map(({state, executor, release}) => ({state, executor, release})),
    [1, 2].map(() => ({state: 'running', executor: 'local', release: 1})),
  )
  assert.deepEqual({...(await stage()), token: ''}, {api: url(apiPort), router: url(routerPort), proxy: url(proxyPort), token: ''})
  for (const file of [join(config, 'config.json'), paths.joinToken, paths.discoveryToken, join(paths.secrets, 'blob-key')])
    assert.equal(statSync(file).mode & 0o777, 0o600, file)
  for (const port of ports) {
    const listener = findListener(port)
    assert.ok(typeof listener === 'object')
  }
})

test('run again it changes nothing', async () => {
  const before = {database: database(), controlPlane: controlPlane(), agent: agent(), instances: await dataPlane(), stage: await stage()}
  ok(await bootstrap('--detach', '--home', home))
  const later = {database: database(), controlPlane: controlPlane(), agent: agent(), instances: await dataPlane(), stage: await stage()}
  assert.deepEqual(later, before)
})

test('does not let a running stage change its ports, nor another stage take them', async () => {
  const moved = await bootstrap('--detach', '--home', home, '--router-port', String(await freePort()))
  assert.equal(moved.code, 2)
  assert.match(moved.stderr, /runs with --router-port \d+; end it with --stop/)
  const other = join(scratch, 'other')
  const taken = await bootstrap('--detach', '--home', other, ...place.slice(4))
  assert.equal(taken.code, 2)
  assert.match(taken.stderr, new RegExp(`port ${apiPort} is taken by process ${controlPlane().pid}`))
  assert.deepEqual(readdirSync(other), [])
})

const watcher = () => recordIn(paths.watcherPid)

test('its watcher starts again what is killed, and is itself replaced by the next bootstrap', async () => {
  const instances = await dataPlane()
  const before = {database: database(), controlPlane: controlPlane(), agent: agent(), watcher: watcher()}
  for (const {pid} of [before.database, before.controlPlane, before.agent]) process.kill(pid, 'SIGKILL')
  const isAnew = (was: ProcessRecord, is: ProcessRecord) => is.pid !== was.pid && isAlive(is)
  await until(() => isAnew(before.database, database()) && isAnew(before.controlPlane, controlPlane()) && isAnew(before.agent, agent()))
  await until(async () => JSON.stringify(await dataPlane().catch(() => [])) === JSON.stringify(instances))
  process.kill(before.watcher.pid, 'SIGKILL')
  await until(() => !isAlive(before.watcher))
  ok(await bootstrap('--detach', '--home', home))
  assert.ok(isAnew(before.watcher, watcher()))
  assert.deepEqual(await dataPlane(), instances)
})

test('killed in turn, database, control plane and agent come back with the same state and instances', async () => {
  await (await client()).call('createFormation', {body: {name: 'keep'}})
  const instances = await dataPlane()
  const before = {controlPlane: controlPlane(), agent: agent()}
  process.kill(database().pid, 'SIGKILL')
  await until(async () => (await (await client()).call('getFormation', {params: {formation: 'keep'}})).name === 'keep')
  process.kill(before.controlPlane.pid, 'SIGKILL')
  process.kill(before.agent.pid, 'SIGKILL')
  await until(() => !isAlive(before.controlPlane) && !isAlive(before.agent))
  assert.equal(await status(routerPort), 404, 'the data plane does not need them')
  const both = await Promise.all([bootstrap('--detach', '--home', home), bootstrap('--detach', '--home', home)])
  assert.ok(both.some(({code}) => code === 0))
  for (const {code, stderr} of both) if (code !== 0) assert.match(stderr, /another \.\/bootstrap is starting or stopping/)
  assert.notEqual(controlPlane().pid, before.controlPlane.pid)
  assert.notEqual(agent().pid, before.agent.pid)
  await until(async () => JSON.stringify(await dataPlane()) === JSON.stringify(instances))
  assert.equal((await (await client()).call('getFormation', {params: {formation: 'keep'}})).state, 'active')
})

test('a second agent joins when it is asked for, with its part of the machine, and a lost token is made anew', async () => {
  rmSync(config, {recursive: true})
  ok(await bootstrap('--detach', '--home', home, '--agents', '2'))
  const {items} = await (await client()).call('listExecutors')
  assert.deepEqual(
    items.map(({id, state}) => ({id, state})),
    [
      {id: 'local', state: 'ready'},
      {id: 'local-2', state: 'ready'},
    ],
  )
  // The first one runs on with what it was started with.
  assert.deepEqual(
    items.map(({cpuMilli, memoryMib}) => [cpuMilli, memoryMib]),
    [1, 2].map(agents => [Math.floor((availableParallelism() * 1_000) / agents), Math.floor(totalmem() / 1_048_576 / agents)]),
  )
})

test('--stop ends everything, instances of a killed agent too, and keeps the state', async () => {
  const all = [watcher(), database(), controlPlane(), agent(), agent('local-2')]
  process.kill(watcher().pid, 'SIGKILL')
  process.kill(agent().pid, 'SIGKILL')
  const stopped = await bootstrap('--stop', '--home', home)
  assert.equal(stopped.code, 0)
  assert.match(stopped.stderr, /is stopped; its state is in/)
  for (const record of all) assert.ok(!isAlive(record))
  for (const port of ports) assert.equal(findListener(port), 'free')
  assert.match((await bootstrap('--stop', '--home', home)).stderr, /nothing runs in/)
})

const line = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', data => {
      text += data
      if (text.includes('\n')) resolve(text)
    })
    child.once('exit', code => reject(new Error(`ended with ${code}`)))
  })

test('in the foreground it watches, starts again what dies, and ends with everything on Ctrl-C', async () => {
  const child = spawn(script, ['--json', '--home', home], {env, stdio: ['ignore', 'pipe', 'ignore']})
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
  const {pid} = JSON.parse(await line(child)) as {pid: number}
  assert.equal((await (await client()).call('getFormation', {params: {formation: 'keep'}})).state, 'active')
  process.kill(pid, 'SIGKILL')
  await until(() => controlPlane().pid !== pid && isAlive(controlPlane()))
  const all = [database(), controlPlane(), agent()]
  child.kill('SIGINT')
  assert.equal(await ended, 0)
  for (const record of all) assert.ok(!isAlive(record))
  for (const port of ports) assert.equal(findListener(port), 'free')
  assert.ok(!existsSync(paths.lock) && !existsSync(paths.foreground))
})

test('the second Ctrl-C ends it at once, whatever does not stop; --stop does the rest', async () => {
  const child = spawn(script, ['--json', '--home', home], {env, stdio: ['ignore', 'pipe', 'ignore']})
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
  await line(child)
  const stuck = agent()
  process.kill(stuck.pid, 'SIGSTOP')
  // Signals that come together count as one.
  await until(() => child.exitCode !== null || !child.kill('SIGINT'))
  assert.equal(await ended, 130)
  assert.ok(isAlive(controlPlane()))
  process.kill(stuck.pid, 'SIGCONT')
  ok(await bootstrap('--stop', '--home', home))
  assert.ok(!isAlive(stuck) && !isAlive(controlPlane()))
})
