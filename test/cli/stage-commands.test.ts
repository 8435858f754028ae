// The verbs about routes, executors, the registry and tokens, against a loopback control plane that holds them to the endpoint table.
import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, beforeEach, describe, it} from 'node:test'
import {GilliamError} from '#shared/errors.ts'
import {Cli} from './cli.ts'
import {FakeControlPlane} from './fake-control-plane.ts'
import {at, executor} from './samples.ts'

describe('gilliam', () => {
  let cli: Cli
  let plane: FakeControlPlane
  before(async () => {
    cli = new Cli()
    plane = await new FakeControlPlane().start()
  })
  beforeEach(() => {
    plane.calls.length = 0
    plane.answers = {}
  })
  after(async () => {
    await plane.stop()
    cli.close()
  })
  const run = (...args: string[]) => cli.run(args, plane.url)
  const items = (stdout: string): Record<string, unknown>[] => (JSON.parse(stdout) as {items: Record<string, unknown>[]}).items

  it('route, routes, route rm', async () => {
    const view = {name: 'user', domain: 'crm.example.com', path: '/user/{name}', target: 'users.crm.service/{name}'}
    plane.answers.createRoute = call => ({name: 'user', ...call.body})
    plane.answers.listRoutes = () => ({items: [view]})
    plane.answers.deleteRoute = () => undefined
    const made = await run('route', 'crm.example.com/user/{name}', 'users.crm.service/{name}', '--name', 'user')
    assert.deepEqual([made.code, made.stdout], [0, 'user\n'])
    assert.deepEqual(plane.of('createRoute')[0]?.body, view)
    assert.deepEqual(items((await run('routes', '--json')).stdout), [view])
    assert.equal((await run('route', 'rm', 'user')).code, 0)
    assert.equal(plane.of('deleteRoute')[0]?.params.route, 'user')
    const bad = await run('route', '/user/{name}', 'users.crm.service/{other}')
    assert.equal(bad.code, 2)
    assert.match(bad.stderr, /^gilliam: target: \{other\} is in neither domain nor path/)
    assert.equal((await run('route', '/x')).code, 2)
  })

  it('volumes rm: removes data for good, after asking where somebody can answer', async () => {
    const volume = {formation: 'crm', service: '_db', id: 'aaaaaaaaaa', executor: 'one', createdAt: at}
    plane.answers.listVolumes = () => ({items: [volume]})
    plane.answers.releaseVolume = () => undefined
    const refused = await run('volumes', 'rm', '_db', '-f', 'crm')
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /can not be undone\. Add --yes/)
    assert.equal(plane.of('releaseVolume').length, 0)
    const done = await run('volumes', 'rm', '_db', '-f', 'crm', '--yes')
    assert.equal(done.code, 0)
    assert.match(done.stderr, /one removes its data/)
    const [call] = plane.of('releaseVolume')
    assert.deepEqual([call?.params, call?.query], [{formation: 'crm', service: '_db'}, {data: 'remove'}])
    plane.answers.listVolumes = () => ({items: [{...volume, removal: {state: 'failed', text: 'it holds folders of another user'}}]})
    assert.match((await run('volumes', '-f', 'crm')).stdout, /failed: it holds folders of another user/)
  })

  it('resolve: the instances behind an address', async () => {
    plane.answers.getRegistry = () => ({
      'users.aaaaaaaaaa': {host: '127.0.0.1', port: 20_001, ports: {80: 20_001}, release: 3, executor: 'local'},
      'users.out-1': {host: '10.0.0.7'},
      'web.bbbbbbbbbb': {host: '127.0.0.1', port: 20_002},
    })
    assert.equal(
      (await run('resolve', 'http://users.crm.service:80/x')).stdout,
      [
        'NAME              HOST       PORT   PORTS     RELEASE  EXECUTOR',
        'users.aaaaaaaaaa  127.0.0.1  20001  80→20001  3        local',
        'users.out-1       10.0.0.7',
        '',
      ].join('\n'),
    )
    assert.equal(items((await run('resolve', 'out-1.users.crm.service', '--json')).stdout).length, 1)
    assert.equal(items((await run('resolve', 'web', '--json', '-f', 'crm')).stdout).length, 1)
    assert.equal((await run('resolve', 'nothing.crm.service')).code, 4)
    assert.equal((await run('resolve', 'example.com')).code, 2)
  })

  it('executors and executor drain, which waits until it is empty', async () => {
    let left = 2
    plane.answers.listExecutors = () => ({items: [executor({joinedAt: Date.now() - 3_000})]})
    plane.answers.drainExecutor = call => executor({state: call.body.undo ? 'ready' : 'draining', instances: left})
    plane.answers.getExecutor = () => executor({state: --left > 0 ? 'draining' : 'drained', instances: left, drainBy: Date.now() - 1})
    const still = {formation: 'crm', name: 'users.u1', release: 1, origin: 'spawn' as const, state: 'running', reason: 'it was spawned'}
    plane.answers.listExecutorInstances = () => ({items: [still]})
    assert.match(
      (await run('executors')).stdout,
      /\nlocal {2}ready {2}127\.0\.0\.1 {2}default {2}process {11}5 {2}0\.5\/4 {2}640\/8192Mi {2}ssd {3}3s\n$/,
    )
    const drained = await run('executor', 'drain', 'local')
    assert.equal(drained.code, 0)
    assert.match(
      drained.stderr,
      /^The deadline has passed; what is left is stopped: users\.u1\.\nlocal drains: 1 on it\n {2}users\.u1 of crm: it was spawned\nlocal is drained; instances on it: 0\.\n$/,
    )
    assert.equal((await run('executor', 'drain', 'local', '--undo')).code, 0)
    assert.deepEqual(
      plane.of('drainExecutor').map(call => call.body.undo),
      [false, true],
    )
    assert.equal((await run('executor', 'drain', 'local', '--deadline', '10m', '--no-wait')).code, 0)
    assert.equal(plane.of('drainExecutor').at(-1)?.body.deadlineMs, 600_000)
    assert.equal((await run('executor', 'drain', 'local', '--deadline', '10')).code, 2)
    assert.equal((await run('executor', 'drain', 'local', '--deadline', '10m', '--undo')).code, 2)
  })

  it('rebalance: shows the plan, and with --yes takes steps until all have arrived', async () => {
    const planned = [
      {name: 'users.u1', release: 1, from: 'a', to: 'b', gain: 2, started: false},
      {name: 'web.w1', release: 1, from: 'a', to: 'b', started: false},
    ]
    let [left, moving] = [planned, 0]
    plane.answers.rebalance = call => {
      if (call.body.plan === true && left.length === planned.length) return {items: left, moving}
      const [first, ...rest] = left
      left = rest
      moving = left.length
      return {items: first === undefined ? [] : [{...first, started: true}, ...rest], moving}
    }
    const shown = await run('rebalance', '--plan', '-f', 'crm')
    assert.match(shown.stdout, /users\.u1 +1 +a +b +rank higher by 2\n.*web\.w1 +1 +a +b +its requirements do not hold where it is\n$/)
    assert.equal((await run('rebalance', '-f', 'crm')).code, 2, 'nobody to ask')
    assert.equal(left.length, 2)
    const done = await run('rebalance', '--yes', '-f', 'crm')
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.stderr, /users\.u1: a → b\n[\s\S]*web\.w1: a → b\n[\s\S]*Rebalanced 2 instances\.\n$/)
    left = []
    assert.equal((await run('rebalance', '-f', 'crm')).stdout, 'Nothing would be better off elsewhere.\n')
  })

  it('executor cordon and uncordon', async () => {
    plane.answers.cordonExecutor = call => executor({state: call.body.undo ? 'ready' : 'cordoned', instances: 3})
    assert.equal((await run('executor', 'cordon', 'local')).stderr, 'local is cordoned; instances on it: 3.\n')
    assert.equal((await run('executor', 'uncordon', 'local')).stderr, 'local is ready; instances on it: 3.\n')
  })

  it('agent upgrade and agent versions', async () => {
    const sha256 = 'b'.repeat(64)
    const ring = {ring: 'canary', since: at, bundle: {sha256, bytes: 10}, former: {}, updatedBy: 'me'}
    plane.answers.upgradeAgents = ({body, params}) => ({
      ...ring,
      ring: params.ring ?? '',
      bundle: {sha256: body.sha256 ?? sha256, bytes: 10},
    })
    plane.answers.createArtifact = ({body}) => ({...body, stored: true})
    const bundle = join(cli.folder, 'agent.mjs')
    writeFileSync(bundle, 'an agent')
    const made = await run('agent', 'upgrade', '--ring', 'canary', '--bundle', bundle)
    const own = createHash('sha256').update('an agent').digest('hex')
    assert.deepEqual([made.code, made.stdout], [0, `${own.slice(0, 12)}\n`], made.stderr)
    assert.deepEqual(plane.of('createArtifact')[0]?.body, {sha256: own, bytes: 8})
    assert.deepEqual(plane.of('upgradeAgents')[0]?.body, {sha256: own})
    assert.equal((await run('agent', 'upgrade', '--ring', 'canary', '--undo')).code, 0)
    assert.deepEqual(plane.of('upgradeAgents')[1]?.body, {undo: true})
    assert.equal((await run('agent', 'upgrade', '--ring', 'canary', '--undo', '--bundle', bundle)).code, 2)
    assert.equal((await run('agent', 'upgrade', '--ring', 'canary', '--bundle', '/nowhere')).code, 4)
    const agent = {version: 'a'.repeat(64), ring: 'canary', installed: true, launched: true}
    const refused = {...agent, refused: {since: at, why: 'it does not start'}}
    const agents = {
      one: {...agent, version: sha256},
      two: agent,
      three: refused,
      four: {...agent, launched: false},
      five: {...agent, ring: 'default'},
    }
    const rows = Object.entries(agents).map(([id, each]) => executor({id, agent: each}))
    plane.answers.listExecutors = () => ({items: [...rows, executor({id: 'six'})]})
    plane.answers.listAgentRings = () => ({items: [ring]})
    assert.equal(
      (await run('agent', 'versions')).stdout,
      [
        'EXECUTOR  RING     VERSION       WANTED        STATE',
        'one       canary   bbbbbbbbbbbb  bbbbbbbbbbbb  current',
        'two       canary   aaaaaaaaaaaa  bbbbbbbbbbbb  upgrading',
        'three     canary   aaaaaaaaaaaa  bbbbbbbbbbbb  refused: it does not start',
        'four      canary   aaaaaaaaaaaa  bbbbbbbbbbbb  by hand',
        'five      default  aaaaaaaaaaaa                current',
        'six                                            unknown',
        '',
      ].join('\n'),
    )
    assert.equal(items((await run('agent', 'versions', '--json')).stdout)[2]?.why, 'it does not start')
  })

  it('executor rm: forgets one that is lost; one that is alive ends it with 5 and what to do', async () => {
    plane.answers.forgetExecutor = () => undefined
    const gone = await run('executor', 'rm', 'local-2')
    assert.deepEqual([gone.code, gone.stdout, gone.stderr], [0, '', 'Forgot executor local-2 and revoked its token.\n'])
    assert.equal(plane.of('forgetExecutor')[0]?.params.executor, 'local-2')
    plane.answers.forgetExecutor = () => {
      throw new GilliamError('conflict', 'Executor “local” is alive: drain it and stop its agent.')
    }
    const alive = await run('executor', 'rm', 'local')
    assert.deepEqual([alive.code, alive.stderr], [5, 'gilliam: Executor “local” is alive: drain it and stop its agent.\n'])
    assert.equal((await run('executor', 'rm')).code, 2)
  })

  it('registry, registry announce, registry withdraw', async () => {
    plane.answers.getRegistry = () => ({'pay.vendor-1': {port: 8_080, host: '10.0.0.7'}})
    plane.answers.announce = call => call.body
    plane.answers.withdraw = () => undefined
    assert.equal((await run('registry', 'crm')).stdout, 'NAME          DATA\npay.vendor-1  {"host":"10.0.0.7","port":8080}\n')
    assert.equal((await run('registry', 'announce', 'crm', 'pay.vendor-1', '--json-data', '{"host": "10.0.0.7"}', '--ttl', '60')).code, 0)
    assert.equal((await run('registry', 'withdraw', 'crm', 'pay.vendor-1')).code, 0)
    const [announced] = plane.of('announce')
    assert.deepEqual([announced?.body, announced?.query], [{host: '10.0.0.7'}, {ttl: '60'}])
    for (const data of ['[]', '1', '{'])
      assert.equal((await run('registry', 'announce', 'crm', 'pay.a', '--json-data', data)).code, 2, data)
    assert.equal((await run('registry', 'announce', 'crm', 'pay', '--json-data', '{}')).code, 2)
  })

  it('audit: newest first, with what differs; as NDJSON page by page', async () => {
    const entry = (id: string) => ({
      id,
      at,
      who: {name: 'ci', scope: 'user' as const, token: '0123456789abcdef'},
      action: 'scale.set',
      formation: 'crm',
      what: 'release 1',
      from: {web: 1, api: 2, old: 1},
      to: {web: 3, api: 2},
      requestId: 'r',
    })
    const cursor = `${'0'.repeat(15)}#${'a'.repeat(16)}`
    plane.answers.getAudit = ({query}) => (query?.cursor === cursor ? {items: [entry('2')]} : {items: [entry('1')], cursor})
    const {stdout} = await run('audit', '-f', 'crm', '--since', '1d', '--json')
    assert.deepEqual(
      stdout.split('\n').map(line => (line === '' ? '' : (JSON.parse(line) as {id: string}).id)),
      ['1', '2', ''],
    )
    assert.equal(plane.of('getAudit')[0]?.query?.formation, 'crm')
    const shown = await run('audit', '-n', '1')
    assert.match(shown.stdout, /2023-11-14T22:13:20Z {2}ci {3}scale\.set {2}crm release 1 {2}web: 1 → 3, old: 1 → gone\n$/)
    assert.equal(plane.of('getAudit').length, 3)
    assert.equal((await run('audit', '--since', 'yesterday')).code, 2)
  })

  it('token create, list and revoke', async () => {
    const made = {
      id: '0123456789abcdef',
      name: 'ci',
      scope: 'registry' as const,
      formations: ['crm'],
      createdAt: at,
      expiresAt: at + 7_200_000,
    }
    plane.answers.createToken = () => ({...made, token: 'gil_registry_secret'})
    plane.answers.listTokens = () => ({items: [made]})
    plane.answers.revokeToken = () => undefined
    assert.equal((await run('token', 'create', 'ci', '--scope', 'registry', '--ttl', '2h', '-f', 'crm')).stdout, 'gil_registry_secret\n')
    assert.deepEqual(plane.of('createToken')[0]?.body, {name: 'ci', scope: 'registry', formations: ['crm'], ttlSeconds: 7_200})
    assert.match(
      (await run('token', 'list')).stdout,
      /\n0123456789abcdef {2}ci {4}registry {2}crm {7}2023-11-14T22:13:20Z {2}2023-11-15T00:13:20Z {2}never\n$/,
    )
    assert.equal((await run('token', 'revoke', '0123456789abcdef')).code, 0)
    await run('token', 'create', 'ci', '--allow', 'deploy, scale', '-f', 'crm,shop')
    const rights = {scope: 'user', verbs: ['deploy', 'scale'], formations: ['crm', 'shop']}
    assert.deepEqual(plane.of('createToken')[1]?.body, {name: 'ci', ...rights})
    for (const wrong of [['--scope', 'root'], ['--allow', 'deplo'], ['--scope', 'join', '--allow', 'read'], ['--scope', 'user'], []])
      assert.equal((await run('token', 'create', 'ci', ...wrong)).code, 2)
    assert.match((await run('token', 'create', 'ci', '--allow', 'deplo')).stderr, /Did you mean “deploy”/)
  })
})
