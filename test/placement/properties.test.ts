// Properties of every plan, over random executors and instances, against the definition in oracle.ts.

import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import type {Executor} from '#shared/domain/executor.ts'
import {type PendingInstance, type Plan, place} from '#shared/domain/placement.ts'
import {explain} from '#shared/domain/placement-explain.ts'
import {offersRuntime} from '#shared/domain/release.ts'
import {createExpressions} from '#shared/expressions.ts'
import {executors, now, pending, placed} from './arbitraries.ts'
import {canTake, placeByDefinition} from './oracle.ts'

const expressions = createExpressions()
const runs = {numRuns: 400}

const mapping = (plan: Plan<PendingInstance>): Record<string, string> =>
  Object.fromEntries(plan.assignments.map(({instance, executor}) => [instance.id, executor.id]))

const shuffled = <T>(items: readonly T[]): fc.Arbitrary<T[]> => fc.shuffledSubarray([...items], {minLength: items.length})

test('every instance is assigned or refused, exactly once', () => {
  fc.assert(
    fc.property(executors, pending, placed, (all, waiting, before) => {
      const plan = place({executors: all, pending: waiting, placed: before, expressions, now})
      const seen = [...plan.assignments.map(({instance}) => instance), ...plan.unplaced.flatMap(({instances}) => instances)]
      assert.deepEqual(seen.map(({id}) => id).sort(), waiting.map(({id}) => id).sort())
    }),
    runs,
  )
})

test('an executor is never given more than it has', () => {
  fc.assert(
    fc.property(executors, pending, (all, waiting) => {
      const {assignments} = place({executors: all, pending: waiting, placed: [], expressions, now})
      for (const executor of all) {
        const given = assignments.filter(({executor: {id}}) => id === executor.id).map(({instance}) => instance)
        if (given.length === 0) continue
        const cpu = given.reduce((sum, {resources}) => sum + resources.cpuMilli, executor.cpuMilliUsed)
        const memory = given.reduce((sum, {resources}) => sum + resources.memoryMib, executor.memoryMibUsed)
        const ports = [...executor.hostPorts, ...given.flatMap(each => each.ports.flatMap(({hostPort}) => hostPort ?? []))]
        assert.ok(cpu <= executor.cpuMilli && memory <= executor.memoryMib)
        assert.ok(given.every(({runtime}) => offersRuntime(executor.runtimes, runtime)))
        if (given.some(each => each.ports.some(({hostPort}) => hostPort !== undefined))) assert.equal(new Set(ports).size, ports.length)
        assert.ok(executor.state === 'ready' && executor.leaseExpiresAt > now)
      }
    }),
    runs,
  )
})

test('no instance goes where a requirement fails: replaying the plan, every step is allowed', () => {
  fc.assert(
    fc.property(executors, pending, placed, (all, waiting, before) => {
      const state = new Map(all.map(executor => [executor.id, executor]))
      const neighbours = [...before]
      for (const {instance, executor} of place({executors: all, pending: waiting, placed: before, expressions, now}).assignments) {
        const present = state.get(executor.id) as Executor
        assert.ok(canTake(present, instance, neighbours, expressions))
        state.set(executor.id, {
          ...present,
          cpuMilliUsed: present.cpuMilliUsed + instance.resources.cpuMilli,
          memoryMibUsed: present.memoryMibUsed + instance.resources.memoryMib,
          instances: present.instances + 1,
          hostPorts: [...present.hostPorts, ...instance.ports.flatMap(({hostPort}) => hostPort ?? [])],
        })
        neighbours.push({formation: instance.formation, service: instance.service, executor: executor.id})
      }
    }),
    runs,
  )
})

test('the plan is the one its definition gives: highest rank each time, the first id of equals', () => {
  fc.assert(
    fc.property(executors, pending, placed, (all, waiting, before) => {
      const steps = placeByDefinition(all, waiting, before, expressions)
      const wanted = Object.fromEntries(steps.flatMap(({instance, executor}) => (executor === undefined ? [] : [[instance.id, executor]])))
      assert.deepEqual(mapping(place({executors: all, pending: waiting, placed: before, expressions, now})), wanted)
    }),
    {numRuns: 1_000},
  )
})

test('the order in which executors and instances are listed does not matter', () => {
  fc.assert(
    fc.property(
      fc.tuple(executors, pending, placed).chain(([all, waiting, before]) =>
        fc.record({
          all: fc.constant(all),
          waiting: fc.constant(waiting),
          before: fc.constant(before),
          other: shuffled(all),
          later: shuffled(waiting),
        }),
      ),
      ({all, waiting, before, other, later}) => {
        const one = place({executors: all, pending: waiting, placed: before, expressions, now})
        const two = place({executors: other, pending: later, placed: [...before].reverse(), expressions, now})
        assert.deepEqual(mapping(two), mapping(one))
        assert.deepEqual(
          two.unplaced.map(({reason}) => reason),
          one.unplaced.map(({reason}) => reason),
        )
      },
    ),
    runs,
  )
})

test('explain tells what place does', () => {
  fc.assert(
    fc.property(executors, pending, placed, (all, [instance], before) => {
      if (instance === undefined) return
      const explanation = explain({request: instance, executors: all, placed: before, expressions, now})
      const plan = place({executors: all, pending: [instance], placed: before, expressions, now})
      assert.equal(explanation.candidates[0]?.executor, plan.assignments[0]?.executor.id)
      assert.equal(explanation.candidates.length + explanation.refusals.length, all.length)
      for (const {reasons, change} of explanation.refusals) assert.ok(reasons.length > 0 && change !== '')
      assert.equal(explanation.change !== undefined, explanation.candidates.length === 0 && all.length > 0)
      const [unplaced] = plan.unplaced
      if (unplaced !== undefined) assert.deepEqual(unplaced.refusals, explanation.refusals.slice(0, unplaced.refusals.length))
    }),
    runs,
  )
})
