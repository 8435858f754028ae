// Growing and shrinking a group of machines: each decision by itself, and a stage simulated minute by minute with random demand.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import fc from 'fast-check'
import {
  type CapacityMemory,
  type CapacityView,
  capacityRulesDefault,
  decideCapacity,
  type Machine,
  type MachineGroup,
  nothingRemembered,
} from '#shared/domain/capacity.ts'
import type {Executor} from '#shared/domain/executor.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {futureExecutor, machineTypeOf, machineTypes, priced, usableMemoryMib} from '#shared/domain/machines.ts'
import {place} from '#shared/domain/placement.ts'
import {createExpressions} from '#shared/expressions.ts'
import {descriptor, pendingInstance} from '#test/store/samples.ts'

const expressions = createExpressions()
const rules = {stage: 'prod', ...capacityRulesDefault}
const {cooldownMs, emptyMs, joinMs} = rules
const start = 1_800_000_000_000
const minute = 60_000

const machine = (id: string, more: Partial<Machine> = {}): Machine => {
  return {id, type: 't4g.medium', zone: 'a', state: 'running', isProtected: false, ...more}
}
const executorOf = (id: string, more: Partial<Executor> = {}): Executor => {
  const type = machineTypeOf('t4g.medium') ?? assert.fail()
  return {...futureExecutor({id, type, zone: 'a', stage: 'prod'}, start), leaseExpiresAt: start * 2, ...more}
}
const waits = (id: string, more: Partial<Instance> = {}): Instance => pendingInstance('crm', 'web', id, more, start)
const groupOf = (machines: readonly Machine[], more: Partial<MachineGroup> = {}): MachineGroup => {
  const desired = machines.length
  return {min: 0, max: 10, desired, machines, types: ['t4g.medium', 'm7g.medium'], anyType: false, zones: ['a', 'b'], ...more}
}
const view = (more: Partial<CapacityView<Instance>>): CapacityView<Instance> => {
  return {executors: [], pending: [], placed: [], expressions, now: start, group: groupOf([]), memory: nothingRemembered, rules, ...more}
}
const stepsOf = (more: Partial<CapacityView<Instance>>) => decideCapacity(view(more)).steps
const full = executorOf('i-1', {instances: 3, cpuMilliUsed: 2_000})
const one = groupOf([machine('i-1')])
const busy = {group: one, executors: [full], pending: [waits('a')]}
const seenEmpty = (at: number, ...ids: string[]): CapacityMemory => {
  const times = Object.fromEntries(ids.map(id => [id, at]))
  return {...nothingRemembered, seenAt: times, emptySince: times}
}

describe('capacity: one more', () => {
  it('when something waits that fits nowhere, and a machine of the group would take it', () => {
    assert.deepEqual(stepsOf(busy), [{kind: 'grow', desired: 2, waiting: 1}])
    assert.deepEqual(stepsOf({...busy, group: groupOf([], {min: 0}), executors: []}), [{kind: 'grow', desired: 1, waiting: 1}])
  })

  it('not when it fits somewhere, when nothing waits, or at the maximum', () => {
    assert.deepEqual(stepsOf({...busy, executors: [executorOf('i-1', {instances: 1})]}), [])
    assert.deepEqual(stepsOf({...busy, pending: []}), [])
    assert.deepEqual(stepsOf({...busy, group: {...one, max: 1}}), [])
  })

  it('not when no machine of the group would take it', () => {
    for (const change of [
      {resources: {cpuMilli: 2_001, memoryMib: 64}},
      {resources: {cpuMilli: 100, memoryMib: 4_096}},
      {requirements: ['"ssd" in executor.tags']},
      {requirements: ['executor.zone == "a"']},
      {runtime: 'docker' as const},
    ])
      assert.deepEqual(stepsOf({...busy, pending: [waits('a', change)]}), [], JSON.stringify(change))
    assert.deepEqual(stepsOf({...busy, group: {...one, types: ['z9.huge']}}), [], 'of a type that nobody knows')
  })

  it('as its executor will be: with the tag, network, label, type and price of its kind', () => {
    const requirements = [
      '"ec2" in executor.tags',
      'executor.network == "aws-prod"',
      'executor.labels.machine == "t4g.medium"',
      'executor.type == "t4g.medium" && executor.price < 0.04',
    ]
    assert.equal(stepsOf({...busy, pending: [waits('a', {requirements})]}).length, 1)
  })

  it('of spot machines only when every type would do, since any may come', () => {
    const needsTwo = [waits('a', {resources: {cpuMilli: 1_500, memoryMib: 64}})]
    assert.equal(stepsOf({...busy, pending: needsTwo}).length, 1)
    assert.equal(stepsOf({...busy, pending: needsTwo, group: {...one, anyType: true}}).length, 0)
  })

  it('never while one is on its way that would do', () => {
    assert.deepEqual(stepsOf({...busy, group: {...one, desired: 2}}), [], 'asked for and not there')
    const launching = groupOf([machine('i-1'), machine('i-2', {state: 'launching'})])
    assert.deepEqual(stepsOf({...busy, group: launching}), [])
    const joining = groupOf([machine('i-1'), machine('i-2')])
    assert.deepEqual(stepsOf({...busy, group: joining}), [])
    const many = Array.from({length: 5}, (_, at) => waits(`a${at}`, {resources: {cpuMilli: 1_000, memoryMib: 64}}))
    assert.deepEqual(stepsOf({...busy, group: joining, pending: many}), [{kind: 'grow', desired: 3, waiting: 2}], 'one that would not do')
  })

  it('but for one that has been on its way for too long', () => {
    const joining = groupOf([machine('i-1'), machine('i-2')])
    const memory = {...nothingRemembered, seenAt: {'i-2': start - joinMs - 1}}
    assert.deepEqual(stepsOf({...busy, group: joining, memory}), [{kind: 'grow', desired: 3, waiting: 1}])
  })

  it('at most every so often', () => {
    const {memory} = decideCapacity(view(busy))
    assert.equal(memory.grownAt, start)
    assert.deepEqual(stepsOf({...busy, memory, now: start + cooldownMs - 1}), [])
    assert.equal(stepsOf({...busy, memory, now: start + cooldownMs}).length, 1)
  })
})

describe('capacity: one fewer', () => {
  const two = groupOf([machine('i-1'), machine('i-2')], {min: 1})
  const idle = [full, executorOf('i-2')]

  it('is drained first, when it has been empty for long enough', () => {
    const {memory} = decideCapacity(view({group: two, executors: idle}))
    assert.deepEqual(memory.emptySince, {'i-2': start})
    assert.deepEqual(stepsOf({group: two, executors: idle, memory, now: start + emptyMs - 1}), [])
    const later = decideCapacity(view({group: two, executors: idle, memory, now: start + emptyMs}))
    assert.deepEqual(later.steps, [{kind: 'drain', machine: 'i-2'}])
    assert.deepEqual(Object.keys(later.memory.drainedAt), ['i-2'])
  })

  it('begins to count anew when it had something to run', () => {
    const memory = seenEmpty(start - emptyMs, 'i-2')
    const used = decideCapacity(view({group: two, executors: [full, executorOf('i-2', {instances: 1})], memory}))
    assert.deepEqual(used.memory.emptySince, {})
  })

  it('is never below the minimum, never while something waits or a machine is on its way, never a protected one', () => {
    const memory = seenEmpty(start - emptyMs, 'i-1', 'i-2')
    const both = {executors: [executorOf('i-1'), executorOf('i-2')], memory}
    assert.equal(stepsOf({...both, group: two}).length, 1)
    assert.deepEqual(stepsOf({...both, group: {...two, min: 2}}), [])
    const impossible = [waits('a', {resources: {cpuMilli: 64_000, memoryMib: 64}})]
    assert.deepEqual(stepsOf({...both, group: two, pending: impossible}), [])
    assert.deepEqual(stepsOf({...both, group: {...two, desired: 3}}), [])
    const isProtected = true
    assert.deepEqual(stepsOf({...both, group: groupOf([machine('i-1', {isProtected}), machine('i-2', {isProtected})])}), [])
  })

  it('is the dearest, and of equals the one that has been empty for longest', () => {
    const memory = {...seenEmpty(start - emptyMs, 'i-1'), emptySince: {'i-1': start - emptyMs, 'i-2': start - 2 * emptyMs}}
    const dear = [executorOf('i-1', {pricePerHour: 1}), executorOf('i-2')]
    assert.deepEqual(stepsOf({group: two, executors: dear, memory}), [{kind: 'drain', machine: 'i-1'}])
    const same = [executorOf('i-1'), executorOf('i-2')]
    assert.deepEqual(stepsOf({group: two, executors: same, memory}), [{kind: 'drain', machine: 'i-2'}])
  })

  const draining = [full, executorOf('i-2', {state: 'draining'})]
  const memory: CapacityMemory = {...seenEmpty(start - emptyMs, 'i-2'), drainedAt: {'i-2': start}}

  it('ends when it is drained', () => {
    assert.deepEqual(stepsOf({group: two, executors: draining, memory}), [
      {kind: 'end', machine: 'i-2', replace: false, reason: 'empty and drained'},
    ])
  })

  it('is kept when it got something at the last moment, when it is needed again, or when the minimum was raised', () => {
    const keep = [{kind: 'keep', machine: 'i-2'}]
    assert.deepEqual(stepsOf({group: two, executors: [full, executorOf('i-2', {state: 'draining', instances: 1})], memory}), keep)
    assert.deepEqual(stepsOf({group: two, executors: draining, memory, pending: [waits('a')]}), keep, 'rather than one more')
    assert.deepEqual(stepsOf({group: {...two, min: 2}, executors: draining, memory}), keep)
  })

  it('is not one that an operator drains', () => {
    assert.deepEqual(stepsOf({group: two, executors: draining, memory: seenEmpty(start - 2 * emptyMs, 'i-2')}), [])
    const undrained = decideCapacity(view({group: two, executors: [full, executorOf('i-2')], memory}))
    assert.deepEqual(undrained.memory.drainedAt, {}, 'nor one whose drain an operator has ended')
  })
})

describe('capacity: silent machines', () => {
  it('are replaced when they do not join, or are lost for long, one at a time', () => {
    const group = groupOf([machine('i-1'), machine('i-2')], {min: 2})
    const memory = seenEmpty(start - joinMs - 1, 'i-1', 'i-2')
    assert.deepEqual(stepsOf({group, memory}), [{kind: 'end', machine: 'i-1', replace: true, reason: 'its agent never joined'}])
    const lost = {state: 'lost', leaseExpiresAt: start - joinMs - 1} as const
    assert.deepEqual(stepsOf({group: {...group, min: 1}, executors: [full, executorOf('i-2', lost)]}), [
      {kind: 'end', machine: 'i-2', replace: false, reason: 'its executor is lost'},
    ])
    assert.deepEqual(stepsOf({group, executors: [full, executorOf('i-2', {...lost, leaseExpiresAt: start - joinMs})]}), [])
  })

  it('are forgotten when they are gone', () => {
    const memory = {...seenEmpty(start, 'i-1', 'i-2', 'i-3'), drainedAt: {'i-3': start}}
    const {seenAt, emptySince, drainedAt} = decideCapacity(view({group: one, executors: [full], memory})).memory
    assert.deepEqual([Object.keys(seenAt), emptySince, drainedAt], [['i-1'], {}, {}])
  })
})

/** Machines join a minute after they were asked for; demand is what waits or runs. */
const simulate = (demand: readonly number[], min: number, max: number) => {
  let memory = nothingRemembered
  let born = 0
  let machines: {id: string; joinsAt: number; isDraining: boolean; instances: number}[] = []
  const history: {size: number; ran: number; asked: number; steps: number}[] = []
  const add = (now: number) => void machines.push({id: `i-${born++}`, joinsAt: now + minute, isDraining: false, instances: 0})
  for (let at = 0; at < min; at++) add(start - minute)
  demand.forEach((asked, at) => {
    const now = start + at * minute
    const joined = machines.filter(({joinsAt}) => joinsAt <= now)
    // The scheduler, with two instances to a machine; what is not asked for any more ends.
    let left = asked
    for (const each of joined) {
      each.instances = Math.min(2, left, each.isDraining ? each.instances : 2)
      left -= each.instances
    }
    const executors = joined.map(({id, isDraining, instances}) => {
      const state = isDraining ? 'draining' : 'ready'
      return executorOf(id, {state, instances, cpuMilliUsed: instances * 1_000})
    })
    const pending = Array.from({length: left}, (_, n) => waits(`p${n}`, {resources: {cpuMilli: 1_000, memoryMib: 64}}))
    const group = groupOf(
      machines.map(({id, joinsAt}) => machine(id, {state: joinsAt > now ? 'launching' : 'running'})),
      {min, max},
    )
    const decision = decideCapacity(view({group, executors, pending, memory, now}))
    memory = decision.memory
    for (const step of decision.steps) {
      if (step.kind === 'grow') add(now)
      else if (step.kind === 'end') {
        assert.equal(machines.find(({id}) => id === step.machine)?.instances, 0, 'nothing ends that runs something')
        machines = machines.filter(({id}) => id !== step.machine)
      } else machines = machines.map(each => (each.id === step.machine ? {...each, isDraining: step.kind === 'drain'} : each))
    }
    history.push({size: machines.length, ran: asked - left, asked, steps: decision.steps.length})
  })
  return history
}

describe('capacity: a stage over time', () => {
  const anyDemand = fc.array(fc.integer({min: 0, max: 24}), {minLength: 1, maxLength: 60})
  const bounds = fc.tuple(fc.nat(3), fc.integer({min: 3, max: 12}))

  it('stays within its bounds, runs all that fits in the end, then gives back what it does not need and rests', () => {
    fc.assert(
      fc.property(anyDemand, bounds, fc.integer({min: 0, max: 30}), (demand, [min, max], last) => {
        const calm = Array.from({length: 200}, () => last)
        const history = simulate([...demand, ...calm], min, max)
        for (const {size} of history) assert.ok(size >= min && size <= max, `${size} machines`)
        const end = history.at(-1)
        assert.equal(end?.ran, Math.min(last, 2 * max))
        const need = Math.min(max, Math.max(min, Math.ceil(last / 2)))
        assert.equal(end?.size, need)
        assert.ok(history.slice(-10).every(({steps}) => steps === 0))
      }),
      {numRuns: 100},
    )
  })
})

describe('machine types', () => {
  it('are told apart by name, and leave the system its share of memory', () => {
    assert.equal(new Set(machineTypes.map(({name}) => name)).size, machineTypes.length)
    for (const type of machineTypes) assert.ok(usableMemoryMib(type) < type.memoryMib && type.pricePerHour > 0 && type.cpuMilli >= 1_000)
  })

  it('give an executor its price unless its operator did', () => {
    assert.equal(priced({...descriptor('e'), machineType: 'm7g.large'}).pricePerHour, 0.0816)
    assert.equal(priced({...descriptor('e'), machineType: 'm7g.large', pricePerHour: 2}).pricePerHour, 2)
    assert.equal(priced({...descriptor('e'), machineType: 'mine'}).pricePerHour, 0)
    assert.equal(priced(descriptor('e')).pricePerHour, 0)
  })

  it('fit what placement says fits', () => {
    const type = machineTypeOf('c7g.large') ?? assert.fail()
    const executor = futureExecutor({id: 'i', type, zone: 'a', stage: 'prod'}, start)
    const fitting = waits('a', {resources: {cpuMilli: 2_000, memoryMib: usableMemoryMib(type)}})
    assert.equal(place({executors: [executor], pending: [fitting], placed: [], expressions, now: start}).assignments.length, 1)
  })
})
