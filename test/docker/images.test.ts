// Images of containers: pulled from a registry with credentials, once for all, the same for a whole release, with progress told; and how not having them is told.
import assert from 'node:assert/strict'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {Images} from '#agent/runtime/docker/images.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {machine, temporaryFolder} from '#test/agent/fixtures.ts'
import {until} from '#test/agent/wait.ts'
import {engineMissing, networkName, useEngine} from './engine.ts'
import {imageAssignment, imageRunBy, page} from './fixtures.ts'
import {Registry} from './registry.ts'

const skip = engineMissing()

describe('images', {skip, concurrency: 1}, () => {
  const engine = useEngine()
  let registry: Registry
  before(async () => {
    registry = await Registry.start()
  })
  after(() => registry.close())
  const network = networkName()

  const environment = {
    GILLIAM_RUNTIMES: 'docker',
    GILLIAM_DOCKER_SOCKET: engine.socketPath,
    GILLIAM_DOCKER_NETWORK: network,
  }
  const web = (id: string, image: string, change: Partial<Assignment> = {}) => imageAssignment(id, `${registry.host}/${image}`, change)
  const imageOf = (id: string) => imageRunBy(engine, id)

  it('an instance of an image is pulled with credentials, tells how far it is, serves on the executor, and is removed after its end', async t => {
    const here = await machine(t)
    await registry.add('shop/web', '1', page('hello from a container'))
    registry.account = 'ci:a very secret password'
    registry.scheme = 'bearer'
    t.after(() => {
      registry.account = undefined
    })
    const {promise: held, resolve: release} = Promise.withResolvers<void>()
    registry.held = held
    t.after(() => {
      registry.held = undefined
      release()
    })
    const credentials = join(here.home, 'registries.json')
    writeFileSync(credentials, JSON.stringify({auths: {[registry.host]: {auth: Buffer.from(registry.account).toString('base64')}}}))
    await here.start({...environment, GILLIAM_REGISTRY_CREDENTIALS: credentials})
    here.plane.assign(web('i1', 'shop/web:1'))
    const pulling = await here.plane.reported('i1', report => /^pulling \d+ [kM]B of \d+ [kM]B$/.test(report.reason ?? ''))
    assert.equal(pulling.state, 'starting')
    registry.held = undefined
    release()
    const running = await here.plane.reported('i1', report => report.state === 'running')
    assert.equal(running.reason, undefined)
    assert.equal(running.announced, true)
    const answer = await fetch(`http://${running.address?.host}:${running.address?.ports[80]}/`)
    assert.equal(await answer.text(), 'hello from a container')
    await until(() => here.plane.logs.some(line => line.text === 'serving' && line.stream === 'stdout'))
    assert.ok(!here.output().includes('secret password'), 'nothing logs it')
    here.plane.assign({...web('i1', 'shop/web:1'), stop: true})
    await here.plane.reported('i1', report => report.state === 'stopped')
    await until(async () => (await imageOf('i1')) === '')
  })

  it('an image that does not exist, or is not ours, fails at once and says what to do', async t => {
    const here = await machine(t)
    await here.start(environment)
    registry.account = undefined
    here.plane.assign(web('n1', 'no/such:1'), web('n2', 'Not A Name'))
    const missing = await here.plane.reported('n1', report => report.state === 'failed')
    assert.match(missing.reason ?? '', /^the image 127\.0\.0\.1:\d+\/no\/such:1 can not be pulled: .*(not found|manifest unknown)/)
    assert.equal(missing.restarts, 0)
    assert.match((await here.plane.reported('n2', report => report.state === 'failed')).reason ?? '', /is no name of an image/)
    registry.account = 'ci:other'
    registry.scheme = 'basic'
    here.plane.assign(web('n3', 'shop/private:1'))
    const denied = await here.plane.reported('n3', report => report.state === 'failed')
    assert.match(denied.reason ?? '', /has the file GILLIAM_REGISTRY_CREDENTIALS names credentials of its registry/)
    registry.account = undefined
  })

  it('instances that start together share one pull; a release keeps its image when the tag moves, and the next one gets the new', async t => {
    const here = await machine(t)
    await registry.add('shop/moving', 'stable', page('one'))
    await here.start(environment)
    const before = registry.downloads
    here.plane.assign(...['m1', 'm2', 'm3'].map(id => web(id, 'shop/moving:stable')))
    for (const id of ['m1', 'm2', 'm3']) await here.plane.reported(id, report => report.state === 'running')
    const first = await imageOf('m1')
    // A configuration and at most two layers.
    assert.ok(registry.downloads - before <= 3)
    assert.equal(await imageOf('m3'), first)
    await registry.add('shop/moving', 'stable', page('two'))
    here.plane.assign(web('m1', 'shop/moving:stable'), web('m4', 'shop/moving:stable'), web('m5', 'shop/moving:stable', {release: 2}))
    await here.plane.reported('m4', report => report.state === 'running')
    await here.plane.reported('m5', report => report.state === 'running')
    assert.equal(await imageOf('m4'), first)
    assert.notEqual(await imageOf('m5'), first)
    // Another agent remembers as well, and needs no registry for it.
    await here.end('SIGKILL')
    await here.start(environment)
    const pulls = registry.asked.length
    here.plane.assign(web('m1', 'shop/moving:stable'), web('m6', 'shop/moving:stable'))
    await here.plane.reported('m6', report => report.state === 'running')
    assert.equal(await imageOf('m6'), first)
    assert.equal(registry.asked.length, pulls)
  })

  it('an image pinned by its digest is that image, whatever its tag means', async t => {
    const here = await machine(t)
    const digest = await registry.add('shop/pinned', 'v1', page('pinned'))
    await registry.add('shop/pinned', 'v1', page('moved'))
    await here.start(environment)
    here.plane.assign(web('p1', `shop/pinned:v1@${digest}`))
    const running = await here.plane.reported('p1', report => report.state === 'running')
    const answer = await fetch(`http://127.0.0.1:${running.address?.ports[80]}/`)
    assert.equal(await answer.text(), 'pinned')
  })

  it('an image named by its id is looked for here, and in no registry', async t => {
    const errors: unknown[] = []
    const fetchArchive = () => assert.fail('there is no archive')
    const path = join(temporaryFolder(t), 'images.json')
    const images = new Images({api: engine.api, path, now: Date.now, onError: error => errors.push(error), fetchArchive})
    const {signal} = new AbortController()
    const {id} = await images.get({image: engine.stackId, release: 'crm/1', signal, onProgress: () => undefined})
    assert.equal(id, engine.stackId)
    assert.deepEqual(errors, [])
  })

  it('a pull that nobody waits for any more is called off', async t => {
    const here = await machine(t)
    await registry.add('shop/slow', '1', page('slow'))
    const {promise: held, resolve: release} = Promise.withResolvers<void>()
    registry.held = held
    t.after(() => {
      registry.held = undefined
      release()
    })
    await here.start(environment)
    const slow = web('s1', 'shop/slow:1')
    here.plane.assign(slow)
    await here.plane.reported('s1', report => report.reason?.startsWith('pulling') === true)
    here.plane.assign({...slow, stop: true})
    await here.plane.reported('s1', report => report.state === 'stopped')
  })
})
