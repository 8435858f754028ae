// When an executor is lost.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {type Executor, executorLeaseMs} from '#shared/domain/executor.ts'
import {executorsHalfLost, executorsSilent, givenUpAfterMs, isAnyHeard, isGivenUp, silenceReason} from '#shared/domain/lease.ts'
import {syncMsMax} from '#shared/domain/pace.ts'
import type {OnLost} from '#shared/domain/release.ts'
import {executorSample} from '#test/store/samples.ts'

const now = 1_800_000_000_000
/** Its lease is over. */
const executor = (id: string, more: Partial<Executor> = {}): Executor => executorSample(id, {leaseExpiresAt: now - 1, ...more})

describe('leases', () => {
  it('make an executor silent when they are over, draining or not, and once only', () => {
    const executors = [
      executor('late'),
      executor('draining', {state: 'draining'}),
      executor('alive', {leaseExpiresAt: now + executorLeaseMs}),
      executor('lost', {state: 'lost'}),
    ]
    assert.deepEqual(
      executorsSilent(executors, now - executorLeaseMs, now).map(({id}) => id),
      ['late', 'draining'],
    )
  })

  it('give everybody time after nobody watched', () => {
    const executors = [executor('late'), executor('alive', {leaseExpiresAt: now + executorLeaseMs})]
    assert.deepEqual(executorsSilent(executors, now - executorLeaseMs + 1, now), [])
  })

  it('make nobody silent when the way to all was cut, although they end one by one', () => {
    const cutAt = now - executorLeaseMs
    for (let at = cutAt; at < now + executorLeaseMs; at += 1_000) {
      // Each was heard from at another moment before that, as far apart as syncs are.
      const executors = [0, 7_000, syncMsMax].map((beforeMs, number) =>
        executor(`h${number}`, {leaseExpiresAt: cutAt - beforeMs + executorLeaseMs}),
      )
      assert.deepEqual(executorsSilent(executors, 0, at), [])
    }
  })

  it('are heard of while one that may take over has synced lately', () => {
    const last = (ms: number, more: Partial<Executor> = {}) => executor('h', {leaseExpiresAt: now - ms + executorLeaseMs, ...more})
    assert.equal(isAnyHeard([last(60_000), last(30_000)], now), true)
    assert.equal(isAnyHeard([last(60_000), last(30_001)], now), false)
    for (const state of ['lost', 'cordoned', 'draining'] as const) assert.equal(isAnyHeard([last(0, {state})], now), false)
    assert.equal(isAnyHeard([], now), false)
  })

  it('find what was interrupted', () => {
    const executors = [executor('half', {state: 'lost', instances: 1}), executor('done', {state: 'lost'}), executor('fine', {instances: 3})]
    assert.deepEqual(executorsHalfLost(executors), ['half'])
  })
})

describe('what becomes of instances whose executor is silent', () => {
  const minutes = (count: number): number => count * 60_000
  const cases: [string, OnLost | undefined, boolean, number | undefined][] = [
    ['replaced after a lease, unless it says otherwise', undefined, false, executorLeaseMs],
    ['replaced when it says so', {action: 'replace', afterMs: minutes(2)}, false, minutes(2)],
    ['never replaced before a lease', {action: 'replace', afterMs: 1}, false, executorLeaseMs],
    ['kept for ever', {action: 'keep', afterMs: 0}, false, undefined],
    ['not kept once it is to stop', {action: 'keep', afterMs: 0}, true, executorLeaseMs],
    ['given up only well after its agent has stopped it', {action: 'stop', afterMs: minutes(5)}, false, minutes(5) + 3_000 + 30_000],
  ]
  for (const [what, onLost, stop, afterMs] of cases)
    it(what, () => {
      const held = {...(onLost !== undefined && {onLost}), stop}
      assert.equal(givenUpAfterMs(held), afterMs)
      if (afterMs === undefined) return assert.equal(isGivenUp(held, executor('far', {leaseExpiresAt: 0}), now), false)
      const leaseExpiresAt = now - afterMs + executorLeaseMs
      assert.deepEqual([isGivenUp(held, {leaseExpiresAt}, now), isGivenUp(held, {leaseExpiresAt: leaseExpiresAt - 1}, now)], [false, true])
    })

  it('is told to their owners', () => {
    const silent = {id: 'h2', leaseExpiresAt: now - 90_000}
    assert.equal(silenceReason({stop: false}, {...silent, leaseExpiresAt: now}, now), undefined)
    assert.equal(silenceReason({onLost: {action: 'keep', afterMs: 0}, stop: false}, silent, now), 'h2 has not been heard from for 2m; kept')
    assert.equal(
      silenceReason({onLost: {action: 'replace', afterMs: minutes(5)}, stop: false}, silent, now),
      'h2 has not been heard from for 2m; given up in 2m',
    )
    assert.equal(
      silenceReason({onLost: {action: 'stop', afterMs: minutes(5)}, stop: false}, silent, now),
      'h2 has not been heard from for 2m; it stops there after 5m; given up in 3m',
    )
    assert.equal(
      silenceReason({stop: false}, silent, now),
      'h2 has not been heard from for 2m; waited for until an executor that may take over is heard from',
    )
  })
})
