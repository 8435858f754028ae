// requires: over the API, the real reconciler and the real store: who waits for whom, what dependents are told, and what happens when that moves.
import assert from 'node:assert/strict'
import {afterEach, beforeEach, describe, it} from 'node:test'
import {loadOrders} from '#lambdas/executors/assignments.ts'
import {injected} from '#lambdas/executors/injections.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {startWorld, type World} from '#test/reconciler/world.ts'

const cache = {kind: 'auxiliary', injects: {CACHE_URL: 'redis://{host}:{port}', CACHE_PORT: '{port}'}} as const

describe('requires', () => {
  let world: World
  beforeEach(async () => {
    world = await startWorld()
  })
  afterEach(() => world.stop())

  const turn = async (fails?: Parameters<World['sync']>[1]): Promise<void> => {
    await world.reconciler()({wake: 'crm'})
    await world.assign()
    for (const {id} of await world.store.executors.list()) await world.sync(id, fails)
  }
  const told = async (service: string): Promise<Assignment['env'] | undefined> => {
    for (const {id} of await world.store.executors.list()) {
      const found = (await loadOrders({store: world.store, sign: async () => undefined}, id, 0)).assignments.find(
        each => each.service === service,
      )
      if (found !== undefined) return Object.fromEntries(Object.entries(found.injections).map(([name, one]) => [name, injected(one, {})]))
    }
    return undefined
  }

  it('starts in order: a dependent waits, says for what, and is told the address when that runs', async () => {
    await world.formation('crm', {web: {requires: ['_cache', 'users']}, users: {requires: ['_cache']}, _cache: cache})
    await world.executor('h1')
    await world.store.scales.set('crm', 1, {web: 2, users: 1, _cache: 1}, world.clock.now)
    await world.reconciler()({wake: 'crm'})
    const pending = await world.store.instances.list('crm')
    assert.deepEqual(pending.map(({service, reason}) => `${service}: ${reason ?? 'may start'}`).sort(), [
      '_cache: may start',
      'users: waits until _cache runs',
      'web: waits until _cache, users run',
      'web: waits until _cache, users run',
    ])
    assert.deepEqual(
      (await world.store.instances.pending()).map(({service}) => service),
      ['_cache'],
      'only that is placed',
    )
    await turn()
    await turn()
    assert.deepEqual(
      (await world.store.instances.list('crm'))
        .filter(({state}) => state === 'running')
        .map(({service}) => service)
        .sort(),
      ['_cache', 'users'],
    )
    await turn()
    assert.equal((await world.store.instances.list('crm')).filter(({state}) => state === 'running').length, 4)
    assert.deepEqual(await told('users'), {CACHE_URL: 'redis://127.0.0.1:20000', CACHE_PORT: '20000'})
    const web = (await world.store.instances.list('crm')).find(({service}) => service === 'web')
    assert.deepEqual([web?.reason, web?.held], [undefined, undefined])
  })

  it('does not wait for what is scaled to nothing, and does not stop what runs when that fails', async () => {
    await world.formation('crm', {web: {requires: ['_cache']}, _cache: cache})
    await world.executor('h1')
    await world.store.scales.set('crm', 1, {web: 1, _cache: 0}, world.clock.now)
    await turn()
    const [web] = await world.wanted('crm')
    assert.equal(web?.state, 'running')
    await world.store.scales.set('crm', 1, {_cache: 1}, world.clock.now)
    await turn(({service}) => service === '_cache')
    await turn(({service}) => service === '_cache')
    assert.equal((await world.store.instances.get('crm', web?.id ?? ''))?.state, 'running')
  })

  it('tells of a rollout that waits in vain what it waited for', async () => {
    await world.formation('crm', {web: {requires: ['_cache']}, _cache: cache})
    await world.store.rollouts.start('crm', 1, {web: 1, _cache: 1}, world.clock.now)
    await world.reconciler()({wake: 'crm'})
    world.clock.now += 300_001
    await world.reconciler()({wake: 'crm'})
    const rollout = await world.store.rollouts.get('crm', 1)
    assert.equal(rollout?.state, 'failed')
    assert.match(rollout?.reason ?? '', /0 of 1 running after 300 s/)
  })

  it('replaces dependents, the new before the old, once what they require runs elsewhere', async () => {
    await world.formation('crm', {web: {requires: ['_cache']}, _cache: cache})
    await world.executor('h1')
    await world.store.scales.set('crm', 1, {web: 1, _cache: 1}, world.clock.now)
    await turn()
    await turn()
    const before = await world.wanted('crm')
    const web = before.find(({service}) => service === 'web')
    const old = before.find(({service}) => service === '_cache')
    assert.ok(web && old)
    await world.store.instances.requestStop('crm', old.id, 'test', world.clock.now)
    await world.sync('h1')
    await world.reconciler()({wake: 'crm'})
    await world.assign()
    const fresh = (await world.wanted('crm')).find(({service}) => service === '_cache')
    const address = {host: '10.0.0.9', ports: {'80': 20_777}}
    const report = {
      formation: 'crm',
      service: '_cache',
      id: fresh?.id ?? '',
      state: 'running',
      announced: true,
      restarts: 0,
      address,
    } as const
    await world.store.instances.report('h1', report, world.clock.now)
    await world.reconciler()({wake: 'crm'})
    assert.equal((await world.store.instances.get('crm', web.id))?.state, 'running', 'it goes when its replacement runs')
    await world.assign()
    const next = (await world.wanted('crm')).find(({service, id}) => service === 'web' && id !== web.id)
    await world.store.instances.report('h1', {...report, service: 'web', id: next?.id ?? ''}, world.clock.now)
    await world.reconciler()({wake: 'crm'})
    assert.deepEqual(
      [(await world.store.instances.get('crm', web.id))?.state, (await world.store.instances.get('crm', web.id))?.reason],
      ['stopping', '_cache is at 10.0.0.9:20777 now'],
    )
  })
})

describe('an injected variable', () => {
  const env = {USER: 'ann', PASSWORD: 'a/b@c:d'}
  it('escapes parts in an address and nowhere else, and puts an IPv6 host in brackets', () => {
    const one = {template: 'postgres://{USER}:{PASSWORD}@{host}:{port}/x', address: {host: 'fd00::1', port: 7}, env}
    assert.equal(injected(one, env), 'postgres://ann:a%2Fb%40c%3Ad@[fd00::1]:7/x')
    assert.equal(injected({...one, template: '{PASSWORD}'}, env), 'a/b@c:d')
    assert.equal(injected({...one, template: '{host}'}, env), 'fd00::1')
    assert.equal(injected({...one, template: '{PASSWORD}', env}, {PASSWORD: '{host}'}), '{host}', 'a value is not a template')
    assert.equal(injected({...one, template: 'x://{PASSWORD}', env}, {PASSWORD: 'a\ud800'}), 'x://a%EF%BF%BD', 'half a character')
  })
})
