// Why an instance is still on a draining executor, and whose host ports are whose.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import {type Executor, withMachinePorts} from '#shared/domain/executor.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {whyStillThere} from '#shared/domain/leaving.ts'
import {executorSample, pendingInstance} from '#test/store/samples.ts'

const instance = (id: string, more: Partial<Instance>): Instance => pendingInstance('crm', 'web', id, more, 0)

describe('what is left on a draining executor', () => {
  const leaving = executorSample('h1', {state: 'draining'})
  const here = instance('old', {state: 'running', executor: 'h1'})
  const why = (
    instances: readonly Instance[],
    more: Partial<Executor> = {},
    one = here,
    others = [executorSample('h2', {host: '10.0.0.2'})],
  ) => whyStillThere({instance: one, instances, executor: {...leaving, ...more}, executors: [leaving, ...others]})

  it('waits for what is to replace it, and says what that waits for', () => {
    assert.equal(why([here], {state: 'cordoned'}), undefined)
    assert.equal(why([here]), 'what is to replace it is not made yet')
    assert.equal(
      why([here, instance('new', {reason: 'no executor fits'})]),
      'web.new, which is to replace it, is not placed: no executor fits',
    )
    assert.equal(why([here, instance('new', {state: 'starting', executor: 'h2'})]), 'web.new, which is to replace it, starts on h2')
    const elsewhere = [instance('other', {release: 2}), instance('also', {state: 'starting', executor: 'h1'})]
    assert.equal(why([here, ...elsewhere]), 'what is to replace it is not made yet')
  })

  it('stops, was spawned, or has a port that only its machine has', () => {
    assert.equal(why([], {}, {...here, state: 'stopping'}), 'it stops')
    const spawned = 'it was spawned, and draining waits for it to end'
    assert.equal(why([], {}, {...here, origin: 'spawn'}), `${spawned}; stop it, or drain with a deadline`)
    assert.equal(why([], {drainBy: 1}, {...here, origin: 'spawn'}), `${spawned}; it is stopped at the deadline`)
    const fixed = {...here, ports: [{port: 80, hostPort: 8_080}]}
    const stuck =
      'it has host port 8080 of 127.0.0.1, and no ready executor is on another machine, so that none can have it first; stop it, or drain with a deadline'
    assert.equal(why([], {}, fixed, [executorSample('h2')]), stuck)
    assert.equal(why([], {}, fixed, [executorSample('h2'), executorSample('h3', {host: '10.0.0.3', state: 'cordoned'})]), stuck)
    assert.equal(why([], {}, fixed), 'what is to replace it is not made yet')
  })
})

describe('host ports', () => {
  it('are taken for all agents of a machine', () => {
    const all = [
      executorSample('a', {hostPorts: [80]}),
      executorSample('b', {hostPorts: [90]}),
      executorSample('other-host', {host: '10.0.0.2'}),
      executorSample('other-network', {network: 'office'}),
    ]
    assert.deepEqual(
      withMachinePorts(all).map(({hostPorts}) => hostPorts),
      [[80, 90], [80, 90], [], []],
    )
    const none = [executorSample('a'), executorSample('b')]
    assert.equal(withMachinePorts(none), none)
  })
})
