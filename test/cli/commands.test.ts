// Every verb against a loopback control plane that holds it to the endpoint table: what it sends, what it prints, how it ends.
import assert from 'node:assert/strict'
import {existsSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, beforeEach, describe, it} from 'node:test'
import {GilliamError} from '#shared/errors.ts'
import {Cli} from './cli.ts'
import {FakeControlPlane} from './fake-control-plane.ts'
import {at, formation, instance, release, rollout} from './samples.ts'

describe('gilliam', () => {
  let cli: Cli
  let plane: FakeControlPlane
  before(async () => {
    cli = new Cli()
    plane = await new FakeControlPlane().start()
  })
  beforeEach(() => {
    plane.calls.length = 0
    plane.answers = {getRelease: () => release(), listFormations: () => ({items: [formation('crm'), formation('shop')]})}
  })
  after(async () => {
    await plane.stop()
    cli.close()
  })
  const run = (...args: string[]) => cli.run(args, plane.url)
  const inCrm = (...args: string[]) => run(...args, '-f', 'crm')
  const items = (stdout: string): Record<string, unknown>[] => (JSON.parse(stdout) as {items: Record<string, unknown>[]}).items

  describe('create', () => {
    it('makes the formation and remembers it in .gilliam, below which later commands find it', async () => {
      plane.answers.createFormation = call => formation(call.body.name)
      plane.answers.listInstances = () => ({items: []})
      const cwd = cli.project('fresh', {'src/index.js': ''})
      const {code, stdout} = await cli.run(['create', 'shop'], plane.url, {cwd})
      assert.deepEqual([code, stdout], [0, 'shop\n'])
      assert.deepEqual(JSON.parse(readFileSync(join(cwd, '.gilliam/state.json'), 'utf8')), {formation: 'shop', stage: 'environment'})
      assert.equal(readFileSync(join(cwd, '.gilliam/.gitignore'), 'utf8'), '*\n')
      await cli.run(['ps'], plane.url, {cwd: join(cwd, 'src')})
      assert.equal(plane.of('listInstances')[0]?.params.formation, 'shop')
      await cli.run(['ps', '-f', 'crm'], plane.url, {cwd})
      assert.equal(plane.of('listInstances')[1]?.params.formation, 'crm')
    })

    it('takes the name from gilliam.yml, else from the folder', async () => {
      plane.answers.createFormation = call => formation(call.body.name)
      const named = cli.project('some-folder', {'gilliam.yml': 'formation: shop\nprocesses: {}\n'})
      assert.equal((await cli.run(['create', '--json'], plane.url, {cwd: named})).code, 0)
      assert.equal((await cli.run(['create'], plane.url, {cwd: cli.project('by-folder', {})})).stdout, 'by-folder\n')
      assert.deepEqual(
        plane.of('createFormation').map(call => call.body.name),
        ['shop', 'by-folder'],
      )
      const bad = await cli.run(['create'], plane.url, {cwd: cli.project('Not_A_Name', {})})
      assert.equal(bad.code, 2)
      assert.match(bad.stderr, /“Not_A_Name” can not be a formation's name/)
    })

    it('ends with 5 when the name is taken, and remembers nothing', async () => {
      plane.answers.createFormation = () => {
        throw new GilliamError('already_exists', 'There is a formation “crm” already.')
      }
      const cwd = cli.project('taken', {})
      const {code, stderr} = await cli.run(['create', 'crm'], plane.url, {cwd})
      assert.equal(code, 5)
      assert.match(stderr, /^gilliam: There is a formation “crm” already\.\nTo work with it, add -f crm/)
      assert.equal(existsSync(join(cwd, '.gilliam')), false)
    })
  })

  it('ps: a table, and JSON items with every key', async () => {
    plane.answers.listInstances = () => ({
      items: [
        instance({
          service: 'web',
          id: 'bbbbbbbbbb',
          state: 'pending',
          executor: undefined,
          address: undefined,
          reason: 'no executor fits',
          createdAt: Date.now(),
        }),
        instance({restarts: 2, createdAt: Date.now() - 7_300_000}),
      ],
    })
    const {code, stdout} = await inCrm('ps')
    assert.equal(code, 0)
    assert.equal(
      stdout,
      [
        'NAME              RELEASE  STATE    EXECUTOR  ADDRESS          RESTARTS  AGE  REASON',
        'users.aaaaaaaaaa        3  running  local     127.0.0.1:20001         2  2h',
        'web.bbbbbbbbbb          3  pending                                    0  0s   no executor fits',
        '',
      ].join('\n'),
    )
    const [first, second] = items((await inCrm('ps', '-a', '--json')).stdout)
    assert.deepEqual(Object.keys(first ?? {}), Object.keys(second ?? {}))
    assert.deepEqual([second?.name, second?.executor, second?.reason], ['web.bbbbbbbbbb', null, 'no executor fits'])
    assert.deepEqual(
      plane.of('listInstances').map(call => call.query),
      [{}, {all: 'true'}],
    )
  })

  it('ps: nothing a server says can move the cursor or add a line', async () => {
    plane.answers.listInstances = () => ({items: [instance({reason: 'a\u001b[2J\u001b]0;x\u0007\nb\u202e\u009b'})]})
    const {stdout} = await inCrm('ps')
    assert.match(stdout, /a\\x1b\[2J\\x1b\]0;x\\x07\\x0ab\\u\{202e\}\\x9b\n$/)
    assert.equal(stdout.split('\n').length, 3)
  })

  it('releases and release show', async () => {
    plane.answers.listReleases = () => ({
      items: [{release: 2, message: 'second', author: 'Ada <ada@example.com>', createdAt: Date.now() - 90_000, services: ['users', 'web']}],
    })
    plane.answers.getRollout = () => {
      throw new GilliamError('not_found', 'never')
    }
    const counts = {desired: 2, waiting: 0, failed: 0}
    plane.answers.getScale = () => ({
      items: [
        {release: 2, service: 'users', running: 2, ...counts},
        {release: 2, service: 'web', running: 1, ...counts},
        {release: 1, service: 'web', running: 7, ...counts},
      ],
    })
    assert.equal(
      (await inCrm('releases')).stdout,
      'RELEASE  RUNNING  CREATED  AUTHOR  MESSAGE  SERVICES\n      2        3  1m ago   Ada     second   users web\n',
    )
    plane.answers.getRelease = () => release({author: 'Ada', env: {A: '1'}, slug: {sha256: 'a'.repeat(64), bytes: 5}})
    assert.equal(
      (await inCrm('release', 'show', '3')).stdout,
      [
        'release:   3',
        'formation: crm',
        'created:   2023-11-14T22:13:20Z',
        'author:    Ada',
        `slug:      sha256 ${'a'.repeat(64)} (5 bytes)`,
        'env:       A',
        'rollout:   none',
        '',
        'SERVICE  KIND     PORTS  SCALE  CPU  MEMORY  RUNS',
        'users    process  80         2  0.1  64Mi    node users.js',
        'web      process  80         1  0.1  64Mi    node users.js',
        '',
      ].join('\n'),
    )
    assert.equal((await inCrm('release', 'show', 'x')).code, 2)
  })

  it('env: shows, sets and unsets by scope, one release for all scopes', async () => {
    plane.answers.getEnv = () => ({release: 3, env: {A: '1'}, services: {users: {B: 'two words'}, web: {B: 'x'}}})
    plane.answers.changeEnv = () => release({release: 3 + plane.of('changeEnv').length})
    plane.answers.getScale = () => ({items: []})
    assert.equal((await inCrm('env')).stdout, 'A=1\nusers:B=two words\nweb:B=x\n')
    const set = await inCrm('env', 'set', 'A=1=2', 'users:B=', 'users:C=x', '-m', 'why', '--author', 'me')
    assert.deepEqual([set.code, set.stdout], [0, 'release 4\n'])
    assert.match(set.stderr, /Nothing was restarted/)
    const unset = await inCrm('env', 'unset', 'A', 'web:B', '--author', 'me', '--json', '--no-rollout')
    assert.equal((JSON.parse(unset.stdout) as {release: number}).release, 5)
    assert.deepEqual(
      plane.of('changeEnv').map(call => call.body),
      [
        {set: {A: '1=2'}, services: {users: {set: {B: '', C: 'x'}}}, message: 'why', author: 'me'},
        {unset: ['A'], services: {web: {unset: ['B']}}, message: 'Unset A, web:B', author: 'me'},
      ],
    )
    assert.ok(plane.of('changeEnv').every(call => call.headers['idempotency-key'] !== undefined))
    assert.equal((await inCrm('env', 'set', 'A')).code, 2)
    assert.equal((await inCrm('env', 'set', '1A=x')).code, 2)
    assert.equal((await inCrm('env', 'set', 'constructor:A=x')).code, 4)
    const typo = await inCrm('env', 'set', 'usres:A=x')
    assert.deepEqual([typo.code, typo.stderr], [4, 'gilliam: Release 3 of crm has no service “usres”. Did you mean “users”?\n'])
    const strange = await inCrm('env', 'set', 'other:A=x')
    assert.match(strange.stderr, /Its services: users, web\.\n$/)
  })

  it('env: makes no release when nothing would change, unless the last one still has to be brought up', async () => {
    plane.answers.getEnv = () => ({release: 3, env: {GREETING: 'hi'}, services: {users: {B: '2'}}})
    plane.answers.getRollout = () => rollout({state: 'finished'})
    plane.answers.changeEnv = () => release({release: 4})
    const same = await inCrm('env', 'set', 'GREETING=hi', 'users:B=2')
    assert.deepEqual([same.code, same.stdout], [0, 'release 3\n'])
    assert.match(same.stderr, /Nothing to change: release 3 of crm has these values already/)
    const typo = await inCrm('env', 'unset', 'GRETING')
    assert.deepEqual([typo.code, typo.stderr], [4, 'gilliam: Release 3 of crm has no variable GRETING. Did you mean GREETING?\n'])
    const reserved = await inCrm('env', 'set', 'users:PORT=80')
    assert.deepEqual([reserved.code, /^gilliam: PORT is set by Gilliam/.test(reserved.stderr)], [2, true])
    assert.equal(plane.of('changeEnv').length, 0)
    plane.answers.getRollout = () => rollout({state: 'failed'})
    assert.equal((await inCrm('env', 'set', 'GREETING=hi', '--no-rollout')).stdout, 'release 4\n')
    assert.equal(plane.of('changeEnv')[0]?.body.message, 'Set GREETING')
  })

  it('formations: lists those of the stage', async () => {
    plane.answers.listFormations = () => ({items: [{...formation('crm'), createdAt: Date.now() - 5_000}]})
    assert.equal((await run('formations')).stdout, 'NAME  STATE   LATEST RELEASE  AGE\ncrm   active               3  5s\n')
    assert.deepEqual(items((await run('formations', '--json')).stdout)[0]?.name, 'crm')
  })

  it('tells what was probably meant by a name that does not exist, or where to look', async () => {
    const missing = (what: string) => () => {
      throw new GilliamError('not_found', `There is no ${what}.`)
    }
    plane.answers.listFormations = () => ({items: [formation('gilliam'), formation('crm'), formation('shop')]})
    plane.answers.listInstances = missing('formation “crn”; create it first (or `gilliam create crn`)')
    const near = await run('ps', '-f', 'crn')
    assert.equal(near.code, 4)
    assert.match(near.stderr, /^gilliam: There is no formation “crn”.*\nDid you mean the formation “crm”\?\n$/)
    plane.answers.listInstances = missing('formation “payments”')
    assert.match((await run('ps', '-f', 'payments')).stderr, /\n`gilliam formations` lists what there is\.\n$/)
    plane.answers.deleteRoute = missing('route “usr”')
    plane.answers.listRoutes = () => ({items: [{name: 'user', domain: '*', path: '/', target: 'users.crm.service/'}]})
    assert.match((await run('route', 'rm', 'usr')).stderr, /Did you mean the route “user”\?/)
    plane.answers.stopInstance = missing('instance “aaaaaaaaab” in formation “crm”')
    plane.answers.listInstances = () => ({items: [instance()]})
    assert.match((await inCrm('stop', 'users.aaaaaaaaab')).stderr, /Did you mean the instance “aaaaaaaaaa”\?/)
    plane.answers.listInstances = missing('thing')
    assert.equal((await inCrm('stop', 'users.aaaaaaaaab')).stderr, 'gilliam: There is no instance “aaaaaaaaab” in formation “crm”.\n')
    const service = await inCrm('stop', 'users')
    assert.deepEqual([service.code, /“users” is a service.* `gilliam scale users=0` stops all of it/.test(service.stderr)], [4, true])
    const form = await inCrm('stop', 'a.b.c')
    assert.deepEqual([form.code, /“a\.b\.c” is not an instance: SERVICE\.ID/.test(form.stderr)], [2, true])
    plane.answers.explain = () => {
      throw new GilliamError('not_found', 'no service “usrs”')
    }
    const explained = await inCrm('explain', 'usrs')
    assert.deepEqual([explained.code, explained.stderr], [4, 'gilliam: Release 3 of crm has no service “usrs”. Did you mean “users”?\n'])
  })

  it('scale: shows, sets without waiting, and waits until exactly that many run', async () => {
    const scales = {items: [{release: 3, service: 'users', desired: 2, running: 1, waiting: 1, failed: 0}]}
    plane.answers.getScale = () => scales
    plane.answers.setScale = () => scales
    let looks = 0
    plane.answers.listInstances = () => {
      looks += 1
      const second = instance({id: 'bbbbbbbbbb', state: looks > 1 ? 'running' : 'starting'})
      return {items: [instance(), second, instance({id: 'cccccccccc', state: 'failed', endedAt: at})]}
    }
    assert.equal(
      (await inCrm('scale')).stdout,
      'RELEASE  SERVICE  DESIRED  RUNNING  WAITING  FAILED\n      3  users          2        1        1       0\n',
    )
    assert.equal((await inCrm('scale', 'users=2', '--no-wait', '-r', '3')).code, 0)
    const waited = await inCrm('scale', 'users=2')
    assert.equal(waited.code, 0)
    assert.match(
      waited.stderr,
      /users\.bbbbbbbbbb {2}starting on local\n[\s\S]*users\.bbbbbbbbbb {2}running {2}on local 127\.0\.0\.1:20001\nDone in /,
    )
    assert.deepEqual(
      plane.of('setScale').map(call => call.body),
      [{services: {users: 2}, release: 3}, {services: {users: 2}}],
    )
    assert.equal((await inCrm('scale', 'users')).code, 2)
    assert.equal((await inCrm('scale', 'users=-1')).code, 2)
    assert.equal((await inCrm('scale', 'usr=1')).code, 4)
  })

  it('spawn: sends its own placement rules and ports', async () => {
    plane.answers.spawnInstance = () => instance({origin: 'spawn', state: 'pending', executor: undefined})
    const flags = ['--require', 'executor.zone == "a"', '--require', 'true', '--rank', '1', '--assigned-to', 'local']
    const {code, stdout} = await inCrm('spawn', 'users', ...flags, '-p', '9000', '-p', '8080:80', '-r', '3')
    assert.deepEqual([code, stdout], [0, 'users.aaaaaaaaaa\n'])
    assert.deepEqual(plane.of('spawnInstance')[0]?.body, {
      service: 'users',
      release: 3,
      requirements: ['executor.zone == "a"', 'true'],
      rank: '1',
      executor: 'local',
      ports: [{port: 9_000}, {port: 80, hostPort: 8_080}],
    })
    assert.equal((await inCrm('spawn', 'users', '-p', '70000')).code, 2)
  })

  it('spawn --wait ends with 1 and the last lines when it fails', async () => {
    plane.answers.spawnInstance = () => instance({origin: 'spawn', state: 'pending', executor: undefined})
    plane.answers.getInstance = () => instance({origin: 'spawn', state: 'failed', exitCode: 7, reason: 'did not start', endedAt: at})
    plane.answers.getLogs = () => ({
      items: [{service: 'users', id: 'aaaaaaaaaa', at, stream: 'stderr', text: 'no disk\u001b[1m'}],
      cursor: 'c',
    })
    const {code, stderr} = await inCrm('spawn', 'users', '--wait')
    assert.equal(code, 1)
    assert.match(stderr, /users\.aaaaaaaaaa failed: did not start \(exit code 7\)\n {4}\| no disk\n/)
  })

  it('stop: by name or id', async () => {
    plane.answers.stopInstance = () => instance({state: 'stopping'})
    const {stderr} = await inCrm('stop', 'users.aaaaaaaaaa')
    assert.match(stderr, /users\.aaaaaaaaaa is stopping\. Scale asks for it, so another one takes its place\./)
    await inCrm('stop', 'aaaaaaaaaa')
    assert.deepEqual(
      plane.of('stopInstance').map(call => call.params.instance),
      ['aaaaaaaaaa', 'aaaaaaaaaa'],
    )
  })

  it('explain: refusals and the smallest change', async () => {
    plane.answers.explain = () => ({
      target: 'users',
      release: 3,
      requirements: ['"gpu" in executor.tags'],
      rank: '-executor.instances',
      resources: {cpuMilli: 500, memoryMib: 256},
      candidates: [],
      refusals: [{executor: 'local', reasons: ['requirement does not hold: "gpu" in executor.tags'], change: 'tag it gpu'}],
      change: 'tag local gpu',
    })
    assert.equal(
      (await inCrm('explain', 'users', '-r', '3')).stdout,
      [
        'users of release 3',
        'needs      0.5 cpu, 256Mi memory',
        'requires   "gpu" in executor.tags',
        'rank       -executor.instances',
        '',
        'No executor fits now.',
        '',
        'NOT ON  BECAUSE                                            WOULD FIT WITH',
        'local   requirement does not hold: "gpu" in executor.tags  tag it gpu',
        '',
        'Smallest change: tag local gpu',
        '',
      ].join('\n'),
    )
    assert.deepEqual(plane.of('explain')[0]?.query, {release: '3'})
  })

  it('logs: filters, prints raw text where there is no terminal, and follows by cursor until Ctrl-C', async () => {
    const line = (text: string) => ({service: 'users', id: 'aaaaaaaaaa', at, stream: 'stdout' as const, text})
    plane.answers.getLogs = call => ({
      items: call.query.cursor === 'c2' ? [] : [line(`\u001b[31mafter ${call.query.cursor}`)],
      cursor: call.query.cursor ? 'c2' : 'c1',
    })
    const once = await inCrmLogs('--service', 'users', '--instance', 'users.aaaaaaaaaa', '--since', '10m', '-n', '5')
    assert.equal(once.stdout, '22:13:20.000 users.aaaaaaaaaa | \u001b[31mafter undefined\n')
    const query = plane.of('getLogs')[0]?.query ?? {}
    assert.deepEqual({...query, since: ''}, {service: 'users', instance: 'aaaaaaaaaa', since: '', limit: '5'})
    assert.ok(Math.abs(Number(query.since) - (Date.now() - 600_000)) < 60_000)
    const followed = await cli.run(['logs', '-f', '--formation', 'crm', '--json'], plane.url, {interruptAt: /after c1/})
    assert.equal(followed.code, 0)
    assert.deepEqual(
      followed.stdout
        .trim()
        .split('\n')
        .map(text => (JSON.parse(text) as {text: string}).text),
      ['\u001b[31mafter undefined', '\u001b[31mafter c1'],
    )
    plane.answers.getLogs = () => ({items: [], cursor: 'c'})
    assert.deepEqual(items((await inCrmLogs('--json')).stdout), [])
    assert.equal((await inCrmLogs('--service', 'usrs')).code, 4)
    assert.equal((await inCrmLogs('--since', '10')).code, 2)
    assert.equal((await inCrmLogs('-n', '5000')).code, 2)
  })
  const inCrmLogs = (...args: string[]) => run('logs', '--formation', 'crm', ...args)

  it('destroy: asks only where somebody can answer, waits until it is gone, forgets it', async () => {
    let looks = 0
    plane.answers.getFormation = () => {
      looks += 1
      if (looks > 3) throw new GilliamError('not_found', 'There is no formation “crm”.')
      return formation('crm')
    }
    plane.answers.destroyFormation = () => ({...formation('crm'), state: 'destroying'})
    plane.answers.listInstances = () => ({items: [instance()]})
    const cwd = cli.project('doomed', {'.gilliam/state.json': '{"formation": "crm"}'})
    const refused = await cli.run(['destroy'], plane.url, {cwd})
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /Add --yes/)
    assert.equal(plane.of('destroyFormation').length, 0)
    const done = await cli.run(['destroy', '--yes'], plane.url, {cwd})
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.stderr, /instances left: 1\nDestroyed crm\.\n$/)
    assert.equal(existsSync(join(cwd, '.gilliam')), false)
  })
})
