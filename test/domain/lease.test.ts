// When an executor is lost.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {type Executor, executorLeaseMs} from '#shared/domain/executor.ts'
import {executorsHalfLost, executorsLost} from '#shared/domain/lease.ts'
import {descriptor} from '#test/store/samples.ts'

const now = 1_800_000_000_000
const executor = (id: string, more: Partial<Executor> = {}): Executor => ({
  ...descriptor(id),
  cpuMilliUsed: 0,
  memoryMibUsed: 0,
  instances: 0,
  hostPorts: [],
  state: 'ready',
  joinedAt: 0,
  leaseExpiresAt: now - 1,
  assignmentVersion: 1,
  ...more,
})

describe('leases', () => {
  it('make an executor lost when they are over, draining or not, and once only', () => {
    const executors = [
      executor('late'),
      executor('draining', {state: 'draining'}),
      executor('alive', {leaseExpiresAt: now}),
      executor('lost', {state: 'lost'}),
    ]
    assert.deepEqual(executorsLost(executors, now - executorLeaseMs, now), ['late', 'draining'])
  })

  it('give everybody time after nobody watched', () => {
    assert.deepEqual(executorsLost([executor('late')], now - executorLeaseMs + 1, now), [])
  })

  it('find what was interrupted', () => {
    const executors = [executor('half', {state: 'lost', instances: 1}), executor('done', {state: 'lost'}), executor('fine', {instances: 3})]
    assert.deepEqual(executorsHalfLost(executors), ['half'])
  })
})
