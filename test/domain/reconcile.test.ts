// The pure reconciler: never too many, always enough in the end, and the same plan however things are listed.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import fc from 'fast-check'
import {type Instance, type InstanceState, instanceStates, isTerminal, isWanted} from '#shared/domain/instance.ts'
import {crashBackoffMaxMs, nextCreationAt, type Plan, type ReconcileView, reconcile} from '#shared/domain/reconcile.ts'
import {pendingInstance} from '#test/store/samples.ts'

const now = 1_800_000_000_000
const formation = {name: 'crm', state: 'active', createdAt: now, latestRelease: 2, version: 7} as const
const services = ['users', 'orders']
const executors = ['calm', 'leaving-a', 'leaving-b']
const draining: ReconcileView['draining'] = new Map(['leaving-a', 'leaving-b'].map(id => [id, {id}]))

const instance = (id: string, state: InstanceState, more: Partial<Instance> = {}): Instance => {
  const placed = state !== 'pending' && {executor: 'calm', assignedAt: now}
  const ended = isTerminal(state) && {endedAt: now}
  return pendingInstance('crm', 'users', id, {state, ...placed, ...ended, ...more}, now)
}

const view = (more: Partial<ReconcileView>): ReconcileView => ({formation, scales: [], rollouts: [], instances: [], draining, ...more})
const scale = (desired: number, service = 'users', release = 1) => ({formation: 'crm', release, service, desired})

const anyInstances = fc
  .array(
    fc.record({
      state: fc.constantFrom(...instanceStates),
      service: fc.constantFrom(...services),
      release: fc.constantFrom(1, 2),
      executor: fc.constantFrom(...executors),
      origin: fc.constantFrom('scale', 'scale', 'scale', 'spawn') as fc.Arbitrary<'scale' | 'spawn'>,
      age: fc.integer({min: 0, max: 7_200_000}),
      isOutdated: fc.boolean(),
    }),
    {maxLength: 14},
  )
  .map(all =>
    all.map(({state, executor, age, isOutdated, ...more}, at) =>
      instance(`i${at}`, state, {
        ...more,
        ...(state !== 'pending' && {executor, ...(isOutdated && {outdated: 'former'})}),
        createdAt: now - age,
        ...(isTerminal(state) && {endedAt: now - age}),
      }),
    ),
  )
const anyScales = fc
  .uniqueArray(fc.record({service: fc.constantFrom(...services), release: fc.constantFrom(1, 2), desired: fc.integer({min: 0, max: 5})}), {
    selector: each => `${each.release} ${each.service}`,
  })
  .map(all => all.map(each => scale(each.desired, each.service, each.release)))
const anyView = fc.record({instances: anyInstances, scales: anyScales}).map(view)

const isLeaving = ({executor, outdated}: Instance): boolean => executor !== undefined && (draining.has(executor) || outdated !== undefined)

const wantedOf = (instances: readonly Instance[], release: number, service: string): Instance[] =>
  instances.filter(each => each.origin === 'scale' && each.release === release && each.service === service && isWanted(each.state))

let made = 0
/** The instances after a plan was carried out. */
const applied = (instances: readonly Instance[], plan: Plan, at: number): Instance[] => [
  ...instances.map((each): Instance => {
    if (!plan.stop.some(stop => stop.id === each.id)) return each
    return each.state === 'pending' ? {...each, state: 'stopped', endedAt: at} : {...each, state: 'stopping'}
  }),
  ...plan.create.flatMap(({release, service, count}) =>
    Array.from({length: count}, () => instance(`new${made++}`, 'pending', {release, service, createdAt: at})),
  ),
]

const desiredOf = (scales: ReconcileView['scales'], release: number, service: string): number =>
  scales.find(each => each.release === release && each.service === service)?.desired ?? 0

describe('reconcile', () => {
  it('never goes over desired plus one for each instance that is to be replaced', () => {
    fc.assert(
      fc.property(anyView, before => {
        const instances = applied(before.instances, reconcile(before, now), now)
        for (const release of [1, 2]) {
          for (const service of services) {
            const surge = wantedOf(before.instances, release, service).filter(isLeaving).length
            assert.ok(wantedOf(instances, release, service).length <= desiredOf(before.scales, release, service) + surge)
          }
        }
      }),
      {numRuns: 2_000},
    )
  })

  it('ends with exactly what is desired, none of it to be replaced, and then rests', () => {
    const followed = (each: Instance, at: number): Instance => {
      if (each.state === 'stopping') return {...each, state: 'stopped', endedAt: at}
      if (isTerminal(each.state) || each.state === 'running') return each
      return {...each, state: 'running', executor: each.executor ?? 'calm'}
    }
    fc.assert(
      fc.property(anyView, start => {
        let at = now
        let {instances} = start
        for (let step = 0; step < 12; step++) {
          const plan = reconcile({...start, instances}, at)
          instances = applied(instances, plan, at).map(each => followed(each, at))
          at = plan.retryAt ?? at
        }
        assert.deepEqual(reconcile({...start, instances}, at), {create: [], stop: [], free: [], remove: false})
        for (const release of [1, 2]) {
          for (const service of services) {
            const wanted = wantedOf(instances, release, service)
            assert.equal(wanted.length, desiredOf(start.scales, release, service))
            assert.ok(wanted.every(each => !isLeaving(each)))
          }
        }
      }),
      {numRuns: 1_000},
    )
  })

  it('does not depend on the order in which things are listed', () => {
    const shuffled = anyView.chain(one =>
      fc.record({
        one: fc.constant(one),
        instances: fc.shuffledSubarray([...one.instances], {minLength: one.instances.length}),
        scales: fc.shuffledSubarray([...one.scales], {minLength: one.scales.length}),
      }),
    )
    fc.assert(
      fc.property(shuffled, ({one, instances, scales}) => {
        assert.deepEqual(reconcile({...one, instances, scales}, now), reconcile(one, now))
      }),
      {numRuns: 1_000},
    )
  })

  it('lets spawned instances alone, until the formation is destroyed', () => {
    const spawned = instance('s', 'running', {origin: 'spawn'})
    assert.deepEqual(reconcile(view({instances: [spawned]}), now).stop, [])
    const destroying = {...formation, state: 'destroying'} as const
    const plan = reconcile(view({formation: destroying, scales: [scale(3)], instances: [spawned, instance('x', 'stopping')]}), now)
    assert.deepEqual([plan.create, plan.stop.map(each => each.id), plan.remove], [[], ['s'], false])
    assert.equal(reconcile(view({formation: destroying, instances: [instance('x', 'stopped')]}), now).remove, true)
  })

  it('stops what is missed least: not placed, then not running, then the newest', () => {
    const instances = [
      instance('old', 'running', {createdAt: 1}),
      instance('new', 'running', {createdAt: 2}),
      instance('starting', 'starting', {createdAt: 0}),
      instance('waiting', 'pending', {createdAt: 0}),
    ]
    const stopped = (desired: number) => reconcile(view({instances, scales: [scale(desired)]}), now).stop.map(each => each.id)
    assert.deepEqual(stopped(3), ['waiting'])
    assert.deepEqual(stopped(2), ['waiting', 'starting'])
    assert.deepEqual(stopped(1), ['waiting', 'starting', 'new'])
  })

  it('replaces what runs with something former before stopping it', () => {
    const old = instance('old', 'running', {outdated: 'secret db is at version 2 now'})
    const first = reconcile(view({instances: [old, instance('other', 'running')], scales: [scale(2)]}), now)
    assert.deepEqual([first.create, first.stop], [[{release: 1, service: 'users', count: 1}], []])
    const next = [old, instance('other', 'running'), instance('new', 'running')]
    const second = reconcile(view({instances: next, scales: [scale(2)]}), now)
    assert.deepEqual([second.create, second.stop], [[], [{id: 'old', reason: 'secret db is at version 2 now'}]])
  })

  it('replaces what a draining executor runs before stopping it', () => {
    const drained = [1, 2].map(at => instance(`d${at}`, 'running', {executor: 'leaving-a'}))
    const first = reconcile(view({instances: drained, scales: [scale(2)]}), now)
    assert.deepEqual([first.create, first.stop], [[{release: 1, service: 'users', count: 2}], []])
    const half = [...drained, instance('n1', 'running'), instance('n2', 'starting')]
    const second = reconcile(view({instances: half, scales: [scale(2)]}), now)
    assert.deepEqual([second.create.length, second.stop.map(each => each.reason)], [0, ['executor leaving-a is draining']])
  })

  it('replaces lost instances at once and failed ones after a growing wait', () => {
    const lost = instance('l', 'lost')
    assert.equal(reconcile(view({instances: [lost], scales: [scale(1)]}), now).create[0]?.count, 1)
    const failed = [instance('f', 'failed')]
    const plan = reconcile(view({instances: failed, scales: [scale(1)]}), now)
    assert.deepEqual([plan.create, plan.retryAt], [[], now + 1_000])
    assert.equal(reconcile(view({instances: failed, scales: [scale(1)]}), now + 1_000).create[0]?.count, 1)
  })

  it('creates few instances of what always fails: waits double up to five minutes', () => {
    let at = now
    let instances: Instance[] = []
    const createdAt: number[] = []
    for (let step = 0; step < 40; step++) {
      const plan = reconcile(view({instances, scales: [scale(1)]}), at)
      if (plan.create.length > 0) createdAt.push(at)
      instances = applied(instances, plan, at).map(each => (each.state === 'pending' ? {...each, state: 'failed', endedAt: at} : each))
      at = plan.retryAt ?? at
    }
    const gaps = createdAt.slice(1).map((each, index) => each - (createdAt[index] ?? 0))
    assert.deepEqual(gaps.slice(0, 4), [1_000, 2_000, 4_000, 8_000])
    assert.ok(gaps.every(gap => gap <= crashBackoffMaxMs))
    assert.ok(gaps.slice(9, 15).every(gap => gap === crashBackoffMaxMs))
  })

  it('counts failures by rounds: ten that fail together wait as one', () => {
    const failed = Array.from({length: 10}, (_, at) => instance(`f${at}`, 'failed'))
    assert.equal(nextCreationAt(failed, 10, now), now + 1_000)
    assert.equal(nextCreationAt(failed, 5, now), now + 2_000)
    assert.equal(nextCreationAt(failed, 10, now + 3_600_000), 0, 'an hour later they are forgotten')
  })
})
