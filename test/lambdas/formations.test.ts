// Formations, releases, scale, rollouts and instances through their function.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {descriptor, serviceDefinition} from '#test/store/samples.ts'
import {type Platform, startPlatform} from './platform.ts'

const sha256 = 'a'.repeat(64)

describe('formations function', () => {
  let platform: Platform
  let call: Platform['call']
  before(async () => {
    platform = await startPlatform()
    call = platform.call
  })
  after(() => platform.stop())

  const formation = async (name: string): Promise<{formation: string}> => {
    await call('createFormation', {body: {name}})
    return {formation: name}
  }
  const release = async (params: {formation: string}, services: object = {web: serviceDefinition()}, more: object = {}) => {
    const reply = await call('createRelease', {params, body: {services, ...more}})
    assert.equal(reply.status, 201, reply.text)
    return reply.body
  }

  it('creates, lists, shows and destroys formations', async () => {
    const params = await formation('crm')
    assert.equal((await call('createFormation', {body: {name: 'crm'}})).body.code, 'already_exists')
    assert.deepEqual((await call('getFormation', {params})).body, {
      name: 'crm',
      state: 'active',
      createdAt: platform.clock.now,
      latestRelease: 0,
    })
    assert.ok((await call('listFormations')).body.items.some(({name}: {name: string}) => name === 'crm'))
    await call('createRoute', {body: {path: '/crm', target: 'web.crm.service', formation: 'crm'}})
    await call('createRoute', {body: {path: '/other', target: 'web.crm.service'}})
    assert.equal((await call('destroyFormation', {params})).body.state, 'destroying')
    assert.deepEqual(
      (await call('listRoutes')).body.items.map(({path}: {path: string}) => path),
      ['/other'],
    )
    assert.equal((await call('destroyFormation', {params})).status, 202)
    assert.equal((await call('createFormation', {body: {name: 'crm'}})).body.code, 'formation_destroying')
    assert.equal((await call('createRelease', {params, body: {services: {web: serviceDefinition()}}})).body.code, 'formation_destroying')
    assert.equal((await call('getFormation', {params: {formation: 'nowhere'}})).body.code, 'not_found')
    assert.equal((await call('destroyFormation', {params: {formation: 'nowhere'}})).body.code, 'not_found')
  })

  it('numbers releases without gaps, however many are created at once', async () => {
    const params = await formation('numbers')
    const made = await Promise.all(Array.from({length: 8}, () => release(params)))
    assert.deepEqual(
      made.map(each => each.release).sort((a, b) => a - b),
      [1, 2, 3, 4, 5, 6, 7, 8],
    )
    const items = (await call('listReleases', {params})).body.items
    assert.deepEqual(
      items.map((each: {release: number}) => each.release),
      [8, 7, 6, 5, 4, 3, 2, 1],
    )
    assert.equal((await call('getRelease', {params: {...params, release: 'latest'}})).body.release, 8)
    assert.equal((await call('getRelease', {params: {...params, release: '3'}})).body.release, 3)
    assert.match((await call('getRelease', {params: {...params, release: '9'}})).body.detail, /no release 9; the latest is 8/)
    assert.equal((await call('getRelease', {params: {...params, release: 'newest'}})).body.code, 'invalid_request')
  })

  it('refuses a release with a slug that was not uploaded, and takes it once it was', async () => {
    const params = await formation('slugs')
    const body = {services: {web: serviceDefinition()}, slug: {sha256, bytes: 10}}
    assert.equal((await call('createRelease', {params, body})).body.code, 'slug_missing')
    assert.equal((await call('createArtifact', {body: {sha256, bytes: 10}})).body.stored, false)
    assert.equal((await call('createRelease', {params, body})).body.code, 'slug_missing')
    platform.blobs.sizes.set(sha256, 10)
    assert.deepEqual((await call('createRelease', {params, body})).body.slug, {sha256, bytes: 10})
    assert.equal((await call('createArtifact', {body: {sha256, bytes: 10}})).body.stored, true)
    assert.equal((await call('createRelease', {params, body: {...body, slug: {sha256, bytes: 11}}})).body.code, 'invalid_request')
    const withImage = (imageArchive: {sha256: string; bytes: number}) => ({services: {web: {...serviceDefinition(), imageArchive}}})
    assert.equal((await call('createRelease', {params, body: withImage({sha256: 'e'.repeat(64), bytes: 10})})).body.code, 'slug_missing')
    assert.equal((await call('createRelease', {params, body: withImage({sha256, bytes: 10})})).status, 201)
  })

  it('names every expression that does not compile, with the place', async () => {
    const params = await formation('expressions')
    const services = {web: serviceDefinition({requirements: ['"ssd" in executor.tags', 'executor.zoned == 1'], rank: '1 +'})}
    const {body} = await call('createRelease', {params, body: {services}})
    assert.equal(body.code, 'invalid_expression')
    assert.deepEqual(
      body.errors.map(({path}: {path: string}) => path),
      ['services.web.requirements.1', 'services.web.rank'],
    )
    assert.match(body.detail, /\^/)
  })

  it('names every service and port that does not exist', async () => {
    const params = await formation('checks')
    const faults = async (services: object): Promise<string[]> => {
      const {body} = await call('createRelease', {params, body: {services}})
      assert.equal(body.code, 'invalid_request')
      return body.errors.map(({path, message}: {path: string; message: string}) => `${path}: ${message}`)
    }
    const health = {intervalMs: 1_000, timeoutMs: 1_000, startTimeoutMs: 5_000}
    assert.deepEqual(await faults({web: serviceDefinition({requires: ['_cache', 'web', 'constructor']})}), [
      'services.web.requires: “_cache” is not another service of this release',
      'services.web.requires: “web” is not another service of this release',
      'services.web.requires: “constructor” is not another service of this release',
    ])
    assert.deepEqual(
      await faults({
        web: serviceDefinition({
          image: 'a/b',
          ports: [{port: 80, hostPort: 9}, {port: 81, hostPort: 9}, {port: 80}],
          health: {...health, http: '/', tcp: true},
        }),
        job: {...serviceDefinition({ports: [], health: {...health, tcp: true}}), script: undefined},
        api: serviceDefinition({health: {...health, http: '/', port: 81}}),
      }),
      [
        'services.web: script or image, not both',
        'services.web.ports: port 80 is there twice',
        'services.web.ports: host port 9 is there twice',
        'services.web.health: http or tcp, not both',
        'services.job: needs a script or an image',
        'services.job.health: a service without ports can not be checked',
        'services.api.health.port: 81 is not one of the service’s ports',
      ],
    )
    assert.equal((await call('createRelease', {params: {formation: 'nowhere'}, body: {services: {web: serviceDefinition()}}})).status, 404)
  })

  it('refuses a release that is too large to keep, and names the limit', async () => {
    const params = await formation('large')
    const env = Object.fromEntries(Array.from({length: 30}, (_, index) => [`V${index}`, 'x'.repeat(16_000)]))
    assert.equal((await call('createRelease', {params, body: {services: {web: serviceDefinition()}, env}})).body.code, 'limit_reached')
  })

  it('changes the environment of all or of one service by a new release', async () => {
    const params = await formation('env')
    assert.match((await call('changeEnv', {params, body: {set: {A: '1'}}})).body.detail, /no release yet/)
    await release(params, {web: serviceDefinition({env: {OWN: '1'}}), api: serviceDefinition()}, {env: {A: '1', B: '2'}, message: 'first'})
    const changed = (await call('changeEnv', {params, body: {set: {C: '3'}, unset: ['A', '__proto__'], message: 'second', author: 'me'}}))
      .body
    assert.deepEqual(changed.env, {B: '2', C: '3'})
    assert.deepEqual([changed.release, changed.message, changed.author], [2, 'second', 'me'])
    await call('changeEnv', {params, body: {services: {web: {set: {toString: 'x'}, unset: ['OWN']}}}})
    assert.deepEqual((await call('getEnv', {params})).body, {
      release: 3,
      env: {B: '2', C: '3'},
      services: {api: {}, web: {toString: 'x'}},
    })
    const unknown = (await call('changeEnv', {params, body: {set: {A: '1'}, services: {wbe: {set: {A: '1'}}}}})).body
    assert.match(unknown.detail, /no service “wbe”; it has api, web/)
    assert.deepEqual(unknown.errors, [{path: 'services.wbe', message: 'no such service'}])
    assert.equal((await call('changeEnv', {params, body: {set: {A: '1'}, unset: ['A']}})).body.code, 'invalid_request')
    assert.equal((await call('changeEnv', {params, body: {service: 'web', set: {A: '1'}}})).body.code, 'invalid_request')
    assert.equal((await call('getFormation', {params})).body.latestRelease, 3, 'what is refused makes no release')
  })

  it('changes the environments of several scopes by one release', async () => {
    const params = await formation('scopes')
    const services = {web: serviceDefinition({env: {A: 'w', B: 'w'}}), api: serviceDefinition({env: {A: 'a'}}), job: serviceDefinition()}
    await release(params, services, {env: {A: '1', B: '2'}})
    // The same name may be set for one scope and unset for another.
    const body = {set: {A: '9'}, unset: ['B'], services: {web: {set: {C: '3'}, unset: ['A']}, api: {set: {B: '4'}}}}
    const made = (await call('changeEnv', {params, body})).body
    assert.equal(made.release, 2)
    assert.deepEqual(made.services.job, services.job)
    assert.deepEqual((await call('getEnv', {params})).body, {
      release: 2,
      env: {A: '9'},
      services: {web: {B: 'w', C: '3'}, api: {A: 'a', B: '4'}, job: {}},
    })
    const both = (await call('changeEnv', {params, body: {services: {api: {set: {A: '1'}, unset: ['A']}}}})).body
    assert.deepEqual([both.code, both.errors], ['invalid_request', [{path: 'services.api.unset', message: 'A'}]])
    assert.equal((await call('getFormation', {params})).body.latestRelease, 2)
  })

  it('loses no change of the environment when several are made at once', async () => {
    const params = await formation('racing-env')
    await release(params)
    const names = ['A', 'B', 'C', 'D', 'E', 'F']
    await Promise.all(names.map(name => call('changeEnv', {params, body: {set: {[name]: '1'}}})))
    assert.deepEqual(Object.keys((await call('getEnv', {params})).body.env).sort(), names)
    assert.equal((await call('getFormation', {params})).body.latestRelease, 1 + names.length)
  })

  it('sets and shows scale', async () => {
    const params = await formation('scale')
    assert.equal((await call('setScale', {params, body: {services: {web: 1}}})).body.code, 'not_found')
    await release(params)
    await release(params, {web: serviceDefinition(), api: serviceDefinition()})
    const row = {running: 0, waiting: 0, failed: 0}
    assert.deepEqual((await call('setScale', {params, body: {services: {api: 2, web: 0}}})).body.items, [
      {release: 2, service: 'api', desired: 2, ...row},
      {release: 2, service: 'web', desired: 0, ...row},
    ])
    await call('setScale', {params, body: {release: 1, services: {web: 3}}})
    assert.deepEqual((await call('getScale', {params})).body.items, [
      {release: 2, service: 'api', desired: 2, ...row},
      {release: 1, service: 'web', desired: 3, ...row},
    ])
    const unknown = await call('setScale', {params, body: {release: 1, services: {api: 1, job: 1}}})
    assert.equal(unknown.body.code, 'invalid_request')
    assert.match(unknown.body.detail, /Release 1 .* no service “api”, “job”; it has web/)
    assert.equal((await call('setScale', {params, body: {services: {web: 1_001}}})).body.code, 'invalid_request')
    assert.equal((await call('getScale', {params: {formation: 'nowhere'}})).body.code, 'not_found')
  })

  it('rolls a release out at what runs now, at its own scale, or as asked', async () => {
    const params = await formation('rollouts')
    await release(params, {web: serviceDefinition({scale: 2})})
    assert.equal((await call('getRollout', {params: {...params, release: '1'}})).body.code, 'not_found')
    assert.deepEqual((await call('createRollout', {params, body: {release: 1}})).body.scale, {web: 2})
    assert.equal((await call('createRollout', {params, body: {release: 1}})).body.code, 'already_exists')
    assert.equal((await call('getRollout', {params: {...params, release: 'latest'}})).body.state, 'starting')
    await call('setScale', {params, body: {services: {web: 5}}})
    await release(params, {web: serviceDefinition(), api: serviceDefinition({scale: 3}), job: serviceDefinition()})
    const {body} = await call('createRollout', {params, body: {release: 2, scale: {job: 7}}})
    assert.deepEqual(body.scale, {web: 5, api: 3, job: 7})
    assert.equal((await call('createRollout', {params, body: {release: 2, scale: {nope: 7}}})).body.code, 'invalid_request')
    assert.equal((await call('createRollout', {params, body: {release: 3}})).body.code, 'not_found')
  })

  it('does not add up the scales of releases that replace each other', async () => {
    const params = await formation('hasty')
    for (const number of [1, 2, 3, 4]) {
      await release(params, {web: serviceDefinition({scale: 2})})
      assert.deepEqual((await call('createRollout', {params, body: {release: number}})).body.scale, {web: 2}, `release ${number}`)
      if (number === 1) await platform.store.rollouts.finish('hasty', 1, platform.clock.now)
    }
  })

  it('spawns, lists, shows and stops instances', async () => {
    const params = await formation('spawn')
    await platform.store.executors.join(descriptor('sole'), platform.clock.now)
    await release(params, {
      web: serviceDefinition({requirements: ['executor.zone == "office"'], ports: [{port: 80}, {port: 443, hostPort: 8_443}]}),
    })
    const spawned = await call('spawnInstance', {
      params,
      body: {
        service: 'web',
        requirements: ['"ssd" in executor.tags'],
        executor: 'sole',
        rank: 'executor.cpu_free',
        ports: [{port: 80, hostPort: 8_080}, {port: 9_000}],
      },
    })
    assert.equal(spawned.status, 201, spawned.text)
    const {id, name, ...instance} = spawned.body
    assert.match(id, /^[0-9a-z]{10}$/)
    assert.equal(name, `web.${id}`)
    assert.deepEqual([instance.state, instance.origin, instance.rank], ['pending', 'spawn', 'executor.cpu_free'])
    assert.deepEqual(instance.requirements, ['executor.zone == "office"', '"ssd" in executor.tags', 'executor.id == "sole"'])
    assert.deepEqual(instance.ports, [{port: 80, hostPort: 8_080}, {port: 443, hostPort: 8_443}, {port: 9_000}])

    const at = {params: {...params, instance: id}}
    assert.deepEqual((await call('getInstance', at)).body, spawned.body)
    assert.equal((await call('listInstances', {params, query: {service: 'web', release: '1'}})).body.items.length, 1)
    assert.equal((await call('listInstances', {params, query: {service: 'api'}})).body.items.length, 0)
    assert.equal((await call('stopInstance', at)).body.state, 'stopped')
    assert.equal((await call('stopInstance', at)).body.code, 'instance_ended')
    assert.equal((await call('listInstances', {params})).body.items.length, 0)
    assert.equal((await call('listInstances', {params, query: {all: 'true'}})).body.items[0].id, id)
    assert.equal((await call('stopInstance', {params: {...params, instance: 'nobody'}})).body.code, 'not_found')
    assert.equal((await call('stopInstance', {params: {formation: 'nowhere', instance: 'nobody'}})).body.code, 'not_found')
  })

  it('refuses to spawn what can not be', async () => {
    const params = await formation('refusals')
    await release(params, {web: serviceDefinition({requirements: Array.from({length: 16}, () => 'true')})})
    const code = async (body: object): Promise<string> => (await call('spawnInstance', {params, body: {service: 'web', ...body}})).body.code
    assert.equal(await code({requirements: ['1 +']}), 'invalid_expression')
    assert.equal(await code({requirements: ['true']}), 'limit_reached')
    assert.equal(await code({service: 'constructor'}), 'invalid_request')
    assert.equal(await code({release: 2}), 'not_found')
    assert.equal(
      await code({
        ports: [
          {port: 80, hostPort: 1},
          {port: 81, hostPort: 1},
        ],
      }),
      'invalid_request',
    )
    const other = await formation('refusals2')
    await release(other)
    assert.equal((await call('spawnInstance', {params: other, body: {service: 'web', executor: 'nobody'}})).body.code, 'not_found')
  })

  it('explains where a service or an instance fits, and why not elsewhere', async () => {
    const params = await formation('explained')
    await platform.store.executors.join(descriptor('fits'), platform.clock.now)
    await platform.store.executors.join({...descriptor('far'), zone: 'moon'}, platform.clock.now)
    await release(params, {web: serviceDefinition({requirements: ['executor.zone == "office"']})})
    const explain = (target: string, query = {}) => call('explain', {params: {...params, target}, query})
    const {body} = await explain('web')
    assert.ok(body.candidates.some(({executor}: {executor: string}) => executor === 'fits'))
    assert.equal(body.refusals.find(({executor}: {executor: string}) => executor === 'far').reasons.length, 1)
    assert.equal(body.rank, '-executor.instances')
    const {id, name} = (await call('spawnInstance', {params, body: {service: 'web', executor: 'far'}})).body
    for (const target of [id, name]) {
      const one = (await explain(target)).body
      assert.equal(one.candidates.length, 0)
      assert.equal(typeof one.change, 'string')
    }
    const unknown = await explain('nope')
    assert.deepEqual([unknown.status, unknown.body.code], [404, 'not_found'])
    assert.match(unknown.body.detail, /no service “nope”; it has web\./)
    assert.equal((await explain('web.nobody')).body.code, 'not_found')
    assert.equal((await explain('web', {release: '7'})).body.code, 'not_found')
  })
})
