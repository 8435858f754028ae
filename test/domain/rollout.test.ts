// When a rollout is over: it serves, or it never will.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import type {Instance, InstanceState} from '#shared/domain/instance.ts'
import {reconcile} from '#shared/domain/reconcile.ts'
import {
  decideRollout,
  type Rollout,
  rolloutPatienceMs,
  rolloutTimeoutMs,
  servingAfterMs,
  servingAfterRestartMs,
} from '#shared/domain/rollout.ts'
import {pendingInstance} from '#test/store/samples.ts'

const start = 1_800_000_000_000
const rollout: Rollout = {
  formation: 'crm',
  release: 2,
  scale: {users: 2, orders: 1},
  state: 'starting',
  startedAt: start,
  deadlineAt: start + rolloutTimeoutMs,
}
const of = (service: string, id: string, state: InstanceState, more: Partial<Instance> = {}): Instance =>
  pendingInstance('crm', service, id, {release: 2, state, updatedAt: start, ...(state === 'running' && {runningAt: start}), ...more}, start)
const serving = [of('users', 'a', 'running'), of('users', 'b', 'running'), of('orders', 'c', 'running')]
const failed = (id: string, more: Partial<Instance> = {}) =>
  of('users', id, 'failed', {endedAt: start + 5_000, reason: 'exit code 1 after 5 restarts', exitCode: 1, ...more})

describe('rollouts', () => {
  it('finish when everything has run for a moment without a change', () => {
    assert.deepEqual(decideRollout(rollout, serving, start), {outcome: 'wait', at: start + servingAfterMs})
    assert.deepEqual(decideRollout(rollout, serving, start + servingAfterMs), {outcome: 'finish'})
    assert.deepEqual(decideRollout({...rollout, scale: {}}, [], start), {outcome: 'finish'})
  })

  it('do not take instances of other releases or spawned ones for theirs', () => {
    for (const more of [{release: 1}, {origin: 'spawn'}] as const) {
      const others = serving.map(each => ({...each, ...more}))
      assert.equal(decideRollout(rollout, others, start + servingAfterMs).outcome, 'wait')
    }
  })

  it('do not finish between two crashes', () => {
    const restarted = serving.map(each => ({...each, restarts: 1}))
    assert.deepEqual(decideRollout(rollout, restarted, start + servingAfterMs), {outcome: 'wait', at: start + servingAfterRestartMs})
    assert.equal(decideRollout(rollout, restarted, start + servingAfterRestartMs).outcome, 'finish')
  })

  it('fail when one service failed three times, with its reason', () => {
    const now = start + 10_000
    const ran = {runningAt: start}
    assert.equal(decideRollout(rollout, [failed('f1', ran), failed('f2', ran)], now).outcome, 'wait')
    assert.deepEqual(decideRollout(rollout, [failed('f1', ran), failed('f2', ran), failed('f3', ran)], now), {
      outcome: 'fail',
      reason: 'users: exit code 1 after 5 restarts (3 instances failed)',
    })
  })

  it('fail within a minute when something failed and nothing ever ran', () => {
    assert.deepEqual(decideRollout(rollout, [failed('f1')], start + 6_000), {outcome: 'wait', at: start + rolloutPatienceMs})
    assert.deepEqual(decideRollout(rollout, [failed('f1')], start + rolloutPatienceMs), {
      outcome: 'fail',
      reason: 'users: exit code 1 after 5 restarts (1 instance failed)',
    })
    const mixed = [failed('f1'), of('users', 'a', 'running'), of('users', 'b', 'running')]
    assert.equal(decideRollout(rollout, mixed, start + rolloutPatienceMs).outcome, 'wait', 'others of the service run')
  })

  it('fail as soon as two failed of a service of which nothing ever ran', () => {
    assert.deepEqual(decideRollout(rollout, [failed('f1'), failed('f2')], start + 6_000), {
      outcome: 'fail',
      reason: 'users: exit code 1 after 5 restarts (2 instances failed)',
    })
    const one = of('users', 'a', 'running')
    assert.equal(decideRollout(rollout, [failed('f1'), failed('f2'), one], start + 6_000).outcome, 'wait')
  })

  it('do not count failures from before they began', () => {
    const old = [1, 2, 3].map(at => failed(`f${at}`, {endedAt: start - 1}))
    assert.equal(decideRollout(rollout, old, start + 1_000).outcome, 'wait')
  })

  it('fail at their deadline with what is missing and why', () => {
    const stuck = [
      of('users', 'a', 'running'),
      of('users', 'p', 'pending', {reason: 'no executor fits: memory'}),
      of('orders', 'c', 'running'),
    ]
    assert.deepEqual(decideRollout(rollout, stuck, start + rolloutTimeoutMs - 1), {outcome: 'wait', at: start + rolloutTimeoutMs})
    assert.deepEqual(decideRollout(rollout, stuck, start + rolloutTimeoutMs), {
      outcome: 'fail',
      reason: 'users: 1 of 2 running after 300 s; no executor fits: memory',
    })
  })

  it('are carried out before anything else is planned', () => {
    const formation = {name: 'crm', state: 'active', createdAt: start, latestRelease: 2, version: 1} as const
    const scales = [{formation: 'crm', release: 1, service: 'users', desired: 1}]
    const view = {formation, scales, rollouts: [rollout], instances: serving, draining: new Map()}
    assert.deepEqual(reconcile(view, start + servingAfterMs), {
      create: [],
      stop: [],
      free: [],
      remove: false,
      rollout: {release: 2, outcome: 'finish'},
    })
    assert.equal(reconcile({...view, rollouts: [{...rollout, state: 'failed'}]}, start).rollout, undefined)
  })

  it('wait for what their release is scaled to by now, and start what an interrupted start left out', () => {
    const formation = {name: 'crm', state: 'active', createdAt: start, latestRelease: 2, version: 1} as const
    const asked = {...rollout, scale: {users: 5}}
    const view = {formation, scales: [], rollouts: [asked], instances: serving, draining: new Map()}
    const running = serving.filter(each => each.service === 'users').length
    assert.deepEqual(reconcile(view, start + servingAfterMs).create, [{release: 2, service: 'users', count: 5 - running}])
    const scales = [{formation: 'crm', release: 2, service: 'users', desired: running}]
    assert.equal(reconcile({...view, scales}, start + servingAfterMs).rollout?.outcome, 'finish')
  })
})
