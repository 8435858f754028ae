// The limits of one scheduler run: plans, reasons written, lists loaded.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {createSchedulerFunction, plansPerEventMax, type SchedulerDeps} from '#lambdas/scheduler/index.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {createExpressions} from '#shared/expressions.ts'
import {createLogger} from '#shared/log.ts'
import {executorOf, now} from '../placement/arbitraries.ts'
import {pendingInstance} from '../store/samples.ts'

interface Calls {
  plans: number
  lists: string[]
  refused: string[]
}

/** A store that says what a test wants to happen; the real one is used in scheduler.test.ts. */
const depsWith = (
  pending: readonly Instance[],
  assign: SchedulerDeps['store']['instances']['assign'],
): {deps: SchedulerDeps; calls: Calls} => {
  const calls: Calls = {plans: 0, lists: [], refused: []}
  const deps: SchedulerDeps = {
    store: {
      instances: {
        pending: async () => {
          calls.plans += 1
          return pending
        },
        list: async formation => {
          calls.lists.push(formation)
          return []
        },
        assign,
        refuse: async (_formation, id) => {
          calls.refused.push(id)
          return {outcome: 'ok'}
        },
      },
      executors: {list: async () => [executorOf('a', {cpuMilli: 1_000_000, memoryMib: 1_000_000})]},
    },
    expressions: createExpressions(),
    now: () => now,
    log: createLogger('test', {level: 'silent'}),
  }
  return {deps, calls}
}

const waiting = (count: number, more: Partial<Instance> = {}): Instance[] =>
  Array.from({length: count}, (_, at) => pendingInstance('crm', 'users', `i${at}`, more, now))

test('a scheduler that loses every race gives up after a few plans', async () => {
  const {deps, calls} = depsWith(waiting(3), async (_executor, instances) => ({assigned: [], refused: instances}))
  await createSchedulerFunction(deps)({})
  assert.equal(calls.plans, plansPerEventMax)
})

test('what it assigned itself is not planned again, even while the list of what waits lags behind', async () => {
  const given: string[] = []
  const {deps, calls} = depsWith(waiting(3), async (_executor, instances) => {
    given.push(...instances.map(({id}) => id))
    const [first, ...rest] = instances
    return {assigned: first === undefined ? [] : [first], refused: rest}
  })
  await createSchedulerFunction(deps)({})
  assert.equal(calls.plans, 3)
  assert.deepEqual(given, ['i0', 'i1', 'i2', 'i1', 'i2', 'i2'])
})

test('reasons are written for a bounded number of instances at once', async () => {
  const {deps, calls} = depsWith(waiting(1_000, {requirements: ['"ssd" in executor.tags']}), async () => assert.fail('nothing fits'))
  await createSchedulerFunction(deps)({})
  assert.equal(calls.refused.length, 200)
})

test('a reason that only changed its figures is not written anew at once', async () => {
  const told = (id: string, updatedAt: number): Instance =>
    pendingInstance('crm', 'users', id, {requirements: ['"ssd" in executor.tags'], reason: 'of 2 executors none fits', updatedAt}, now)
  const {deps, calls} = depsWith([told('old', now - 10_000), told('fresh', now - 9_999)], async () => assert.fail('nothing fits'))
  await createSchedulerFunction(deps)({})
  assert.deepEqual(calls.refused, ['old'])
})

test('neighbours are loaded only for formations whose texts count them', async () => {
  const plain = pendingInstance('plain', 'users', 'a', {}, now)
  const counting = pendingInstance('counting', 'users', 'b', {rank: '-executor.same_service'}, now)
  const requiring = pendingInstance('requiring', 'users', 'c', {requirements: ['executor.same_formation < 9']}, now)
  const {deps, calls} = depsWith([plain, counting, requiring], async (_executor, instances) => ({assigned: instances, refused: []}))
  await createSchedulerFunction(deps)({})
  assert.deepEqual(calls.lists, ['counting', 'requiring'])
})

test('a fault of the store is the caller’s to retry', async () => {
  const {deps} = depsWith(waiting(1), async () => {
    throw new Error('database away')
  })
  await assert.rejects(createSchedulerFunction(deps)({}), /database away/)
})
