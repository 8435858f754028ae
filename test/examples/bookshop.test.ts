// examples/bookshop without the platform: the services as plain processes behind a stand-in proxy, so that a fault of theirs is not taken for one of ours.
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {after, before, describe, it} from 'node:test'
import {fileURLToPath} from 'node:url'
import {parse} from 'yaml'
import {freePort, has, type Program, type StandInProxy, start, startProxy, stop} from './neighbours.ts'

const folder = fileURLToPath(new URL('../../examples/bookshop', import.meta.url))
const {processes} = parse(readFileSync(`${folder}/gilliam.yml`, 'utf8')) as {processes: Record<string, {script: string}>}

const noPython = has('python3') ? false : 'python3 is not on this machine'
const noRedis = noPython || (has('redis-server') ? false : 'redis-server is not on this machine')

describe('bookshop', {skip: noPython}, () => {
  const ports = new Map<string, number>()
  const programs = new Map<string, Program>()
  let proxy: StandInProxy

  const get = async (service: string, path: string): Promise<{status: number; body: Record<string, unknown>}> => {
    const response = await fetch(`http://127.0.0.1:${programs.get(service)?.port}${path}`)
    return {status: response.status, body: (await response.json()) as Record<string, unknown>}
  }

  before(async () => {
    proxy = await startProxy(ports)
    const env = {HTTP_PROXY: proxy.url, http_proxy: proxy.url, NO_PROXY: 'localhost,127.0.0.1', NODE_USE_ENV_PROXY: '1'}
    const startOne = async ([service, {script}]: [string, {script: string}]): Promise<void> => {
      const program = await start(script, folder, await freePort(), {...env, GILLIAM_FORMATION: 'bookshop', GILLIAM_SERVICE: service})
      programs.set(service, program)
      ports.set(`${service}.bookshop.service`, program.port)
    }
    await Promise.all(Object.entries(processes).map(startOne))
  })

  after(async () => {
    await Promise.all([...programs.values()].map(stop))
    proxy?.close()
  })

  it('answers health checks in every service', async () => {
    for (const service of programs.keys()) assert.equal((await get(service, '/healthz')).status, 200, service)
  })

  it('crosses three services through the proxy to show a user', async () => {
    const {status, body} = await get('users', '/ada')
    assert.equal(status, 200)
    assert.deepEqual(body.bought, ['Structure and Interpretation of Computer Programs', 'Dune', 'Emma'])
    assert.equal(body.spent, 59)
  })

  it('answers 404 with a reason for what does not exist', async () => {
    assert.match(String((await get('users', '/nobody')).body.error), /no user called nobody/)
    assert.equal((await get('recommendations', '/nobody')).status, 404)
    assert.equal((await get('catalog', '/books/none')).status, 404)
  })

  it('recommends without redis, and says that the cache is off', async () => {
    const {status, body} = await get('recommendations', '/ada')
    assert.equal(status, 200)
    assert.match(String(body.cache), /^off: the proxy answered 503 for _cache\.bookshop\.service:6379$/)
  })

  it('keeps recommendations in redis, reached by CONNECT, and survives its loss', {skip: noRedis}, async () => {
    const port = await freePort()
    const redis = await start('exec redis-server --bind 127.0.0.1 --port "$PORT" --save ""', folder, port, {})
    try {
      ports.set('_cache.bookshop.service', port)
      assert.equal((await get('recommendations', '/grace')).body.cache, 'miss')
      const again = await get('recommendations', '/grace')
      assert.equal(again.body.cache, 'hit')
      assert.deepEqual(again.body.books, ['Structure and Interpretation of Computer Programs', 'Dune', 'Solaris'])
    } finally {
      await stop(redis)
    }
    assert.match(String((await get('recommendations', '/grace')).body.cache), /^off: /)
  })

  it('serves the front page as HTML', async () => {
    const page = await (await fetch(`http://127.0.0.1:${programs.get('web')?.port}/for/ada`)).text()
    assert.match(page, /Hello, Ada Lovelace/)
  })

  it('ends with exit code 0 on SIGTERM and says what it can not reach meanwhile', async () => {
    for (const service of ['catalog', 'orders']) assert.equal(await stop(programs.get(service) as Program), 0, service)
    const {status, body} = await get('users', '/ada')
    assert.equal(status, 502)
    assert.match(String(body.error), /orders/)
    for (const service of ['users', 'web', 'recommendations']) assert.equal(await stop(programs.get(service) as Program), 0, service)
  })
})
