// The CLI against the real functions behind the local gateway: what the loopback control plane of the other tests takes for granted holds.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {Cli} from './cli.ts'
import {startControlPlane} from './control-plane.ts'

const manifest = `
formation: crm
processes:
  users: {script: exec node users.js, ports: [80], scale: 2, requirements: ['executor.zone == "mars"']}
  web: {script: exec node web.js, ports: [80], requires: [users]}
routes:
  - 'crm.example.com/user/{name}: users.crm.service/{name}'
  - '/{rest:.*}: web.crm.service/{rest}'
`

describe('the CLI and the real control plane', () => {
  let cli: Cli
  let plane: Awaited<ReturnType<typeof startControlPlane>>
  let cwd: string
  before(async () => {
    cli = new Cli()
    plane = await startControlPlane()
    cwd = cli.project('crm', {'gilliam.yml': manifest, 'users.js': '', 'web.js': ''})
  })
  after(async () => {
    await plane.stop()
    cli.close()
  })
  const run = (...args: string[]) => cli.run(args, undefined, {cwd, env: {GILLIAM_API: plane.url, GILLIAM_TOKEN: plane.token}})
  const must = async (...args: string[]) => {
    const outcome = await run(...args)
    assert.equal(outcome.code, 0, `${args.join(' ')}: ${outcome.stderr}`)
    return outcome
  }
  const items = async (...args: string[]): Promise<Record<string, unknown>[]> => {
    const {stdout} = await must(...args, '--json')
    return (JSON.parse(stdout) as {items: Record<string, unknown>[]}).items
  }

  it('creates, releases, and uploads each slug once', async () => {
    assert.equal((await must('create')).stdout, 'crm\n')
    assert.equal((await run('create', 'crm')).code, 5)
    const first = await must('deploy', '--no-scale', '-m', 'first', '--author', 'Ada')
    assert.equal(first.stdout, 'release 1\n')
    assert.match(first.stderr, /Uploaded /)
    assert.match((await must('deploy', '--no-scale')).stderr, /Already uploaded/)
    assert.deepEqual(
      (await items('releases')).map(({release}) => release),
      [2, 1],
    )
    assert.match((await must('release', 'show', '1')).stdout, /message: {3}first\n/)
    assert.equal((await run('release', 'show', '9')).code, 4)
  })

  it('keeps the routes of the manifest, in order, without touching others', async () => {
    await must('route', 'other.example.com/', 'web.crm.service/', '--name', 'mine')
    cli.project('crm', {'gilliam.yml': manifest.replace("  - '/{rest:.*}: web.crm.service/{rest}'\n", '')})
    await must('deploy', '--no-scale')
    const routes = await items('routes')
    assert.deepEqual(
      routes.map(({domain, path, target, formation}) => [domain, path, target, formation]),
      [
        ['crm.example.com', '/user/{name}', 'users.crm.service/{name}', 'crm'],
        ['other.example.com', '/', 'web.crm.service/', undefined],
      ],
    )
    assert.equal((await run('route', 'other.example.com/', 'users.crm.service/')).code, 5)
    await must('route', 'rm', 'mine')
    assert.equal((await run('route', 'rm', 'mine')).code, 4)
  })

  it('changes the environment', async () => {
    const newest = async (): Promise<unknown> => (await items('releases'))[0]?.release
    const before = Number(await newest())
    await must('env', 'set', 'users:A=1', 'B=2', 'web:C=3', '--no-rollout')
    assert.equal(await newest(), before + 1)
    assert.equal((await must('env')).stdout, 'B=2\nusers:A=1\nweb:C=3\n')
    await must('env', 'unset', 'B', 'web:C')
    assert.equal(await newest(), before + 2)
    assert.equal((await must('env')).stdout, 'users:A=1\n')
  })

  it('scales, spawns, lists and explains what no executor takes', async () => {
    await must('scale', 'users=1', '--no-wait')
    await must('spawn', 'web', '--require', '"gpu" in executor.tags')
    assert.equal((await run('spawn', 'web', '--require', 'executor.nothing')).code, 2)
    await plane.tick('crm')
    const listed = await items('ps')
    assert.deepEqual(
      listed.map(({service, state}) => [service, state]),
      [
        ['users', 'pending'],
        ['web', 'pending'],
      ],
    )
    assert.match((await must('explain', 'users')).stdout, /requires {3}executor\.zone == "mars"[\s\S]*No executor fits now\./)
    assert.match((await must('explain', String(listed[1]?.name))).stdout, /"gpu" in executor\.tags/)
    await must('stop', String(listed[1]?.name))
    assert.deepEqual(
      (await items('ps', '-a')).map(({state}) => state),
      ['pending', 'stopped'],
    )
    assert.equal((await run('stop', 'web.nothing')).code, 4)
    assert.deepEqual(await items('logs'), [])
  })

  it('announces, resolves and withdraws', async () => {
    await must('registry', 'announce', 'crm', 'pay.vendor-1', '--json-data', '{"host": "127.0.0.1", "port": 9}', '--ttl', '60')
    assert.deepEqual(await items('resolve', 'pay.crm.service'), [
      {name: 'pay.vendor-1', service: 'pay', id: 'vendor-1', host: '127.0.0.1', port: 9},
    ])
    await must('registry', 'withdraw', 'crm', 'pay.vendor-1')
    assert.equal((await run('resolve', 'pay.crm.service')).code, 4)
  })

  it('makes tokens that do no more than they may', async () => {
    const made = JSON.parse((await must('token', 'create', 'outside', '--scope', 'registry', '-f', 'crm', '--json')).stdout) as {
      id: string
      token: string
    }
    const outside = (...args: string[]) => cli.run(args, undefined, {cwd, env: {GILLIAM_API: plane.url, GILLIAM_TOKEN: made.token}})
    assert.equal((await outside('registry', 'crm')).code, 0)
    assert.equal((await outside('registry', 'shop')).code, 3)
    assert.equal((await outside('ps')).code, 3)
    assert.ok((await items('token', 'list')).every(token => token.token === undefined))
    await must('token', 'revoke', made.id)
  })

  it('suggests what was meant', async () => {
    const {code, stderr} = await run('ps', '-f', 'crn')
    assert.equal(code, 4)
    assert.match(stderr, /Did you mean the formation “crm”\?/)
  })

  it('destroys', async () => {
    await must('destroy', '--yes', '--no-wait')
    for (let ticks = 0; ticks < 10 && (await run('ps', '-f', 'crm')).code === 0; ticks++) await plane.tick('crm')
    const {code, stderr} = await run('ps', '-f', 'crm')
    assert.equal(code, 4, stderr)
    assert.deepEqual(await items('routes'), [])
  })
})
