// An engine that is restarted under its agent: instances are back as soon as it is, and its absence is not held against them.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {machine} from '#test/agent/fixtures.ts'
import {engineMissing, networkName, useEngine} from './engine.ts'
import {imageAssignment, page} from './fixtures.ts'
import {Registry} from './registry.ts'

describe('an engine that is restarted', {skip: engineMissing()}, () => {
  const engine = useEngine()
  let registry: Registry
  before(async () => {
    registry = await Registry.start()
  })
  after(() => registry.close())

  it('is waited for: a start that finds it away is no failure', async t => {
    const here = await machine(t)
    await registry.add('shop/web', '1', page('here'))
    await here.start({GILLIAM_RUNTIMES: 'docker', GILLIAM_DOCKER_SOCKET: engine.socketPath, GILLIAM_DOCKER_NETWORK: networkName()})
    here.plane.assign(imageAssignment('w1', `${registry.host}/shop/web:1`))
    await here.plane.reported('w1', ({state}) => state === 'running')
    await engine.end('SIGTERM')
    await here.plane.reported('w1', ({reason}) => reason === 'waiting for the Docker engine')
    await engine.start()
    const back = await here.plane.reported('w1', ({state}) => state === 'running')
    assert.equal(back.restarts, 1)
    const reasons = here.plane.reports.flatMap(({reason}) => (reason?.includes('starting again') ? [reason] : []))
    // Its own end, and a start that an engine on its way out may still have taken.
    assert.ok(reasons.length <= 2 && reasons.every(reason => /in (0\.5|1) s$/.test(reason)), reasons.join())
    assert.equal(await (await fetch(`http://127.0.0.1:${back.address?.ports[80]}/`)).text(), 'here')
  })
})
