// The scheduler over the real embedded database: what is assigned where, and what several at once may not do.
import assert from 'node:assert/strict'
import {afterEach, beforeEach, test} from 'node:test'
import {createSchedulerFunction, type SchedulerEvent} from '#lambdas/scheduler/index.ts'
import {diskFreeMibMin, type ExecutorDescriptor} from '#shared/domain/executor.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {createExpressions} from '#shared/expressions.ts'
import {createLogger} from '#shared/log.ts'
import {startDatabase, type TestDatabase} from '../store/database.ts'
import {descriptor, pendingInstance} from '../store/samples.ts'

const start = 1_700_000_000_000
const log = createLogger('test', {level: 'silent'})
const formation = 'crm'
let database: TestDatabase

beforeEach(async () => {
  database = await startDatabase()
  await database.store.formations.create(formation, start)
})
afterEach(() => database.stop())

const schedulerAt = (now: number) => createSchedulerFunction({store: database.store, expressions: createExpressions(), now: () => now, log})
const tick: SchedulerEvent = {}

const join = (name: string, more: Partial<ExecutorDescriptor> = {}) => database.store.executors.join({...descriptor(name), ...more}, start)

const spawn = async (id: string, more: Partial<Instance> = {}): Promise<void> => {
  const {outcome} = await database.store.instances.spawn(pendingInstance(formation, 'users', id, more, start))
  assert.equal(outcome, 'ok')
}

const instance = async (id: string): Promise<Instance> => {
  const found = await database.store.instances.get(formation, id)
  assert.ok(found)
  return found
}

test('assigns a waiting instance where every requirement holds and the rank is highest', async () => {
  await join('a', {zone: 'office', tags: ['ssd']})
  await join('b', {zone: 'cellar', tags: ['ssd'], memoryMib: 8_192})
  await join('c', {zone: 'cellar', tags: ['ssd'], memoryMib: 16_384})
  await join('d', {zone: 'cellar', tags: [], memoryMib: 65_536})
  await spawn('one', {requirements: ['"ssd" in executor.tags', 'executor.zone == "cellar"'], rank: 'executor.memory_free'})
  await schedulerAt(start)(tick)
  const placed = await instance('one')
  assert.deepEqual([placed.state, placed.executor], ['assigned', 'c'])
  assert.deepEqual(
    (await database.store.executors.assignments('c')).map(({id}) => id),
    ['one'],
  )
})

test('spreads a service when its rank counts its own instances, those placed before included', async () => {
  for (const name of ['a', 'b', 'c']) await join(name)
  for (const id of ['one', 'two']) await spawn(id, {rank: '-executor.same_service'})
  await schedulerAt(start)(tick)
  await spawn('three', {rank: '-executor.same_service'})
  await schedulerAt(start)(tick)
  const executors = await Promise.all(['one', 'two', 'three'].map(async id => (await instance(id)).executor))
  assert.equal(new Set(executors).size, 3)
})

test('an instance that fits nowhere stays pending with the reason, written once, and is placed when an executor joins', async () => {
  await join('a', {cpuMilli: 500})
  await spawn('one', {resources: {cpuMilli: 2_000, memoryMib: 64}})
  await schedulerAt(start)(tick)
  const refused = await instance('one')
  assert.equal(refused.state, 'pending')
  assert.match(refused.reason ?? '', /short of CPU.*needs 1\.5 more cores/)
  await schedulerAt(start + 5_000)(tick)
  assert.equal((await instance('one')).updatedAt, refused.updatedAt)
  await join('b')
  await schedulerAt(start)(tick)
  const placed = await instance('one')
  assert.deepEqual([placed.state, placed.executor, placed.reason], ['assigned', 'b', undefined])
})

test('neither draining executors nor those whose lease is over get anything', async () => {
  await join('a')
  await spawn('one')
  await schedulerAt(start + 3_600_000)(tick)
  assert.equal((await instance('one')).state, 'pending')
  await database.store.executors.drain('a', start)
  await schedulerAt(start)(tick)
  assert.match((await instance('one')).reason ?? '', /not ready/)
})

test('schedulers that run at once never assign an instance twice nor exceed an executor', async () => {
  for (const name of ['a', 'b', 'c']) await join(name, {cpuMilli: 1_000})
  const ids = Array.from({length: 40}, (_, index) => `i${index}`)
  for (const id of ids) await spawn(id)
  await Promise.all(Array.from({length: 4}, () => schedulerAt(start)(tick)))
  await schedulerAt(start)(tick)

  const instances = await Promise.all(ids.map(instance))
  const placed = instances.filter(({state}) => state === 'assigned')
  assert.equal(placed.length, 30)
  const assignments: string[] = []
  for (const name of ['a', 'b', 'c']) {
    const executor = await database.store.executors.get(name)
    const held = await database.store.executors.assignments(name)
    assert.deepEqual([executor?.cpuMilliUsed, executor?.instances, held.length], [1_000, 10, 10])
    for (const {id} of held) assert.equal(instances.find(each => each.id === id)?.executor, name)
    assignments.push(...held.map(({id}) => id))
  }
  assert.equal(new Set(assignments).size, 30)
})

test('an instance once assigned never moves, whatever joins later', async () => {
  await join('a')
  await spawn('one', {rank: 'executor.memory_total'})
  await schedulerAt(start)(tick)
  await join('b', {memoryMib: 1_048_576})
  await Promise.all([schedulerAt(start)(tick), schedulerAt(start)(tick)])
  assert.equal((await instance('one')).executor, 'a')
})

const record = (before: object | undefined, after: object | undefined) =>
  ({dynamodb: {...(before && {OldImage: before}), ...(after && {NewImage: after})}}) as NonNullable<SchedulerEvent['Records']>[number]

const attributes = (type: string, state: string, instances = 0) => ({type: {S: type}, state: {S: state}, instances: {N: String(instances)}})

test('looks only at changes after which something may fit', async () => {
  let looked = 0
  const scheduler = createSchedulerFunction({
    store: {
      instances: {
        ...database.store.instances,
        pending: async () => {
          looked += 1
          return []
        },
      },
      executors: database.store.executors,
    },
    expressions: createExpressions(),
    now: () => start,
    log,
  })
  const looks = async (before: object | undefined, after: object | undefined): Promise<boolean> => {
    const sofar = looked
    await scheduler({Records: [record(before, after)]})
    return looked > sofar
  }
  assert.equal(await looks(undefined, attributes('instance', 'pending')), true)
  assert.equal(await looks(attributes('instance', 'pending'), attributes('instance', 'pending')), false)
  assert.equal(await looks(attributes('instance', 'pending'), attributes('instance', 'assigned')), false)
  assert.equal(await looks(undefined, attributes('executor', 'ready')), true)
  assert.equal(await looks(attributes('executor', 'ready', 1), attributes('executor', 'ready', 2)), false)
  assert.equal(await looks(attributes('executor', 'ready', 2), attributes('executor', 'ready', 1)), true)
  assert.equal(await looks(attributes('executor', 'draining'), attributes('executor', 'ready')), true)
  assert.equal(await looks(attributes('executor', 'ready'), attributes('executor', 'draining')), false)
  assert.equal(await looks(undefined, attributes('lease', 'ready')), false)
  assert.equal(await looks(attributes('executor', 'ready'), undefined), false)
})

test('places nothing on an executor whose disk is full, until that has room again', async () => {
  await join('full')
  await join('small', {cpuMilli: 100})
  await database.store.executors.renew('full', start, {diskFreeMib: diskFreeMibMin - 1})
  await spawn('one', {resources: {cpuMilli: 200, memoryMib: 64}})
  await schedulerAt(start)(tick)
  const waiting = await instance('one')
  assert.equal(waiting.state, 'pending')
  assert.match(waiting.reason ?? '', /1 not ready.*nearest: full: make room on its disk, for 128 MiB/)
  await database.store.executors.renew('full', start, {diskFreeMib: diskFreeMibMin})
  await schedulerAt(start)(tick)
  assert.equal((await instance('one')).executor, 'full')
})

test('places an instance where one like it failed only when it fits nowhere else', async () => {
  await join('a')
  await join('b', {cpuMilli: 1_000})
  for (const id of ['one', 'two', 'three']) await spawn(id, {avoid: ['a'], resources: {cpuMilli: 500, memoryMib: 64}})
  await schedulerAt(start)(tick)
  const placed = await Promise.all(['one', 'two', 'three'].map(async id => (await instance(id)).executor))
  assert.deepEqual(placed.sort(), ['a', 'b', 'b'])
})
