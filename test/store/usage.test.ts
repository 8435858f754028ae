// Whatever happens to instances, in whatever order and at the same time: what an executor is said to hold is what its placed instances need.
import assert from 'node:assert/strict'
import {after, before, it} from 'node:test'
import fc from 'fast-check'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import {type Instance, isPlaced, isTerminal} from '#shared/domain/instance.ts'
import {startDatabase, type TestDatabase} from './database.ts'
import {descriptor, pendingInstance, reportOf} from './samples.ts'

const now = 1_800_000_000_000
const sides = ['left', 'right']
const instancesPerRun = 4

let database: TestDatabase
before(async () => {
  database = await startDatabase()
})
after(() => database.stop())

const at = fc.nat({max: instancesPerRun - 1})
const side = fc.constantFrom(...sides)
const action = fc.oneof(
  {weight: 3, arbitrary: fc.record({do: fc.constant('assign' as const), at, executor: side})},
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('report' as const),
      at,
      executor: side,
      state: fc.constantFrom('starting', 'running', 'stopping', 'stopped', 'failed'),
      announced: fc.boolean(),
    }),
  },
  {weight: 1, arbitrary: fc.record({do: fc.constant('stop' as const), at})},
  {weight: 1, arbitrary: fc.record({do: fc.constant('lose' as const), at, executor: side})},
)
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

/** Each run has executors of its own. */
const on = (formation: string, side: string): string => `${formation}-${side}`

/** An executor is lost and joins again, while somebody gives up one of the instances. */
const comeBack = async (executor: string, formation: string, id: string): Promise<void> => {
  const {store} = database
  await store.executors.markLost(executor, now + executorLeaseMs + 1)
  await Promise.all([store.instances.lose(formation, id, 'lost', now), store.executors.join(descriptor(executor), now)])
}

const act = async (instances: readonly Instance[], one: Action): Promise<unknown> => {
  const {store} = database
  const instance = instances[one.at] ?? assert.fail()
  const {formation, service, id} = instance
  if (one.do === 'stop') return store.instances.requestStop(formation, id, 'stop', now)
  if (one.do === 'lose') return comeBack(on(formation, one.executor), formation, id)
  if (one.do === 'report')
    return store.instances.report(on(formation, one.executor), reportOf(formation, service, id, one.state, one.announced), now)
  const seen = (await store.executors.get(on(formation, one.executor))) ?? assert.fail()
  return store.instances.assign(seen, [instance], now)
}

/** Usage, assignments and announcements as they follow from the instances. */
const check = async (formation: string): Promise<readonly Instance[]> => {
  const {store} = database
  const instances = await store.instances.list(formation, {endedSince: 0})
  for (const id of sides.map(side => on(formation, side))) {
    const placed = instances.filter(each => each.executor === id && isPlaced(each.state))
    const stored = await store.executors.get(id)
    assert.equal(stored?.instances, placed.length)
    assert.equal(
      stored?.cpuMilliUsed,
      placed.reduce((sum, each) => sum + each.resources.cpuMilli, 0),
    )
    const ports = placed.flatMap(each => each.ports.flatMap(port => port.hostPort ?? []))
    assert.deepEqual(
      stored?.hostPorts,
      ports.sort((a, b) => a - b),
    )
    const told = await store.executors.assignments(id)
    assert.deepEqual(told.map(each => each.id).sort(), placed.map(each => each.id).sort())
    for (const each of told) assert.equal(each.stop, placed.find(one => one.id === each.id)?.state === 'stopping')
  }
  const announced = await store.registry.list(formation, now)
  for (const entry of announced) assert.equal(instances.find(each => each.id === entry.id)?.state, 'running')
  return instances
}

it('keeps usage, assignments and announcements true to the instances', async () => {
  const {store} = database
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(action, {minLength: 1, maxLength: 3}), {minLength: 1, maxLength: 12}), async rounds => {
      const formation = `run-${run++}`
      await store.formations.create(formation, now)
      for (const side of sides) await store.executors.join(descriptor(on(formation, side)), now)
      const drafts = Array.from({length: instancesPerRun}, (_, index) =>
        pendingInstance(formation, 'web', `i${index}`, index < 2 ? {ports: [{port: 80, hostPort: 8080}]} : {}, now),
      )
      await store.instances.create(formation, 0, drafts)
      for (const actions of rounds) await Promise.all(actions.map(one => act(drafts, one)))
      for (const {id, state, executor} of await check(formation)) {
        if (isTerminal(state)) continue
        await store.instances.requestStop(formation, id, 'over', now)
        if (executor !== undefined) await store.instances.report(executor, reportOf(formation, 'web', id, 'stopped', false), now)
      }
      assert.ok((await check(formation)).every(each => isTerminal(each.state)))
    }),
    {numRuns: 25},
  )
})
