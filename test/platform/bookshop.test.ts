// The main job, end to end: ./bootstrap, deploy the bookshop with the real CLI, reach it from outside, and change it while it runs.
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {after, before, describe, it} from 'node:test'
import {has} from '#test/examples/neighbours.ts'
import {type Listed, Stage, until} from './stage.ts'

const noPython = has('python3') ? false : 'python3 is not on this machine'
const redis = has('redis-server')
const noRedis = redis ? false : 'redis-server is not on this machine'
const failedDeployMsMax = 60_000

describe('platform: the bookshop', {skip: noPython}, () => {
  const stage = new Stage()
  let shop: string

  /** Parsed body of a GET through the router; asserts a 200. */
  const show = async (path: string): Promise<Record<string, unknown>> => {
    const {status, text} = await stage.route('bookshop.localhost', path)
    assert.equal(status, 200, text)
    return JSON.parse(text) as Record<string, unknown>
  }

  before(async () => {
    await stage.start()
    shop = stage.project('bookshop')
  })
  after(() => stage.close())

  it('runs router and proxy as instances of the formation gilliam', async () => {
    const services = (await stage.items<Listed>(['ps', '-f', 'gilliam'])).filter(one => one.state === 'running').map(one => one.service)
    assert.deepEqual(services.sort(), ['proxy', 'router'])
  })

  it('answers a clear 404 before there is a route', async () => {
    const {status, text} = await stage.route('bookshop.localhost', '/user/ada')
    assert.equal(status, 404)
    assert.equal((JSON.parse(text) as {code: string}).code, 'no_route')
  })

  it('deploys with create and deploy, all instances running', async () => {
    await stage.must(['create', 'bookshop'], shop)
    await stage.must(['deploy', '-m', 'first release', ...(redis ? [] : ['--scale', '_cache=0'])], shop)
    const running = (await stage.items<Listed>(['ps'], shop)).filter(one => one.state === 'running')
    const wanted = ['catalog', 'catalog', 'orders', 'recommendations', 'users', 'users', 'web', ...(redis ? ['_cache'] : [])]
    assert.deepEqual(running.map(one => one.service).sort(), wanted.sort())
    for (const one of running) assert.equal(one.release, 1)
  })

  it('rewrites /user/{username} and crosses users, orders and catalog', async () => {
    const user = await until('the route to serve', async () => {
      const {status, text} = await stage.route('bookshop.localhost', '/user/ada')
      return status === 200 && (JSON.parse(text) as Record<string, unknown>)
    })
    assert.deepEqual(user.bought, ['Structure and Interpretation of Computer Programs', 'Dune', 'Emma'])
    assert.equal((await stage.route('bookshop.localhost', '/user/nobody')).status, 404)
  })

  it('serves service addresses, of all instances and of one, through the proxy', async () => {
    const all = await stage.through('http://users.bookshop.service/ada')
    assert.equal(all.status, 200, all.text)
    const [one] = await stage.running('bookshop', 'users')
    const id = one?.name.split('.')[1]
    for (let i = 0; i < 3; i++) {
      const {text} = await stage.through(`http://${id}.users.bookshop.service/ada`)
      assert.equal((JSON.parse(text) as {servedBy: string}).servedBy, one?.name)
    }
    const none = await stage.through('http://nothing.bookshop.service/')
    assert.equal(none.status, 503)
    assert.equal((JSON.parse(none.text) as {code: string}).code, 'no_instance')
  })

  it('keeps recommendations in redis, reached through the proxy', {skip: noRedis}, async () => {
    const ask = async (): Promise<unknown> => {
      const {status, text} = await stage.through('http://recommendations.bookshop.service/grace')
      assert.equal(status, 200, text)
      return (JSON.parse(text) as {cache: string}).cache
    }
    assert.equal(await ask(), 'miss')
    assert.equal(await ask(), 'hit')
  })

  it('recommends without redis', async () => {
    if (redis) await stage.must(['scale', '_cache=0'], shop)
    await until('the cache to be off', async () => {
      const {status, text} = await stage.through('http://recommendations.bookshop.service/linus')
      assert.equal(status, 200, text)
      return /^off: /.test((JSON.parse(text) as {cache: string}).cache)
    })
  })

  it('spreads requests over the instances after scale', async () => {
    await stage.must(['scale', 'users=4'], shop)
    await until('four to run', async () => (await stage.running('bookshop', 'users')).length === 4)
    const seen = new Set<unknown>()
    await until('all four to answer', async () => {
      seen.add((await show('/user/ada')).servedBy)
      return seen.size === 4
    })
    await stage.must(['scale', 'users=2'], shop)
    await until('two to be left', async () => (await stage.running('bookshop', 'users')).length === 2)
  })

  it('replaces an instance that is stopped', async () => {
    const before = await stage.running('bookshop', 'users')
    const gone = before[0]?.name ?? ''
    await stage.must(['stop', gone], shop)
    await until('another in its place', async () => {
      const now = await stage.running('bookshop', 'users')
      return now.length === before.length && now.every(one => one.name !== gone)
    })
    await show('/user/ada')
  })

  it('starts an instance again whose process is killed', async () => {
    const [one] = await stage.running('bookshop', 'orders')
    const name = one?.name ?? ''
    const pids = stage.instancePids('bookshop', name)
    assert.ok(pids.length > 0, 'the instance has a process')
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await until('new processes', async () => stage.instancePids('bookshop', name).some(pid => !pids.includes(pid)))
    await until('it to serve again', async () => (await stage.route('bookshop.localhost', '/user/ada')).status === 200)
  })

  it('changes the environment by a new release', async () => {
    await stage.must(['env', 'set', 'users:GREETING=hello'], shop)
    const releases = await stage.items<{release: number}>(['releases'], shop)
    assert.deepEqual(releases.map(one => one.release).slice(0, 2), [2, 1])
  })

  it('lists the routes of the manifest', async () => {
    const routes = await stage.items<{domain: string; path: string; target: string}>(['routes'], shop)
    const user = routes.find(one => one.path === '/user/{username}')
    assert.equal(user?.domain, 'bookshop.localhost')
    assert.equal(user?.target, 'users.bookshop.service/{username}')
  })

  it('fails a broken release within a minute, says why, and leaves the old one alone', async () => {
    const manifest = readFileSync(`${shop}/gilliam.yml`, 'utf8')
    const broken = stage.project('bookshop', 'bookshop-broken', {
      'gilliam.yml': manifest.replace('exec node users/server.mjs', 'echo the disk is on fire >&2; exit 42'),
    })
    const startedAt = Date.now()
    const {code, stderr, stdout} = await stage.gilliam(['deploy', '-f', 'bookshop', '-m', 'broken'], broken)
    assert.ok(Date.now() - startedAt < failedDeployMsMax, `took ${Date.now() - startedAt} ms`)
    assert.equal(code, 1, stderr + stdout)
    assert.match(stderr, /exit code 42/)
    assert.match(stderr, /the disk is on fire/)
    await show('/user/ada')
  })

  it('destroys the formation with its routes', async () => {
    await stage.must(['destroy', 'bookshop', '--yes'], shop)
    await until(
      'it to be gone',
      async () => !stage.processes().some(one => /bookshop/.test(one.command) && /server\.(?:mjs|py)/.test(one.command)),
    )
    await until('its route to be gone', async () => (await stage.route('bookshop.localhost', '/user/ada')).status === 404)
  })
})
