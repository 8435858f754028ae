// What services require of each other: cycles, what is waited for, and when what was told is no longer so.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import fc from 'fast-check'
import type {Instance} from '#shared/domain/instance.ts'
import {reconcile} from '#shared/domain/reconcile.ts'
import {cycleIn, meet, movedReason, needsOf} from '#shared/domain/requires.ts'
import {pendingInstance, serviceDefinition} from '#test/store/samples.ts'

const now = 1_800_000_000_000
const at = (port: number, host = 'h1') => ({host, ports: {'6379': port}})
const running = (service: string, id: string, more: Partial<Instance> = {}): Instance =>
  pendingInstance('crm', service, id, {state: 'running', executor: 'e', address: at(1), ...more}, now)
const scale = (service: string, desired: number, release = 1) => ({formation: 'crm', release, service, desired})

describe('requirements', () => {
  it('have a cycle exactly when nothing could start first', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)), {maxLength: 14}), edges => {
        const requires = Object.fromEntries(names.map(name => [name, edges.filter(([from]) => from === name).map(([, to]) => to)]))
        const started = new Set<string>()
        for (const _ of names) for (const name of names) if (requires[name]?.every(one => started.has(one))) started.add(name)
        const cycle = cycleIn(requires)
        assert.equal(cycle === undefined, started.size === names.length)
        if (cycle === undefined) return
        assert.ok(cycle.length >= 2 && cycle[0] === cycle.at(-1))
        for (let step = 1; step < cycle.length; step++) assert.ok(requires[cycle[step - 1] ?? '']?.includes(cycle[step] ?? ''))
      }),
    )
  })

  it('of an old release that go in a circle are not waited for', () => {
    const services = {a: serviceDefinition({requires: ['b', 'c']}), b: serviceDefinition({requires: ['a']}), c: serviceDefinition()}
    assert.deepEqual(needsOf({services}, 'a'), {c: 'running'})
    assert.equal(needsOf({services}, 'b'), undefined)
  })

  it('are met by what runs; of an address, by the own release when that is to have one', () => {
    const instances = [
      running('_cache', 'old', {address: at(1)}),
      running('_cache', 'new', {release: 2, address: at(2), state: 'starting'}),
    ]
    const scales = [scale('_cache', 1), scale('_cache', 1, 2)]
    assert.deepEqual(meet({scales, instances}, 1, {_cache: 'address'}, 0), {met: true, given: {_cache: at(1)}})
    assert.deepEqual(meet({scales, instances}, 2, {_cache: 'address'}, 0), {met: false, waitsFor: ['_cache']})
    assert.deepEqual(meet({scales, instances}, 2, {_cache: 'running'}, 0), {met: true, given: {}})
    assert.deepEqual(
      meet({scales: [scale('_cache', 1)], instances}, 2, {_cache: 'address'}, 0),
      {met: true, given: {_cache: at(1)}},
      'carried over',
    )
  })

  it('are not waited for when nobody wants them to run', () => {
    assert.deepEqual(meet({scales: [scale('_cache', 0)], instances: []}, 1, {_cache: 'address'}, 0), {met: true, given: {}})
    assert.deepEqual(meet({scales: [scale('_cache', 1)], instances: []}, 1, {_cache: 'address'}, 0), {met: false, waitsFor: ['_cache']})
  })

  it('spread dependents over what they require', () => {
    const instances = [running('_cache', 'a', {address: at(1)}), running('_cache', 'b', {address: at(2)})]
    const given = [0, 1, 2].map(turn => meet({scales: [scale('_cache', 2)], instances}, 1, {_cache: 'address'}, turn))
    assert.deepEqual(
      given.map(each => each.met && each.given._cache?.ports['6379']),
      [1, 2, 1],
    )
  })
})

describe('what an instance was told', () => {
  const dependent = running('web', 'w', {needs: {_cache: 'address'}, given: {_cache: at(1)}, address: {host: 'h', ports: {}}})
  const scales = [scale('web', 1), scale('_cache', 1)]
  const moved = (...caches: Instance[]) => movedReason({scales, instances: [dependent, ...caches]}, dependent)

  it('holds while that instance is there, if only starting again, or while there is no other', () => {
    assert.equal(moved(running('_cache', 'a')), undefined)
    assert.equal(moved(running('_cache', 'a', {state: 'starting'}), running('_cache', 'b', {address: at(2)})), undefined)
    assert.equal(moved(), undefined)
    assert.equal(moved(running('_cache', 'b', {address: at(2), state: 'starting'})), undefined)
  })

  it('is outdated once another one runs elsewhere: one more is made, then it goes', () => {
    const there = running('_cache', 'b', {address: at(2, 'h2')})
    assert.equal(moved(running('_cache', 'a', {state: 'lost'}), there), '_cache is at h2:2 now')
    const view = {
      formation: {name: 'crm', state: 'active', createdAt: now, latestRelease: 1, version: 1} as const,
      scales,
      rollouts: [],
      draining: new Map(),
    }
    const first = reconcile({...view, instances: [dependent, there]}, now)
    assert.deepEqual([first.create, first.stop], [[{release: 1, service: 'web', count: 1}], []])
    const fresh = running('web', 'x', {needs: {_cache: 'address'}, given: {_cache: at(2, 'h2')}})
    const second = reconcile({...view, instances: [dependent, there, fresh]}, now)
    assert.deepEqual([second.create, second.stop], [[], [{id: 'w', reason: '_cache is at h2:2 now'}]])
  })
})
