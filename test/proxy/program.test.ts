// The program as it is deployed: one bundled file under plain node, its environment, signals, and a killed process that comes back without a control plane.
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {after, before, test} from 'node:test'
import {bundleProgram, type Program, run} from './program.ts'
import {call, closedPort, entry, Feed, startInstance, until} from './rig.ts'

let program: Program

before(async () => {
  program = await bundleProgram()
})
after(() => program.remove())

const statusOf = (port: number, path = '/'): Promise<number> =>
  call(port, {path}).then(
    ({status}) => status,
    () => 0,
  )

test('it serves, survives kill -9 with the control plane gone, and ends cleanly on SIGTERM', async t => {
  const instance = await startInstance(t, (_request, response) => response.end('ok'))
  const feed = new Feed()
  feed.announce('crm', entry('users', 'a1', instance.port))
  feed.route(['*', '/', 'users.crm.service'])
  await feed.start(t)
  const tokenFile = join(program.folder, 'token')
  await writeFile(tokenFile, 'gil_discovery_test\n')
  const [port, admin] = [await closedPort(), await closedPort()]
  const env = {
    PORT: String(port),
    PORT_9000: String(admin),
    GILLIAM_API: feed.api,
    GILLIAM_TOKEN_FILE: tokenFile,
    GILLIAM_SNAPSHOT: join(program.folder, 'table.json'),
  }
  const first = run(t, program, 'router', env)
  await until(async () => (await statusOf(admin, '/readyz')) === 200 && (await statusOf(port)) === 200, 'serving')
  await until(async () => (await readFile(env.GILLIAM_SNAPSHOT, 'utf8').catch(() => '')).includes('"a1"'), 'saved')
  await feed.stop()
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  const second = run(t, program, 'router', env)
  await until(async () => (await statusOf(admin, '/readyz')) === 200, 'ready again')
  assert.equal(await statusOf(port), 200)
  second.child.kill('SIGTERM')
  const [code] = await once(second.child, 'exit')
  assert.equal(code, 0, second.output())
})

test('a wrong environment is one clear line', async t => {
  const port = String(await closedPort())
  const base = {PORT: port, PORT_9000: String(await closedPort()), GILLIAM_API: 'http://127.0.0.1:9', GILLIAM_TOKEN: 'x'}
  const taken = await startInstance(t, (_request, response) => response.end())
  const cases: [string, Record<string, string>, RegExp][] = [
    ['rooter', base, /^gilliam rooter: say which: router, proxy or relay\n$/],
    ['router', {...base, PORT: 'x'}, /^gilliam router: PORT must be a port number, not “x”\n$/],
    ['router', {...base, GILLIAM_API: ''}, /^gilliam router: GILLIAM_API is not set/],
    [
      'proxy',
      {...base, GILLIAM_PROXY_OUTSIDE: 'maybe'},
      /^gilliam proxy: GILLIAM_PROXY_OUTSIDE must be one of allow, forbid, not “maybe”\n$/,
    ],
    ['proxy', {...base, GILLIAM_TOKEN: '', GILLIAM_TOKEN_FILE: '/nowhere/token'}, /^gilliam proxy: ENOENT.*\/nowhere\/token/],
    ['router', {...base, GILLIAM_WORKERS: '0'}, /^gilliam router: GILLIAM_WORKERS must be a whole number of at least 1, not “0”.*\n$/],
    ['router', {...base, GILLIAM_WORKERS: '65'}, /^gilliam router: GILLIAM_WORKERS must be at most 64, not “65”\n$/],
    ['router', {...base, GILLIAM_WORKERS: '2', PORT: String(taken.port)}, /^gilliam router: listen EADDRINUSE.*\n$/],
    ['proxy', {...base, PORT_9000: String(taken.port)}, /^gilliam proxy: listen EADDRINUSE.*\n$/],
    ['proxy', {...base, PORT: String(taken.port)}, /gilliam proxy: listen EADDRINUSE.*\n$/],
  ]
  for (const [role, env, expected] of cases) {
    const {child, output} = run(t, program, role, env)
    const [code] = await once(child, 'close')
    assert.equal(code, 1, role)
    assert.match(output(), expected)
  }
})
