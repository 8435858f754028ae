// The doctor of a host, against a real HTTP server that is right, late, or not there.
import assert from 'node:assert/strict'
import {execFile} from 'node:child_process'
import {chmodSync, mkdirSync, writeFileSync} from 'node:fs'
import {createServer, type Server} from 'node:http'
import {type AddressInfo, createServer as createTcp} from 'node:net'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {examine, type Finding, givenAway, type HostSettings, parseEnvironment} from '#shared/host/doctor.ts'
import {Cli, root} from './cli.ts'

describe('gilliam doctor', () => {
  const cli = new Cli()
  const home = join(cli.folder, 'home')
  let server: Server
  let url = ''
  let clockOffMs = 0
  before(async () => {
    mkdirSync(home, {mode: 0o700})
    writeFileSync(join(home, 'credential.json'), JSON.stringify({executor: 'here', token: 'good'}))
    server = createServer((request, response) => {
      const known = request.url === '/v1/health' || request.headers.authorization === 'Bearer good'
      response.writeHead(known ? (request.url === '/v1/health' ? 200 : 403) : 401, {date: new Date(Date.now() + clockOffMs).toUTCString()})
      response.end('{}')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
    cli.close()
  })
  const look = async (change: Partial<HostSettings> = {}): Promise<Record<string, Finding>> => {
    const settings = {
      api: url,
      home,
      host: '127.0.0.1',
      ports: {first: 30_000, last: 30_009},
      dockerSocket: '/nowhere',
      wantsDocker: false,
      nodeVersion: 'v24.1.0',
      now: Date.now,
    }
    return Object.fromEntries((await examine({...settings, ...change})).map(finding => [finding.name, finding]))
  }

  it('finds a good host good', async () => {
    const found = await look()
    for (const name of ['node', 'dns', 'https', 'clock', 'credential', 'home'])
      assert.equal(found[name]?.state, 'ok', JSON.stringify(found[name]))
    assert.deepEqual([found.address?.state, found.ports?.state, found.docker?.state], ['ok', 'ok', 'ok'])
  })

  it('tells an address that only this machine reaches, and an engine that is asked for and not there', async () => {
    const found = await look({api: 'http://192.0.2.1:1', wantsDocker: true})
    assert.equal(found.address?.state, 'warn')
    assert.match(found.address?.fix ?? '', /--address/)
    assert.equal(found.docker?.state, 'fail')
    assert.match(found.docker?.fix ?? '', /install Docker/)
  })

  it('finds what is wrong, each with a fix', async () => {
    clockOffMs = 90_000
    writeFileSync(join(home, 'credential.json'), JSON.stringify({executor: 'here', token: 'old'}))
    chmodSync(home, 0o755)
    const taken = createTcp()
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
    const {port} = taken.address() as AddressInfo
    const found = await look({nodeVersion: 'v20.1.0', ports: {first: port, last: port}})
    taken.close()
    for (const name of ['node', 'clock', 'credential', 'home', 'ports']) {
      assert.equal(found[name]?.state, 'fail', JSON.stringify(found[name]))
      assert.ok(found[name]?.fix, name)
    }
    assert.match(found.clock?.says ?? '', /behind the control plane/)
  })

  it('tells a name that is none, and a control plane that is not there', async () => {
    const found = await look({api: 'http://no-such-host.invalid:1', home: '/nowhere/at/all'})
    assert.deepEqual(
      ['dns', 'https', 'clock', 'credential', 'home'].map(name => found[name]?.state),
      ['fail', 'fail', 'warn', 'warn', 'warn'],
    )
  })

  it('is a command of the CLI and of the agent, which end with 1 when something fails', async () => {
    const settings = join(cli.folder, 'agent.env')
    writeFileSync(settings, `# an agent's\nGILLIAM_API='${url}'\nGILLIAM_AGENT_HOME=${home}\n`)
    const {code, stdout} = await cli.run(['doctor', '--settings', settings, '--json'])
    assert.equal(code, 1)
    assert.ok((JSON.parse(stdout).items as Finding[]).some(({name, state}) => name === 'home' && state === 'fail'))
    const env = {...process.env, GILLIAM_API: url, GILLIAM_AGENT_HOME: home}
    const agent = await new Promise<{code: unknown; stdout: string}>(resolve =>
      execFile(process.execPath, [join(root, 'agent/main.ts'), 'doctor'], {env}, (error, text) =>
        resolve({code: error?.code ?? 0, stdout: text}),
      ),
    )
    assert.equal(agent.code, 1)
    assert.match(agent.stdout, /^fail {2}home .*755\)\n {18}chmod go-rw/m)
  })

  it('reads settings as systemd does', () => {
    assert.deepEqual(parseEnvironment('A=1\n# B=2\n\nC="x y"\nD=\'{"a":1}\'\nE=\n'), {A: '1', C: 'x y', D: '{"a":1}', E: ''})
  })
})

it('knows which ports the system gives away by itself', () => {
  const range = {first: 32_000, last: 33_000}
  assert.equal(givenAway(range, [[32_768, 60_999]], []), true)
  assert.equal(givenAway(range, [[40_000, 60_999]], []), false)
  assert.equal(givenAway(range, [[32_768, 60_999]], [[32_768, 33_000]]), false)
  assert.equal(
    givenAway(
      range,
      [[32_768, 60_999]],
      [
        [32_768, 32_800],
        [32_802, 33_000],
      ],
    ),
    true,
  )
  assert.equal(givenAway(range, [], []), false)
})
