// What `./bootstrap` refuses before it starts anything: one clear line each, a non-zero exit, nothing left behind.
import assert from 'node:assert/strict'
import {execFile} from 'node:child_process'
import {chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import type {AddressInfo} from 'node:net'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, test} from 'node:test'
import {fileURLToPath} from 'node:url'
import {freePort} from '#local/database.ts'
import {findListener} from '#local/listeners.ts'
import {readBootstrapOptions} from '#local/options.ts'
import {checkMachine} from '#local/preflight.ts'

const script = fileURLToPath(new URL('../../bootstrap', import.meta.url))
const lockFile = fileURLToPath(new URL('../../package-lock.json', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'gilliam-preflight-'))
after(() => rmSync(scratch, {recursive: true, force: true}))

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const run = (file: string, args: readonly string[], env: Record<string, string | undefined> = process.env): Promise<Outcome> =>
  new Promise(resolve => {
    execFile(file, [...args], {env, timeout: 30_000}, (error, stdout, stderr) =>
      resolve({code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr}),
    )
  })

const home = () => join(scratch, 'home', String(Math.random()).slice(2))
const refused = (outcome: Outcome, why: RegExp) => {
  assert.equal(outcome.code, 2, outcome.stderr)
  assert.match(outcome.stderr, why)
  assert.equal(outcome.stderr.trim().split('\n').length, 1, outcome.stderr)
  assert.equal(outcome.stdout, '')
}

test('says how it is used', async () => {
  const {code, stdout} = await run(script, ['--help'])
  assert.equal(code, 0)
  for (const option of [
    '--detach',
    '--no-watch',
    '--watch',
    '--stop',
    '--json',
    '--home',
    '--api-port',
    '--router-port',
    '--proxy-port',
    '--agents',
  ])
    assert.ok(stdout.includes(option), option)
})

test('refuses what it does not understand', async () => {
  refused(await run(script, ['--detach', '--hmoe', '/x']), /Unknown option '--hmoe'; \.\/bootstrap --help/)
  refused(await run(script, ['--api-port', '0']), /--api-port must be a number from 1 to 65535, not “0”/)
  refused(await run(script, ['--api-port', '7180', '--home', home()]), /must differ/)
  refused(await run(script, ['--detach', '--stop']), /exclude each other/)
  refused(await run(script, ['--stage', 'Not A Name']), /--stage must be/)
})

test('refuses a taken port and names who has it', async t => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const {port} = server.address() as AddressInfo
  const own = home()
  const others = ['--api-port', String(await freePort()), '--proxy-port', String(await freePort())]
  const outcome = await run(script, ['--detach', '--home', own, ...others, '--router-port', String(port)])
  refused(outcome, new RegExp(`port ${port} is taken by process ${process.pid} \\(node\\); .* --router-port PORT`))
  assert.deepEqual(readdirSync(own), [], 'nothing half started')
  const listener = findListener(port)
  assert.ok(typeof listener === 'object' && listener.pid === process.pid)
  await new Promise(resolve => server.close(resolve))
  assert.equal(findListener(port), 'free')
})

test('refuses a home it can not write', async () => {
  const file = join(scratch, 'a-file')
  writeFileSync(file, '')
  refused(
    await run(script, ['--detach', '--home', join(file, 'below')]),
    /can not write to the home folder .*a-file\/below \(ENOTDIR\); .* --home/,
  )
  refused(await run(script, ['--detach', '--home', '/proc/gilliam']), /can not write to the home folder \/proc\/gilliam \(ENOENT\)/)
})

test('refuses a machine without the database, with another system, or an old Node', () => {
  const machine = {nodeVersion: '24.21.0', platform: 'linux', dynoxide: '/bin/dynoxide', endpoint: ''}
  checkMachine(machine)
  checkMachine({...machine, dynoxide: undefined, endpoint: 'http://127.0.0.1:8000'})
  assert.throws(
    () => checkMachine({...machine, dynoxide: undefined}),
    /@dynoxide\/linux-x64\) is not installed; .*GILLIAM_DYNAMODB_ENDPOINT/,
  )
  assert.throws(() => checkMachine({...machine, nodeVersion: '20.20.2'}), /this is Node 20.20.2, and Gilliam needs 24/)
  assert.throws(() => checkMachine({...machine, platform: 'darwin'}), /Linux only, not on darwin/)
})

/** A copy of the script beside a lock file but without node_modules, and a PATH with only what is given. */
const bare = (programs: Record<string, string>) => {
  const root = mkdtempSync(join(scratch, 'bare-'))
  const bin = join(root, 'bin')
  mkdirSync(bin)
  copyFileSync(script, join(root, 'bootstrap'))
  copyFileSync(lockFile, join(root, 'package-lock.json'))
  for (const tool of ['cp', 'cmp', 'find', 'mkdir', 'sh']) {
    const folder = ['/usr/bin', '/bin'].find(each => existsSync(join(each, tool)))
    if (folder !== undefined) symlinkSync(join(folder, tool), join(bin, tool))
  }
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  return {script: join(root, 'bootstrap'), root, env: {PATH: bin}}
}

test('without Node, with an old one, or without npm it says what is missing', async () => {
  const nothing = bare({})
  refused(await run(nothing.script, [], nothing.env), /Node\.js is not installed; Gilliam needs Node 20 or later/)
  const old = bare({node: 'echo v18.19.1'})
  refused(await run(old.script, [], old.env), /this is Node v18\.19\.1; Gilliam needs Node 20 or later/)
  const odd = bare({node: 'echo hello'})
  refused(await run(odd.script, [], odd.env), /this is Node hello/)
  const without = bare({node: 'echo v20.20.2'})
  refused(await run(without.script, [], without.env), /npm is not installed/)
})

test('installs once, and again when the lock file changed', async () => {
  const npm =
    'mkdir -p node_modules/.bin; printf "#!/bin/sh\\necho started \\"\\$3\\"\\n" > node_modules/.bin/node; /bin/chmod +x node_modules/.bin/node'
  const {script: copy, root, env} = bare({node: 'echo v20.20.2', npm})
  const first = await run(copy, ['--json'], env)
  assert.deepEqual([first.code, first.stdout], [0, 'started --json\n'])
  assert.match(first.stderr, /installing dependencies/)
  assert.equal((await run(copy, [], env)).stderr, '')
  writeFileSync(join(root, 'package-lock.json'), '{"changed": true}')
  assert.match((await run(copy, [], env)).stderr, /installing dependencies/)
  const failing = bare({node: 'echo v20.20.2', npm: 'echo no network >&2; exit 1'})
  const outcome = await run(failing.script, [], failing.env)
  assert.equal(outcome.code, 2)
  assert.match(outcome.stderr, /no network\n.*npm ci failed/)
})

test('takes ports and stage from the last start, and the command line first', async () => {
  const own = home()
  mkdirSync(own, {recursive: true})
  writeFileSync(join(own, 'stage.json'), JSON.stringify({stage: 'lab', apiPort: 1_001, routerPort: 1_002, proxyPort: 1_003, agents: 2}))
  const options = await readBootstrapOptions(['--home', own, '--proxy-port', '2003', '--detach'], {})
  assert.deepEqual(options, {
    stage: 'lab',
    apiPort: 1_001,
    routerPort: 1_002,
    proxyPort: 2_003,
    listen: '127.0.0.1',
    agents: 2,
    home: own,
    mode: 'detach',
    watched: true,
    json: false,
  })
  await assert.rejects(readBootstrapOptions(['--home', own, '--stage', 'other'], {}), /holds the stage “lab”, not “other”/)
  const fresh = await readBootstrapOptions([], {XDG_STATE_HOME: '/state'})
  assert.deepEqual(fresh, {
    ...{stage: 'local', apiPort: 7_100, routerPort: 7_180, proxyPort: 7_128, listen: '127.0.0.1', agents: 1},
    ...{home: '/state/gilliam/local', mode: 'foreground', watched: true, json: false},
  })
  assert.equal((await readBootstrapOptions(['--listen', '10.0.0.1'], {XDG_STATE_HOME: '/state'}))?.listen, '10.0.0.1')
  for (const address of ['0.0.0.0', '::', 'example.com', ''])
    await assert.rejects(readBootstrapOptions(['--listen', address], {XDG_STATE_HOME: '/state'}), /--listen must be the IP address/)
  assert.equal((await readBootstrapOptions(['--stage', 'lab'], {XDG_STATE_HOME: '/state'}))?.home, '/state/gilliam/lab')
})
