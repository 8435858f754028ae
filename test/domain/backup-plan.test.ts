// When a service is backed up: each at its own time, again after a failure, never without an instance, and one at a time.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import fc from 'fast-check'
import {type Backup, backupEveryMsMax, backupEveryMsMin, backupMsMax} from '#shared/domain/backup.ts'
import {
  type BackupPlan,
  begun,
  decideBackup,
  ended,
  newPlan,
  nextDue,
  orphansKeptMs,
  rescheduled,
  superfluous,
} from '#shared/domain/backup-plan.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {pendingInstance} from '#test/store/samples.ts'

const now = 1_800_000_000_000
const hourMs = 3_600_000
const named = {formation: 'crm', service: '_db'}
const schedule = {everyMs: 24 * hourMs, keep: 7}
const definition = {backup: {dump: 'd', restore: 'r', verify: 'v'}, backupSchedule: schedule}
const running = (id: string, more: Partial<Instance> = {}): Instance =>
  pendingInstance('crm', '_db', id, {state: 'running', executor: 'one', ...more}, now)
const due: BackupPlan = {...newPlan(named, now), schedule, dueAt: now, lookAt: now}
const ongoing = {id: 'b', instance: 'i', executor: 'one', until: now + backupMsMax, keep: 7, scheduled: true}

describe('a plan of backups', () => {
  it('has times that are as far apart as asked for, whenever one looks, and are the service’s own', () => {
    const everyMs = fc.integer({min: backupEveryMsMin, max: backupEveryMsMax})
    fc.assert(
      fc.property(everyMs, fc.integer({min: 0, max: 4e12}), fc.string(), (every, after, service) => {
        const of = {formation: 'crm', service}
        const next = nextDue(of, every, after)
        assert.ok(next > after && next - after <= every)
        assert.equal(nextDue(of, every, next - 1), next)
        assert.equal(nextDue(of, every, next), next + every)
      }),
    )
  })

  it('spreads fifty services over the day', () => {
    const hours = Array.from({length: 50}, (_, at) =>
      new Date(nextDue({formation: 'crm', service: `db-${at}`}, 24 * hourMs, now)).getUTCHours(),
    )
    const busiest = Math.max(...Array.from({length: 24}, (_, hour) => hours.filter(each => each === hour).length))
    assert.ok(busiest <= 10, `${busiest} in one hour`)
  })

  it('of a formation that was made anew goes on at once, and not when it would have been looked whether that is still gone', () => {
    const gone = decideBackup({...due, dueAt: now + hourMs, lookAt: now}, undefined, now)
    assert.ok(gone.kind === 'look' && gone.plan.lookAt === now + 24 * hourMs)
    const back = rescheduled(named, gone.plan, schedule, now + 1)
    assert.deepEqual([back?.dueAt, back?.lookAt, back?.goneAt], [now + hourMs, now + hourMs, undefined])
  })

  it('looks the more rarely for an instance the longer there is none', () => {
    let [plan, looks, at] = [due, 0, now]
    for (; at < now + 24 * hourMs; looks++) {
      const decision = decideBackup(plan, {instances: [], definition: undefined}, at)
      assert.ok(decision.kind === 'look' && decision.plan.lookAt <= at + 5 * 60_000)
      ;[plan, at] = [decision.plan, decision.plan.lookAt]
    }
    assert.ok(looks < 400, `${looks} looks in a day`)
  })

  it('begins within the hour, and follows the schedule of the release that is begun to be run', () => {
    const first = rescheduled(named, undefined, schedule, now)
    assert.ok(first?.dueAt !== undefined && first.dueAt >= now && first.dueAt < now + hourMs)
    assert.equal(first.lookAt, first.dueAt)
    assert.equal(rescheduled(named, first, {...schedule}, now), undefined, 'nothing new')
    const oftener = rescheduled(named, {...first, dueAt: now + 20 * hourMs}, {everyMs: hourMs, keep: 7}, now)
    assert.ok(oftener?.dueAt !== undefined && oftener.dueAt <= now + hourMs)
    const none = rescheduled(named, first, undefined, now)
    assert.deepEqual([none?.schedule, none?.dueAt], [undefined, undefined])
  })

  it('that is due orders one of the only running instance', () => {
    const decision = decideBackup(due, {instances: [running('i'), running('r', {origin: 'run'})], definition}, now)
    assert.deepEqual([decision.kind, decision.kind === 'order' && decision.instance.id], ['order', 'i'])
  })

  it('waits, and says for what, where none or several run; the time that it was due stays', () => {
    for (const [instances, reason] of [
      [[], /no instance of it runs/],
      [[running('i', {state: 'starting'})], /no instance of it runs/],
      [[running('i'), running('j')], /2 running instances/],
    ] as const) {
      const decision = decideBackup(due, {instances, definition}, now)
      assert.ok(decision.kind === 'look')
      assert.match(decision.plan.waits ?? '', reason)
      assert.deepEqual([decision.plan.dueAt, decision.plan.lookAt], [now, now + 10_000])
      assert.equal(decideBackup(decision.plan, {instances: [running('i')], definition}, now + 10_000).kind, 'order')
    }
  })

  it('is made at once when it was due while nobody looked, and once only', () => {
    const late = now + 3 * 24 * hourMs + 1
    assert.equal(decideBackup(due, {instances: [running('i')], definition}, late).kind, 'order')
    const after = ended(begun(due, ongoing, late), true, late)
    assert.ok(after.dueAt !== undefined && after.dueAt > late && after.dueAt <= late + 24 * hourMs)
  })

  it('is not for a release that has no schedule any more', () => {
    const decision = decideBackup(due, {instances: [running('i')], definition: {backup: definition.backup}}, now)
    assert.deepEqual(decision.kind === 'look' && [decision.plan.schedule, decision.plan.dueAt], [undefined, undefined])
  })

  it('looks after one under way: it fails when its instance is lost, or nothing is heard of it', () => {
    const plan = begun(due, ongoing, now)
    const sight = {instances: [running('i')], definition}
    assert.equal(decideBackup(plan, sight, now + 60_000).kind, 'look')
    assert.equal(decideBackup(plan, {...sight, instances: [running('i', {state: 'stopped'})]}, now).kind, 'look', 'its agent will tell')
    assert.equal(decideBackup(plan, {...sight, instances: [running('i', {state: 'lost'})]}, now).kind, 'fail')
    assert.equal(decideBackup(plan, {...sight, instances: []}, now).kind, 'fail')
    assert.equal(decideBackup(plan, undefined, now).kind, 'fail')
    assert.equal(decideBackup(plan, sight, ongoing.until).kind, 'fail')
  })

  it('tries again after a failure, later each time, and no later than the next time', () => {
    let plan = due
    const waits: number[] = []
    for (let times = 0; times < 9; times++) {
      const at = plan.dueAt ?? 0
      plan = ended(begun(plan, ongoing, at), false, at)
      waits.push((plan.dueAt ?? 0) - at)
    }
    assert.deepEqual(waits.slice(0, 3), [5 * 60_000, 10 * 60_000, 20 * 60_000])
    assert.ok(waits.every(ms => ms > 0 && ms <= 6 * hourMs))
    assert.equal(plan.failures, 9)
    const dueAt = plan.dueAt ?? 0
    assert.deepEqual([ended(begun(plan, ongoing, dueAt), true, dueAt).failures], [0])
    const often = {...due, schedule: {everyMs: backupEveryMsMin, keep: 1}, failures: 10}
    assert.ok((ended(begun(often, ongoing, now), false, now).dueAt ?? 0) <= now + backupEveryMsMin)
  })

  it('is left as it is by one made by hand', () => {
    const later = {...due, dueAt: now + hourMs}
    for (const isGood of [true, false]) {
      const after = ended(begun(later, {...ongoing, scheduled: false}, now), isGood, now)
      assert.deepEqual([after.dueAt, after.failures, after.ongoing], [later.dueAt, 0, undefined])
    }
  })

  it('keeps what is of a formation that is gone for 30 days, and goes on where it is back', () => {
    const gone = decideBackup(due, undefined, now)
    assert.ok(gone.kind === 'look')
    assert.equal(gone.plan.goneAt, now)
    assert.equal(decideBackup(gone.plan, undefined, now + orphansKeptMs - 1).kind, 'look')
    assert.equal(decideBackup(gone.plan, undefined, now + orphansKeptMs).kind, 'forget')
    const back = decideBackup({...gone.plan, dueAt: now + hourMs}, {instances: [], definition}, now)
    assert.deepEqual(back.kind === 'look' && back.plan.goneAt, undefined)
  })
})

it('as many good backups stay as are to be kept, the newest, whatever failed', () => {
  const state = fc.constantFrom<Backup['state'][]>('running', 'good', 'failed')
  fc.assert(
    fc.property(fc.array(fc.record({state, createdAt: fc.nat(1_000)})), fc.integer({min: 0, max: 20}), (some, keep) => {
      const backups = some.map((each, at): Backup => ({...named, id: `b${at}`, release: 1, instance: 'i', executor: 'one', ...each}))
      const gone = new Set(superfluous(backups, keep))
      const stay = backups.filter(each => !gone.has(each))
      const of = (list: readonly Backup[], wanted: Backup['state']) => list.filter(each => each.state === wanted)
      assert.equal(of(stay, 'running').length, of(backups, 'running').length)
      assert.equal(of(stay, 'good').length, Math.min(keep, of(backups, 'good').length))
      const oldest = Math.min(...of(stay, 'good').map(each => each.createdAt))
      assert.ok([...gone].every(each => each.state !== 'good' || each.createdAt <= oldest))
      assert.ok(of(stay, 'failed').length <= 5)
    }),
  )
})
