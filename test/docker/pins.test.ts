// A tag of an image means one thing in a release, on two hosts with an engine each.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {machine} from '#test/agent/fixtures.ts'
import {until} from '#test/agent/wait.ts'
import {engineMissing, networkName, useEngine} from './engine.ts'
import {imageAssignment, imageRunBy, page} from './fixtures.ts'
import {Registry} from './registry.ts'

describe('a tag on two hosts', {skip: engineMissing()}, () => {
  const engine = useEngine()
  const other = useEngine()
  let registry: Registry
  before(async () => {
    registry = await Registry.start()
  })
  after(() => registry.close())

  it('what the next release needs is there before it is assigned, and means the same for all by then; what can not be had is only told', async t => {
    const here = await machine(t)
    const digest = await registry.add('shop/ahead', 'stable', page('ahead'))
    await here.start({GILLIAM_RUNTIMES: 'docker', GILLIAM_DOCKER_SOCKET: engine.socketPath, GILLIAM_DOCKER_NETWORK: networkName()})
    const image = `${registry.host}/shop/ahead:stable`
    const fetch = (release: number, name: string) =>
      ({kind: 'fetch', id: `fetch.crm.${release}`, formation: 'crm', release, images: [{image: name}]}) as const
    here.plane.chores = [fetch(2, image), fetch(3, `${registry.host}/shop/none:1`)]
    here.plane.assign()
    const over = (id: string) => here.plane.choreReports.find(each => each.id === id && each.state !== 'doing')
    await until(() => here.plane.chores.every(({id}) => over(id) !== undefined))
    assert.equal(over('fetch.crm.2')?.state, 'done')
    assert.match(over('fetch.crm.3')?.text ?? '', /can not be pulled/)
    assert.equal(here.plane.pins.get(`crm/2 ${image}`), digest)
    const asked = registry.asked.length
    here.plane.assign(imageAssignment('ahead', `${registry.host}/shop/ahead@${digest}`, {release: 2}))
    await here.plane.reported('ahead', ({state}) => state === 'running')
    assert.equal(registry.asked.length, asked)
  })

  it('a tag means on every host what the first one said of the release, also when both found out at the same time', async t => {
    const [here, there] = [await machine(t), await machine(t)]
    there.plane.pins = here.plane.pins
    const one = await registry.add('shop/raced', 'stable', page('one'))
    const environment = {GILLIAM_RUNTIMES: 'docker', GILLIAM_DOCKER_SOCKET: engine.socketPath, GILLIAM_DOCKER_NETWORK: networkName()}
    await here.start(environment)
    const apart = {GILLIAM_DOCKER_SOCKET: other.socketPath, GILLIAM_DOCKER_NETWORK: networkName(), GILLIAM_PORT_RANGE: '18000-18999'}
    await there.start({...environment, ...apart})
    const held = Promise.withResolvers<void>()
    registry.held = held.promise
    t.after(() => held.resolve())
    here.plane.assign(imageAssignment('r1', `${registry.host}/shop/raced:stable`))
    await here.plane.reported('r1', ({reason}) => reason?.startsWith('pulling') === true)
    // It finds out, and can not tell; meanwhile the tag moves, and another host is quicker.
    here.plane.broken = 503
    registry.held = undefined
    held.resolve()
    await until(async () =>
      (await engine.api.call<{RepoDigests: string[]}[]>('GET', '/images/json')).some(({RepoDigests}) =>
        RepoDigests?.some(each => each.endsWith(one)),
      ),
    )
    const two = await registry.add('shop/raced', 'stable', page('two'))
    there.plane.assign(imageAssignment('r2', `${registry.host}/shop/raced:stable`))
    const second = await there.plane.reported('r2', ({state}) => state === 'running')
    assert.deepEqual([...here.plane.pins.values()], [two])
    assert.equal(await imageRunBy(engine, 'r1'), '', 'it waits for what holds')
    here.plane.broken = undefined
    const first = await here.plane.reported('r1', ({state}) => state === 'running')
    for (const {address} of [first, second]) assert.equal(await (await fetch(`http://127.0.0.1:${address?.ports[80]}/`)).text(), 'two')
    // From then on the assignment says it; it is here, and nobody is asked.
    const asked = registry.asked.length
    here.plane.assign(
      imageAssignment('r1', `${registry.host}/shop/raced:stable`),
      imageAssignment('r3', `${registry.host}/shop/raced@${two}`),
    )
    await here.plane.reported('r3', ({state}) => state === 'running')
    assert.equal(await imageRunBy(engine, 'r3'), await imageRunBy(engine, 'r1'))
    assert.equal(registry.asked.length, asked)
  })
})
