// The agent's smaller parts: environment, built-in types, ports, health checks, state file, settings, cleanup.
import assert from 'node:assert/strict'
import {mkdirSync, mkdtempSync, readdirSync, statSync, symlinkSync, utimesSync, writeFileSync} from 'node:fs'
import {createServer as createHttpServer} from 'node:http'
import {type AddressInfo, createServer, type Socket} from 'node:net'
import {join} from 'node:path'
import {type TestContext, test} from 'node:test'
import {healthCheckOf} from '#agent/checks.ts'
import {emptyFolder, endedFolders, endedFoldersMax} from '#agent/cleanup.ts'
import {commandOf} from '#agent/command.ts'
import {environmentOf} from '#agent/environment.ts'
import {carryOut, watchHealth} from '#agent/health.ts'
import {accepted} from '#agent/instance.ts'
import {Ports, parsePortRange, portRestMs} from '#agent/ports.ts'
import {pathWith} from '#agent/programs.ts'
import {readSettings} from '#agent/settings.ts'
import {loadState, StateFile} from '#agent/state.ts'
import {assignment, health, temporaryFolder} from './fixtures.ts'
import {until} from './wait.ts'

const executor = {stage: 'test', executor: 'here', zone: 'office', api: 'http://api', host: '127.0.0.1', path: '/bin', lang: 'C.UTF-8'}
const ports = {80: 20_001, 9000: 20_002}

test('the release’s variables win over the platform’s, except over ports and GILLIAM_…', () => {
  const env = {HTTP_PROXY: 'mine', PORT: '1', PORT_80: '2', PORTAL: 'open', GILLIAM_API: 'x', GILLIAM_TOKEN: 'kept out', LANG: 'de_DE'}
  const given = {ports, first: 80, home: '/home/it'}
  const result = environmentOf(assignment('a', {env}), {...executor, proxy: 'http://proxy'}, given)
  assert.deepEqual(result, {
    PATH: '/bin',
    LANG: 'de_DE',
    HOME: '/home/it',
    HOST: '127.0.0.1',
    HTTP_PROXY: 'mine',
    http_proxy: 'http://proxy',
    NO_PROXY: 'localhost,127.0.0.1',
    no_proxy: 'localhost,127.0.0.1',
    NODE_USE_ENV_PROXY: '1',
    PORTAL: 'open',
    PORT: '20001',
    PORT_80: '20001',
    PORT_9000: '20002',
    GILLIAM_STAGE: 'test',
    GILLIAM_API: 'http://api',
    GILLIAM_EXECUTOR: 'here',
    GILLIAM_ZONE: 'office',
    GILLIAM_FORMATION: 'crm',
    GILLIAM_SERVICE: 'users',
    GILLIAM_INSTANCE: 'a',
    GILLIAM_RELEASE: '1',
  })
})

test('without a proxy and without ports there are no such variables', () => {
  const names = Object.keys(environmentOf(assignment('a'), executor, {ports: {}, home: '/'}))
  assert.deepEqual(
    names.filter(name => /PROXY|proxy|PORT/.test(name)),
    [],
  )
})

test('a program is looked for on the PATH first, then in folders of versions, the last of them', t => {
  const folder = temporaryFolder(t)
  for (const version of ['9', '15', '17-without']) mkdirSync(join(folder, version, 'bin'), {recursive: true})
  for (const version of ['9', '15']) writeFileSync(join(folder, version, 'bin/some-program'), '', {mode: 0o755})
  const program = {name: 'some-program', also: `${folder}/*/bin`}
  assert.equal(pathWith(program, '/bin'), `${folder}/15/bin:/bin`)
  assert.equal(pathWith(program, `/bin:${folder}/9/bin`), `/bin:${folder}/9/bin`)
  assert.equal(pathWith({name: 'some-program'}, '/bin'), undefined)
  assert.equal(pathWith({...program, name: 'none'}, '/bin'), undefined)
})

test('a script runs where its program is, else says what to install', () => {
  const program = {name: 'redis-server', install: 'Debian: apt-get install redis-server'}
  const redis = assignment('r', {kind: 'auxiliary', type: 'redis', script: 'exec redis-server', image: 'redis', program})
  assert.deepEqual(
    commandOf(redis, ({name}) => name === 'redis-server'),
    {command: 'exec redis-server'},
  )
  assert.deepEqual(
    commandOf(redis, () => false),
    {refused: 'redis-server is not installed on this executor: install it (Debian: apt-get install redis-server)'},
  )
  const image = commandOf(assignment('r', {script: undefined, image: 'redis'}), () => true)
  assert.ok('refused' in image && image.refused.includes('docker runtime'))
  const neither = commandOf(assignment('r', {script: undefined, type: 'redis'}), () => true)
  assert.ok('refused' in neither && neither.refused.includes('agents know no types'))
})

test('the health check is TCP on the first port unless the service says otherwise', () => {
  assert.equal(healthCheckOf(assignment('a')), undefined)
  assert.equal(healthCheckOf(assignment('a', {ports: [{port: 80}, {port: 81}]}))?.port, 80)
  const asked = healthCheckOf(assignment('a', {ports: [{port: 80}, {port: 81}], health: health({port: 81})}))
  assert.deepEqual([asked?.port, asked?.path], [81, '/healthz'])
})

const listen = async (t: TestContext, onSocket = (socket: Socket): unknown => socket.destroy()): Promise<number> => {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket)
    onSocket(socket)
  })
  t.after(() => sockets.map(socket => socket.destroy()))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('ports: free ones of the range, the same again after a restart, none that another had a moment ago', async t => {
  let now = 0
  const busy = await listen(t)
  const range = {first: busy, last: Math.min(busy + 20, 65_535)}
  const allocator = new Ports({range, host: '127.0.0.1', now: () => now, random: () => 0})
  const take = async (key: string, before = {}) => {
    const result = await allocator.allocate(key, [{port: 80}], before)
    return 'ports' in result ? result.ports : assert.fail(result.refused)
  }
  const first = await take('a')
  assert.notEqual(first[80], busy)
  assert.deepEqual(await take('a', first), first)
  const second = await take('b')
  assert.notEqual(second[80], first[80])
  allocator.release('a')
  const given = new Set<number | undefined>()
  for (const key of ['c', 'd', 'e']) given.add((await take(key))[80])
  assert.ok(!given.has(first[80]))
  now += portRestMs
  for (let n = 0; n < 17 && !given.has(first[80]); n++) given.add((await take(`more-${n}`))[80])
  assert.ok(given.has(first[80]), 'after its rest it can be used again')
})

test('ports: those that rest do for the next agent too, and for the whole time when its machine was started anew', async () => {
  let now = 0
  const ports = () => new Ports({range: {first: 24_000, last: 24_001}, host: '127.0.0.1', now: () => now, random: () => 0})
  const before = ports()
  assert.equal(before.resting(), undefined)
  const [one] = [await before.allocate('a', [{port: 80}], {})]
  assert.ok('ports' in one)
  now = 10_000
  before.release('a')
  const resting = before.resting()
  assert.deepEqual(resting, {24000: 10_000 + portRestMs})
  const portOf = async (after: Ports): Promise<number | undefined> => {
    const given = await after.allocate('b', [{port: 80}], {})
    return 'ports' in given ? given.ports[80] : undefined
  }
  const after = ports()
  after.rest(resting, true)
  assert.equal(await portOf(after), 24_001)
  assert.equal(((await after.allocate('c', [{port: 80}], {})) as {refused?: string}).refused?.startsWith('no host port is free'), true)
  now += portRestMs
  assert.equal(((await after.allocate('c', [{port: 80}], {})) as {ports?: Record<string, number>}).ports?.[80], 24_000)
  assert.equal(after.resting(), undefined)
  now = 5
  const rebooted = ports()
  rebooted.rest({24000: 3}, false)
  assert.deepEqual(rebooted.resting(), {24000: 5 + portRestMs})
})

test('ports: a fixed one that is taken is refused with who has it; so is a used-up range and a foreign host', async t => {
  const busy = await listen(t)
  const make = (host: string) => new Ports({range: {first: busy, last: busy}, host, now: () => 0, random: () => 0})
  const refusal = async (allocator: Ports, hostPort?: number) => {
    const result = await allocator.allocate('a', [{port: 80, ...(hostPort && {hostPort})}], {})
    return 'refused' in result ? result.refused : ''
  }
  assert.match(await refusal(make('127.0.0.1'), busy), /taken by another program on 127.0.0.1/)
  assert.match(await refusal(make('127.0.0.1')), /no host port is free in/)
  assert.match(await refusal(make('192.0.2.1')), /is GILLIAM_EXECUTOR_HOST an address of this machine/)
  const claimed = make('127.0.0.1')
  claimed.claim('b', {80: 4_000})
  assert.equal(await refusal(claimed, 4_000), 'host port 4000 is taken by b')
  assert.throws(() => parsePortRange('9-1'), /GILLIAM_PORT_RANGE must be FIRST-LAST/)
})

test('checks say what went wrong', async t => {
  const server = createHttpServer((request, response) => {
    if (request.url === '/slow') return
    response.writeHead(Number(request.url?.slice(1)))
    response.end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const target = {host: '127.0.0.1', port: (server.address() as AddressInfo).port}
  const ask = (path?: string, timeoutMs = 2_000) => carryOut({timeoutMs, ...(path === undefined ? {} : {path})}, target)
  assert.equal(await ask('/200'), undefined)
  assert.equal(await ask('/302'), undefined)
  assert.equal(await ask('/503'), 'GET /503 answered 503')
  assert.equal(await ask('/slow', 100), 'GET /slow did not answer within 100 ms')
  assert.equal(await ask(), undefined)
  const nobody = {host: '127.0.0.1', port: 1}
  assert.equal(await carryOut({timeoutMs: 500}, nobody), 'port 1: ECONNREFUSED')
  assert.equal(await carryOut({path: '/', timeoutMs: 500}, nobody), 'GET / on port 1: ECONNREFUSED')
})

test('a connection that must last is one that is not hung up on, or on which something is heard', async t => {
  const greet = await listen(t, socket => socket.end('hello'))
  const silent = await listen(t, () => undefined)
  const hangUp = await listen(t, socket => socket.end())
  const ask = (port: number, lingerMs: number) => carryOut({timeoutMs: 2_000, lingerMs}, {host: '127.0.0.1', port})
  assert.equal(await ask(greet, 60_000), undefined)
  assert.equal(await ask(silent, 20), undefined)
  assert.equal(await ask(hangUp, 60_000), `port ${hangUp} hung up at once`)
  assert.equal(await ask(hangUp, 0), undefined)
  assert.equal(healthCheckOf(assignment('a', {ports: [{port: 80}]}))?.lingerMs, 0)
  assert.equal(healthCheckOf(assignment('a', {ports: [{port: 80}], image: 'web'}))?.lingerMs, 50)
})

test('an instance is unhealthy only after several failures in a row, and healthy again after one success', async t => {
  let status = 500
  const server = createHttpServer((_, response) => response.writeHead(status).end())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const events: string[] = []
  const on = {
    healthy: () => events.push('healthy'),
    notYet: (why: string) => events.push(why),
    unhealthy: (why: string) => events.push(`un ${why}`),
  }
  const check = healthCheckOf(assignment('a', {ports: [{port: 80}], health: health()}))
  assert.ok(check)
  const stop = watchHealth({...check, intervalMs: 10}, {host: '127.0.0.1', port: (server.address() as AddressInfo).port}, on, {
    healthyNow: false,
    random: () => 0.5,
  })
  t.after(() => {
    stop()
    server.closeAllConnections()
    server.close()
  })
  await until(() => events.includes('GET /healthz answered 500'))
  status = 200
  await until(() => events.at(-1) === 'healthy')
  status = 500
  await until(() => events.at(-1) === 'un GET /healthz answered 500')
  status = 200
  await until(() => events.filter(event => event === 'healthy').length === 2)
})

test('the state file is replaced as a whole, is private, and survives being written often', async t => {
  const path = join(temporaryFolder(t), 'state.json')
  let n = 0
  const errors: unknown[] = []
  const content = () => ({bootId: String(n), desired: [], records: [accepted(assignment('a'), 0)], offsets: {}})
  const file = new StateFile({path, content, onError: error => errors.push(error)})
  const saves = []
  for (n = 1; n <= 20; n++) saves.push(file.save())
  await Promise.all(saves)
  const loaded = loadState(path)
  assert.ok(loaded.outcome === 'ok' && loaded.state.bootId === '21' && loaded.state.records[0]?.key === 'crm.users.a')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(errors, [])
})

test('a state that can not be written is told of and does not stop anything; one that can not be read is not guessed at', async t => {
  const folder = temporaryFolder(t)
  const errors: unknown[] = []
  const content = () => ({bootId: '', desired: [], records: [], offsets: {}})
  await new StateFile({path: join(folder, 'no/such/folder'), content, onError: error => errors.push(error)}).save()
  assert.equal(errors.length, 1)
  const path = join(folder, 'state.json')
  assert.equal(loadState(path).outcome, 'missing')
  writeFileSync(path, '{"schema":1,"boo')
  assert.deepEqual(loadState(path), {outcome: 'unreadable', reason: 'not JSON'})
  writeFileSync(path, '{"schema":99,"bootId":"","desired":[],"records":[],"offsets":{}}')
  assert.deepEqual(loadState(path), {outcome: 'unreadable', reason: 'schema 99, this agent reads 1'})
})

test('settings name the variable that is wrong', async () => {
  const env = {GILLIAM_EXECUTOR: 'here', GILLIAM_API: 'http://api', GILLIAM_AGENT_HOME: '/tmp/home'}
  const settings = await readSettings({...env, GILLIAM_EXECUTOR_ATTRIBUTES: '{"zone":"office","tags":["ssd"]}'}, '/opt/node/bin/node')
  assert.deepEqual([settings.descriptor.zone, settings.descriptor.tags, settings.descriptor.runtimes], ['office', ['ssd'], ['process']])
  assert.ok(settings.environment.path.startsWith('/opt/node/bin:'))
  const bad = (change: Record<string, string>, message: RegExp) => assert.rejects(readSettings({...env, ...change}, 'node'), message)
  await bad({GILLIAM_EXECUTOR: ''}, /GILLIAM_EXECUTOR is not set/)
  await bad({GILLIAM_EXECUTOR: 'Not A Name'}, /GILLIAM_EXECUTOR must be lower-case/)
  await bad({GILLIAM_EXECUTOR_ATTRIBUTES: '{'}, /GILLIAM_EXECUTOR_ATTRIBUTES is not JSON/)
  await bad({GILLIAM_EXECUTOR_ATTRIBUTES: '{"zoo":1}'}, /GILLIAM_EXECUTOR_ATTRIBUTES: .*zoo/)
  await bad({GILLIAM_EXECUTOR_ATTRIBUTES: '{"labels":{"ring":"No Ring"}}'}, /GILLIAM_EXECUTOR_ATTRIBUTES: the label ring/)
  await bad({GILLIAM_PORT_RANGE: 'all'}, /GILLIAM_PORT_RANGE/)
})

test('the newest folders of ended instances stay, and all of live ones', async t => {
  const folder = mkdtempSync(join(temporaryFolder(t), 'instances-'))
  for (let n = 0; n < endedFoldersMax + 5; n++) {
    mkdirSync(join(folder, `crm.users.${n}`))
    utimesSync(join(folder, `crm.users.${n}`), n, n)
  }
  await endedFolders(folder, key => key === 'crm.users.0')
  const left = readdirSync(folder)
  assert.equal(left.length, endedFoldersMax + 1)
  assert.ok(left.includes('crm.users.0') && !left.includes('crm.users.1') && left.includes(`crm.users.${endedFoldersMax + 4}`))
})

test('what an ended instance ran in goes, its log files and what its links point to stay', async t => {
  const folder = temporaryFolder(t)
  const other = temporaryFolder(t)
  writeFileSync(join(other, 'kept'), '')
  for (const name of ['run/-rf', 'control']) mkdirSync(join(folder, name), {recursive: true})
  symlinkSync(other, join(folder, 'run', 'there'))
  symlinkSync(other, join(folder, 'overlay'))
  writeFileSync(join(folder, 'out.log'), 'last words')
  await emptyFolder(folder)
  await emptyFolder(folder)
  assert.deepEqual([readdirSync(folder), readdirSync(other)], [['out.log'], ['kept']])
})
