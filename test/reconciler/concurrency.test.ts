// Invariants 1 and 2 under concurrency: several reconcilers and schedulers at once neither double an instance nor move one.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {startWorld, type World} from './world.ts'

const executors = ['one', 'two', 'three']

describe('several reconcilers and schedulers at once', () => {
  let world: World
  before(async () => {
    world = await startWorld()
    for (const id of executors) await world.executor(id)
  })
  after(() => world.stop())

  /** Looks at the formation again and again: throws when an instance has moved or there are more than ever were desired. */
  const watch = (formation: string, most: () => number) => {
    const places = new Map<string, string>()
    let looks = 0
    return {
      look: async () => {
        const view = await world.store.formations.load(formation)
        looks += 1
        for (const {id, executor} of view?.instances ?? []) {
          if (executor === undefined) continue
          assert.equal(places.get(id) ?? executor, executor, `instance ${id} moved`)
          places.set(id, executor)
        }
        const live = (view?.instances ?? []).filter(each => ['pending', 'assigned', 'starting', 'running'].includes(each.state))
        assert.ok(live.length <= most(), `${live.length} live instances, at most ${most()} were ever desired`)
      },
      looks: () => looks,
    }
  }

  const settled = async (formation: string, desired: number): Promise<boolean> => {
    const all = await world.store.instances.list(formation)
    return all.length === desired && all.every(each => each.state === 'running')
  }

  it('create exactly what is desired, place each once, and give everything back', async () => {
    const {store, clock} = world
    await world.formation('crowded')
    const reconcilers = [world.reconciler(), world.reconciler(), world.reconciler()]
    let most = 0
    const desire = async (count: number): Promise<void> => {
      most = Math.max(most, count)
      assert.equal((await store.scales.set('crowded', 1, {web: count}, clock.now)).outcome, 'ok')
    }
    const watched = watch('crowded', () => most)
    for (const count of [7, 20, 4, 31, 0]) {
      await desire(count)
      for (let round = 0; round < 30 && !(await settled('crowded', count)); round++) {
        await Promise.all([
          ...reconcilers.map(reconcile => reconcile({wake: 'crowded'})),
          world.assign(),
          world.assign(),
          ...executors.map(id => world.sync(id)),
          watched.look(),
        ])
      }
      assert.ok(await settled('crowded', count), `${count} run`)
      const told = (await Promise.all(executors.map(id => store.executors.assignments(id)))).flat()
      assert.equal(told.length, count)
      assert.equal(new Set(told.map(each => each.id)).size, count, 'each is assigned to one executor')
      const usage = await store.executors.list()
      assert.equal(
        usage.reduce((sum, each) => sum + each.instances, 0),
        count,
      )
      assert.equal(
        usage.reduce((sum, each) => sum + each.cpuMilliUsed, 0),
        count * 100,
      )
    }
    assert.ok(watched.looks() > 5)
    assert.deepEqual(await store.registry.list('crowded', clock.now), [])
  })

  it('replace what fails without ever having too many', async () => {
    const {store, clock} = world
    await world.formation('fragile')
    const reconcilers = [world.reconciler(), world.reconciler()]
    await store.scales.set('fragile', 1, {web: 10}, clock.now)
    const watched = watch('fragile', () => 10)
    let failures = 12
    const fails = () => failures > 0 && failures-- % 2 === 0
    for (let round = 0; round < 60 && !(failures === 0 && (await settled('fragile', 10))); round++) {
      clock.now += 1_000
      await Promise.all([
        ...reconcilers.map(reconcile => reconcile({wake: 'fragile'})),
        world.assign(),
        world.assign(),
        ...executors.map(id => world.sync(id, fails)),
        watched.look(),
      ])
    }
    assert.ok(await settled('fragile', 10))
    const all = await store.instances.list('fragile', {endedSince: 0})
    assert.equal(all.filter(each => each.state === 'failed').length, 6)
    assert.equal(all.length, 16, 'one new instance for each that failed')
  })

  it('end one of two changes of scale made at once, whichever', async () => {
    const {store, clock} = world
    await world.formation('torn')
    await Promise.all([
      store.scales.set('torn', 1, {web: 3}, clock.now),
      store.scales.set('torn', 1, {web: 5}, clock.now),
      ...[1, 2, 3].map(() => world.reconciler()({wake: 'torn'})),
    ])
    const [scale] = await store.scales.list('torn')
    for (let round = 0; round < 20 && !(await settled('torn', scale?.desired ?? 0)); round++) {
      await Promise.all([world.reconciler()({wake: 'torn'}), world.assign(), ...executors.map(id => world.sync(id))])
    }
    assert.ok(await settled('torn', scale?.desired ?? 0))
  })
})
