// The capacity function over the embedded database, with Auto Scaling as a state machine behind the SDK's client: growing, shrinking, draining, ending.
import assert from 'node:assert/strict'
import {afterEach, beforeEach, describe, it} from 'node:test'
import {AutoScalingClient, SetDesiredCapacityCommand} from '@aws-sdk/client-auto-scaling'
import type {SQSEvent} from 'aws-lambda'
import {createMachines} from '#lambdas/aws/machines.ts'
import {drainMsMax} from '#lambdas/capacity/drain.ts'
import {type CapacityDeps, type CapacityEvent, createCapacityFunction} from '#lambdas/capacity/index.ts'
import {createSchedulerFunction} from '#lambdas/scheduler/index.ts'
import {capacityRulesDefault} from '#shared/domain/capacity.ts'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import {machineNetwork} from '#shared/domain/machines.ts'
import {createExpressions} from '#shared/expressions.ts'
import {createLogger} from '#shared/log.ts'
import {startDatabase, type TestDatabase} from '#test/store/database.ts'
import {descriptor, pendingInstance, reportOf} from '#test/store/samples.ts'
import {fakeGroup, groupName} from './auto-scaling.ts'

const log = createLogger('test', {level: 'silent'})
const minute = 60_000
const schedule = {'detail-type': 'Scheduled Event', id: 'tick', detail: {}} as CapacityEvent
const {emptyMs, joinMs} = capacityRulesDefault

describe('capacity of a stage on EC2', () => {
  let database: TestDatabase
  let group: ReturnType<typeof fakeGroup>
  let deps: CapacityDeps
  let capacity: ReturnType<typeof createCapacityFunction>
  let clock: {now: number}
  let client: AutoScalingClient

  beforeEach(async () => {
    database = await startDatabase()
    clock = {now: 1_800_000_000_000}
    client = new AutoScalingClient({region: 'eu-west-1', credentials: {accessKeyId: 'none', secretAccessKey: 'none'}})
    group = fakeGroup(client, {min: 1, max: 3})
    const machines = createMachines({client, group: groupName})
    const {store} = database
    const rules = {stage: 'prod', ...capacityRulesDefault}
    const now = () => clock.now
    deps = {store, machines, release: machines.release, group: groupName, rules, expressions: createExpressions(), log, now}
    capacity = createCapacityFunction(deps)
    await store.formations.create('crm', clock.now)
  })
  afterEach(() => database.stop())

  const join = async (id: string): Promise<void> => {
    const size = {cpuMilli: 2_000, memoryMib: 3_800, machineType: 't4g.medium', runtimes: ['process'] as const}
    const joined = await database.store.executors.join({...descriptor(id), ...size, network: machineNetwork('prod')}, clock.now)
    assert.equal(joined.outcome, 'ok')
  }
  /** Machines start and join, executors renew, the scheduler places, the schedule ticks. */
  const pass = async (minutes = 1): Promise<string[]> => {
    const {store} = database
    for (let n = 0; n < minutes; n++) {
      clock.now += minute
      group.next()
      for (const {id, state} of group.machines) {
        if (state === 'Pending') continue
        if ((await store.executors.renew(id, clock.now)).outcome === 'missing') await join(id)
      }
      await createSchedulerFunction({store, expressions: deps.expressions, log, now: () => clock.now})({})
      await capacity(schedule)
    }
    return group.called()
  }
  const spawn = async (id: string, cpuMilli = 1_500) => {
    const instance = pendingInstance('crm', 'web', id, {resources: {cpuMilli, memoryMib: 64}}, clock.now)
    assert.equal((await database.store.instances.spawn(instance)).outcome, 'ok')
  }
  const executorOf = async (id: string) => (await database.store.instances.get('crm', id))?.executor
  const finish = async (id: string) => {
    const executor = (await executorOf(id)) ?? assert.fail(`${id} runs nowhere`)
    await database.store.instances.report(executor, reportOf('crm', 'web', id, 'stopped', false), clock.now)
    return executor
  }
  const terminating = (machine: string, time = new Date(clock.now).toISOString(), messageId = 'm1'): SQSEvent => {
    const detail = {AutoScalingGroupName: groupName, LifecycleHookName: 'drain', LifecycleActionToken: `token of ${machine}`}
    const event = {'detail-type': 'EC2 Instance-terminate Lifecycle Action', time, detail: {...detail, EC2InstanceId: machine}}
    return {Records: [{messageId, body: JSON.stringify(event)}]} as SQSEvent
  }
  const done = {batchItemFailures: []}
  const again = {batchItemFailures: [{itemIdentifier: 'm1'}]}

  it('grows by one machine for what fits nowhere, waits until it has joined, and gives it back when it has long been empty', async () => {
    await pass(2)
    await spawn('aaaaaaaaa0')
    await spawn('aaaaaaaaa1')
    assert.deepEqual(await pass(), ['desired 2'])
    assert.deepEqual(await pass(3), [], 'one was enough, and nothing more was asked for while it started')
    const machine = (await executorOf('aaaaaaaaa1')) ?? assert.fail('placed on the new machine')
    assert.notEqual(machine, await executorOf('aaaaaaaaa0'))
    await finish('aaaaaaaaa1')
    assert.deepEqual(await pass(emptyMs / minute), [], 'not yet')
    assert.deepEqual(await pass(2), [`end ${machine}`])
    assert.equal((await database.store.executors.get(machine))?.state, 'draining')
    assert.deepEqual(await capacity(terminating(machine)), done)
    assert.deepEqual(group.called(), [`ended ${machine}`])
    const {items} = await database.store.audit.list({limit: 100}, clock.now)
    assert.deepEqual(
      // The clock stands still here: what is noted at one time has no order.
      items.map(({who, action, what, to}) => JSON.stringify([who.name, action, what, to])).sort(),
      [
        ['capacity', 'executor.drain', `executor ${machine}`, {state: 'draining'}],
        ['capacity', 'machine.end', `machine ${machine}`, {instances: 0, late: false}],
        ['capacity', 'machine.end', `machine ${machine}`, {instances: 0, replace: false}],
      ].map(each => JSON.stringify(each)),
    )
    assert.deepEqual(await pass(5), [])
    assert.deepEqual([group.desired, group.machines.length], [1, 1])
  })

  it('takes a drained machine back when something waits for it, and does not end one that got something at the last moment', async () => {
    await pass(2)
    await spawn('aaaaaaaaa0')
    await spawn('aaaaaaaaa1')
    await pass(3)
    const machine = await finish('aaaaaaaaa1')
    await pass(emptyMs / minute + 1)
    assert.equal((await database.store.executors.get(machine))?.state, 'draining')
    await spawn('aaaaaaaaa2')
    assert.deepEqual(await pass(), [])
    assert.equal((await database.store.executors.get(machine))?.state, 'ready')
    await pass()
    assert.equal(await executorOf('aaaaaaaaa2'), machine)
  })

  it('never asks for more than the group may have, nor for what no machine would fit', async () => {
    await pass(2)
    for (let n = 0; n < 6; n++) await spawn(`aaaaaaaaa${n}`)
    await pass(10)
    assert.deepEqual([group.desired, group.machines.length], [3, 3])
    for (let n = 0; n < 6; n++) if (await executorOf(`aaaaaaaaa${n}`)) await finish(`aaaaaaaaa${n}`)
    await pass(3)
    const before = group.desired
    await spawn('toolarge00', 4_000)
    assert.deepEqual(
      (await pass(3)).filter(call => call.startsWith('desired')),
      [],
    )
    assert.equal(group.desired, before)
  })

  it('does each thing once, however many look at the same time', async () => {
    await pass(2)
    await spawn('aaaaaaaaa0')
    await spawn('aaaaaaaaa1')
    await createSchedulerFunction({store: database.store, expressions: deps.expressions, log, now: () => clock.now})({})
    await Promise.all(Array.from({length: 8}, () => capacity(schedule)))
    assert.deepEqual(group.called(), ['desired 2'])
    await Promise.all(Array.from({length: 8}, () => capacity(schedule)))
    assert.deepEqual(group.called(), [])
  })

  it('asks again after a wait when Auto Scaling did not take it', async () => {
    await pass(2)
    await spawn('aaaaaaaaa0')
    await spawn('aaaaaaaaa1')
    group.mock.on(SetDesiredCapacityCommand).rejectsOnce(Object.assign(new Error('Rate exceeded'), {name: 'ThrottlingException'}))
    await assert.rejects(pass(), /Rate exceeded/)
    await capacity(schedule)
    assert.equal(group.desired, 1)
    group.mock.on(SetDesiredCapacityCommand).callsFake(({DesiredCapacity}) => void group.calls.push(`desired ${DesiredCapacity}`))
    assert.deepEqual(await pass(), ['desired 2'])
  })

  it('replaces a machine whose agent never joined, or is lost for long', async () => {
    await pass(2)
    const [first] = group.machines
    clock.now += executorLeaseMs + 1
    await database.store.executors.markLost(first?.id ?? '', clock.now)
    clock.now += joinMs
    await capacity(schedule)
    assert.deepEqual(group.called(), [`end ${first?.id} and replace it`])
    await capacity(schedule)
    assert.deepEqual(group.called(), [], 'once: it is leaving')
  })

  it('looks at nothing where there is no such group', async () => {
    const capacityOfOther = createCapacityFunction({...deps, machines: createMachines({client, group: 'other'}), group: 'other'})
    await spawn('aaaaaaaaa0')
    assert.deepEqual(await capacityOfOther(schedule), done)
    assert.deepEqual(group.called(), [])
  })

  describe('a machine that is to end', () => {
    beforeEach(async () => {
      await pass(2)
      await spawn('aaaaaaaaa0')
      await pass()
      for (const machine of group.machines) machine.state = 'Terminating:Wait'
    })

    it('stays until nothing runs there, then may go', async () => {
      const machine = (await executorOf('aaaaaaaaa0')) ?? assert.fail()
      assert.deepEqual(await capacity(terminating(machine)), again)
      assert.equal((await database.store.executors.get(machine))?.state, 'draining')
      assert.deepEqual(group.called(), [])
      await finish('aaaaaaaaa0')
      assert.deepEqual(await capacity(terminating(machine)), done)
      assert.deepEqual(group.called(), [`ended ${machine}`])
    })

    it('goes whatever it runs when the time is over', async () => {
      const machine = (await executorOf('aaaaaaaaa0')) ?? assert.fail()
      const time = new Date(clock.now).toISOString()
      clock.now += drainMsMax - 1
      assert.deepEqual(await capacity(terminating(machine, time)), again)
      clock.now += 1
      assert.deepEqual(await capacity(terminating(machine, time)), done)
      assert.deepEqual(group.called(), [`ended ${machine}`])
    })

    it('goes at once when it never joined; is asked for again when it could not be let go, or the message is nonsense', async () => {
      group.machines.push({id: 'i-stranger', type: 't4g.medium', zone: 'a', state: 'Terminating:Wait'})
      assert.deepEqual(await capacity(terminating('i-stranger')), done)
      assert.deepEqual(await capacity(terminating('i-gone')), again)
      assert.deepEqual(await capacity({Records: [{messageId: 'm1', body: 'nonsense'}]} as SQSEvent), again)
    })
  })

  it('drains a machine that spot takes back, and cares for no machine of others', async () => {
    await pass(2)
    const machine = group.machines[0]?.id ?? assert.fail()
    const warning = (id: string): SQSEvent => {
      const detail = {'instance-id': id, 'instance-action': 'terminate'}
      return {
        Records: [{messageId: 'm1', body: JSON.stringify({'detail-type': 'EC2 Spot Instance Interruption Warning', detail})}],
      } as SQSEvent
    }
    assert.deepEqual(await capacity(warning(machine)), done)
    assert.equal((await database.store.executors.get(machine))?.state, 'draining')
    assert.deepEqual(await capacity(warning('i-somebodys')), done)
    assert.deepEqual(await pass(20), [], 'it is not ours to end')
  })
})
