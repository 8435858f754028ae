// Scheduled backups over the real reconciler and store: ordered once when due, however many reconcilers look, tried again, given up, and cleaned up after.
import assert from 'node:assert/strict'
import {afterEach, beforeEach, describe, it} from 'node:test'
import {looksMax} from '#lambdas/reconciler/backups.ts'
import {type Backup, backupMsMax, dumpName} from '#shared/domain/backup.ts'
import {type BackupPlan, orphansKeptMs} from '#shared/domain/backup-plan.ts'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import {signedUrlMs} from '#shared/ports.ts'
import {memoryDumps} from '#test/lambdas/dumps.ts'
import {startWorld, type World} from './world.ts'

const hourMs = 3_600_000
const dump = {sha256: 'd'.repeat(64), bytes: 10}
const db = {
  kind: 'auxiliary',
  backup: {dump: 'dump it', restore: 'r', verify: 'v'},
  backupSchedule: {everyMs: 24 * hourMs, keep: 2},
} as const

describe('scheduled backups', () => {
  let world: World
  let dumps: ReturnType<typeof memoryDumps>
  beforeEach(async () => {
    world = await startWorld()
    dumps = memoryDumps()
    await world.formation('crm', {_db: db, web: {}})
    await world.executor('one')
    await world.store.scales.set('crm', 1, {_db: 1, web: 1}, world.clock.now)
    await world.reconciler()({wake: 'crm'})
    await world.assign()
    await world.sync('one')
  })
  afterEach(() => world.stop())

  const tick = async (): Promise<void> => {
    // The executor is alive all the time.
    await world.store.executors.renew('one', world.clock.now)
    await world.reconciler({dumps})({tick: true})
  }
  const plan = async (): Promise<BackupPlan> => {
    const found = await world.store.backups.plan('crm', '_db')
    assert.ok(found !== undefined)
    return found
  }
  const list = async (): Promise<readonly Backup[]> => (await world.store.backups.list('crm')).backups
  const orders = async () => (await world.store.executors.orders('one', world.clock.now)).backups
  const comeDue = async (): Promise<void> => {
    world.clock.now = (await plan()).dueAt ?? 0
    await world.store.executors.join((await world.store.executors.get('one')) as never, world.clock.now)
  }
  /** The agent of the only order makes it. */
  const make = async (): Promise<string> => {
    const [order] = await orders()
    assert.ok(order !== undefined)
    assert.equal((await world.store.backups.uploading(order, 'one', dump, world.clock.now + signedUrlMs)).outcome, 'ok')
    dumps.sizes.set(dumpName(order), dump.bytes)
    await world.store.backups.end({...order, executor: 'one'}, {good: dump}, world.clock.now)
    return order.id
  }

  it('are due for services that have a schedule, and ordered then, not before', async () => {
    assert.deepEqual(
      (await world.store.backups.list('crm')).plans.map(({service}) => service),
      ['_db'],
    )
    await tick()
    assert.deepEqual(await list(), [])
    await comeDue()
    await tick()
    const [made] = await list()
    assert.deepEqual([made?.state, made?.by, made?.executor], ['running', undefined, 'one'])
    assert.deepEqual(
      (await orders()).map(({id, command}) => [id, command]),
      [[made?.id, 'dump it']],
    )
    const {items} = await world.store.audit.list({formation: 'crm', limit: 10}, world.clock.now)
    assert.deepEqual(
      items.map(({action, who}) => [action, who.name]),
      [['backup.create', 'reconciler']],
    )
  })

  it('are ordered once by any number of reconcilers that look at once', async () => {
    await comeDue()
    const before = (await world.store.executors.get('one'))?.assignmentVersion ?? 0
    await Promise.all(Array.from({length: 5}, () => world.reconciler({dumps})({tick: true})))
    await tick()
    assert.equal((await list()).length, 1)
    assert.equal((await orders()).length, 1)
    assert.equal((await world.store.executors.get('one'))?.assignmentVersion, before + 1)
  })

  it('are kept as many as asked for; the dumps of the others are removed', async () => {
    const ids: string[] = []
    for (let times = 0; times < 4; times++) {
      await comeDue()
      await tick()
      ids.push(await make())
    }
    assert.deepEqual(
      (await list()).map(({id}) => id),
      ids.slice(2).reverse(),
    )
    world.clock.now += signedUrlMs
    await tick()
    assert.deepEqual(
      [...dumps.sizes.keys()],
      ids.slice(2).map(id => `crm/_db/${id}`),
    )
    assert.deepEqual((await world.store.backups.due(world.clock.now, 50)).leftovers, [])
  })

  it('are made, however many dumps can not be removed', async () => {
    await comeDue()
    await tick()
    const id = await make()
    let isDenied = true
    const remove = async (name: string): Promise<void> => (isDenied ? Promise.reject(new Error('access denied')) : dumps.remove(name))
    const look = async (): Promise<void> => {
      await world.store.executors.renew('one', world.clock.now)
      await world.reconciler({dumps: {remove}})({tick: true})
    }
    const {now} = world.clock
    const [made] = await list()
    assert.ok(made !== undefined)
    const by = 'somebody'
    for (let at = 0; at < looksMax; at++) {
      const each = {formation: 'crm', service: 'old', id: `old${at}`, state: 'running', by, release: 1, executor: 'one'} as const
      const before = await world.store.backups.plan('crm', 'old')
      const backup: Backup = {...each, instance: made.instance, createdAt: now}
      assert.equal((await world.store.backups.begin(before, backup, {command: 'x', keep: 100})).outcome, 'ok')
      await world.store.backups.end(each, {good: dump}, now)
      assert.equal((await world.store.backups.delete('crm', 'old', each.id, now)).outcome, 'ok')
    }
    await comeDue()
    await look()
    await look()
    assert.equal((await orders()).length, 1)
    assert.ok((await orders())[0]?.id !== id)
    isDenied = false
    world.clock.now += 10 * 60_000
    await look()
    await look()
    assert.deepEqual((await world.store.backups.due(world.clock.now, 100)).leftovers, [])
  })

  it('wait while nothing runs, and say so', async () => {
    const [instance] = (await world.wanted('crm')).filter(({service}) => service === '_db')
    await world.store.scales.set('crm', 1, {_db: 0, web: 1}, world.clock.now)
    await world.store.instances.requestStop('crm', instance?.id ?? '', 'test', world.clock.now)
    await world.sync('one')
    await comeDue()
    await tick()
    assert.deepEqual(await list(), [])
    assert.match((await plan()).waits ?? '', /no instance of it runs/)
  })

  it('that nobody reports fail in time, are told, and are tried again', async () => {
    await comeDue()
    await tick()
    const [order] = await orders()
    assert.ok(order !== undefined)
    await world.store.backups.uploading(order, 'one', dump, world.clock.now + signedUrlMs)
    dumps.sizes.set(dumpName(order), dump.bytes)
    world.clock.now += backupMsMax
    await world.store.executors.join((await world.store.executors.get('one')) as never, world.clock.now)
    await tick()
    const [failed] = await list()
    assert.equal(failed?.state, 'failed')
    assert.match(failed?.reason ?? '', /nothing was heard of it within 60 minutes/)
    assert.deepEqual([(await plan()).failures, ((await plan()).dueAt ?? 0) - world.clock.now], [1, 5 * 60_000])
    await tick()
    assert.equal(dumps.sizes.size, 0, 'uploaded, and never reported')
    assert.equal((await list())[0]?.id, failed?.id, 'what failed stays listed')
    assert.deepEqual(await orders(), [])
    await comeDue()
    await tick()
    assert.deepEqual(
      (await list()).map(({state}) => state),
      ['running', 'failed'],
    )
  })

  it('fail when their executor is lost', async () => {
    await comeDue()
    await tick()
    world.clock.now += executorLeaseMs + 1
    assert.equal((await world.store.executors.markLost('one', world.clock.now)).outcome, 'ok')
    const [made] = await list()
    await world.store.instances.lose('crm', made?.instance ?? '', 'executor one was lost', world.clock.now)
    world.clock.now += 60_000
    await world.reconciler({dumps})({tick: true})
    assert.match((await list())[0]?.reason ?? '', /was lost/)
  })

  it('outlive their formation for 30 days, and are gone then', async () => {
    await comeDue()
    await tick()
    await make()
    await world.store.formations.destroy('crm', world.clock.now)
    await world.reconciler()({wake: 'crm'})
    await world.sync('one')
    await world.reconciler()({wake: 'crm'})
    assert.equal(await world.store.formations.get('crm'), undefined)
    const look = async (): Promise<void> => {
      world.clock.now = (await plan()).lookAt
      await world.reconciler({dumps})({tick: true})
    }
    await look()
    const goneAt = (await plan()).goneAt ?? 0
    assert.equal((await list()).length, 1)
    while (world.clock.now < goneAt + orphansKeptMs) await look()
    for (let times = 0; times < 3; times++) await world.reconciler({dumps})({tick: true})
    assert.deepEqual([await list(), dumps.sizes.size], [[], 0])
    assert.equal(await world.store.backups.plan('crm', '_db'), undefined)
    assert.deepEqual(await world.store.backups.due(world.clock.now, 50), {plans: [], leftovers: []})
  })
})
