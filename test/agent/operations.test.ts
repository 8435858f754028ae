// What the agent decides: table tests, and a property over random histories of assignments, deaths, checks, restarts and lost answers.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import {adopted} from '#agent/adoption.ts'
import * as instance from '#agent/instance.ts'
import {decide, type Operation, type View} from '#agent/operations.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {assignment} from './fixtures.ts'

type Record = instance.InstanceRecord

const view = (records: Record[], desired: Assignment[], suspending = false, heardAt: number | undefined = 0): View => ({
  desired: new Map(desired.map(it => [instance.keyOf(it), it])),
  actual: new Map(records.map(it => [it.key, it])),
  host: '127.0.0.1',
  suspending,
  heardAt,
})
const kinds = (given: View, now: number): string[] =>
  decide(given, now)
    .operations.map(({kind}) => kind)
    .filter(kind => kind !== 'report')
const served = assignment('a', {ports: [{port: 80}]})
const up = (of = served, now = 0): Record =>
  instance.launched({...instance.launching(instance.accepted(of, now)), ports: {80: 20_000}}, now)
const announced = instance.becameHealthy(up(), 0)

test('an end for want of memory is told as such, with what it may take', () => {
  const oom = {code: 137, oom: true} as const
  assert.equal(instance.describeExit(oom, 64), 'out of memory (64 MiB): exit code 137 (signal 9)')
  assert.equal(instance.describeExit({oom: true}, 64), 'out of memory (64 MiB): ended, nobody saw how')
})

test('a new assignment is accepted, then launched', () => {
  assert.deepEqual(kinds(view([], [served]), 0), ['accept'])
  assert.deepEqual(kinds(view([instance.accepted(served, 0)], [served]), 0), ['launch'])
})

test('stop: an announced instance drains first, one never announced does not', () => {
  const stop = {...served, stop: true}
  assert.deepEqual(kinds(view([announced], [stop]), 0), ['withdraw'])
  assert.deepEqual(kinds(view([up()], [stop]), 0), ['terminate'])
  const draining = instance.draining(announced, {state: 'stopped'}, 0)
  assert.deepEqual(decide(view([draining], [stop]), 100).wakeAt, instance.drainMsDefault)
  assert.deepEqual(kinds(view([draining], [stop]), instance.drainMsDefault), ['terminate'])
  assert.equal(decide(view([instance.draining(announced, {state: 'stopped'}, 0, 15_000)], [stop]), 100).wakeAt, 15_000)
})

test('what is not assigned is terminated without draining, and killed after its grace', () => {
  assert.deepEqual(kinds(view([announced], []), 0), ['terminate'])
  const ending = {state: 'stopped'} as const
  assert.deepEqual(kinds(view([instance.draining(announced, ending, 0)], []), 1), ['terminate'])
  const terminating = instance.terminating(announced, ending, 0)
  assert.deepEqual(kinds(view([terminating], []), 1_999), [])
  assert.deepEqual(kinds(view([terminating], []), 2_000), ['kill'])
  assert.deepEqual(kinds(view([instance.killing(terminating, 2_000)], []), 3_000), ['kill'])
})

test('fails when it has been restarted five times without lasting health', () => {
  let record = up()
  const waits: number[] = []
  for (let run = 1; run <= 5; run++) {
    record = instance.exited(record, {code: 1}, 0)
    waits.push(record.startAt)
    record = instance.launched(instance.launching(record), 0)
  }
  assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000])
  record = instance.exited(record, {code: 1}, 0)
  assert.equal(record.phase, 'ended')
  assert.deepEqual(instance.reportOf(record, 'h').reason, 'exit code 1 after 5 restarts')
  assert.equal(instance.reportOf(record, 'h').state, 'failed')
})

test('a minute of health forgives earlier crashes, and nobody waits then', () => {
  let record = up()
  for (let run = 1; run <= 20; run++) {
    record = instance.exited(instance.becameHealthy(record, 0), {code: 1}, instance.healthyForgivesMs)
    assert.equal(record.phase, 'waiting')
    assert.equal(record.startAt, instance.healthyForgivesMs)
    assert.equal(record.reason, 'exit code 1; starting again now')
    record = instance.launched(instance.launching(record), 0)
  }
})

test('suspended instances are not reported as over and start again', () => {
  const {operations} = decide(view([announced], [served], true), 0)
  const [first] = operations
  assert.ok(first?.kind === 'terminate' && first.ending.state === 'suspended')
  const stopping = instance.terminating(announced, first.ending, 0)
  assert.deepEqual([instance.reportOf(stopping, 'h').state, instance.reportOf(stopping, 'h').announced], ['starting', false])
  const rested = instance.exited(stopping, {code: 0}, 10)
  assert.equal(rested.phase, 'waiting')
  assert.deepEqual(kinds(view([rested], [served], true), 10), [])
  assert.deepEqual(kinds(view([rested], [served]), 10), ['launch'])
})

test('after a reboot instances start again, and what was being stopped is over', () => {
  assert.equal(instance.rebooted(announced, 5).phase, 'waiting')
  assert.equal(instance.rebooted(announced, 5).announced, false)
  assert.equal(instance.rebooted(instance.draining(announced, {state: 'stopped'}, 0), 5).phase, 'ended')
  assert.equal(instance.rebooted(instance.terminating(announced, {state: 'suspended'}, 0), 5).phase, 'waiting')
})

// The world the property runs in: processes, a control plane that only forgets what was reported as over, and an agent's memory.
class World {
  now = 0
  assigned = new Map<string, Assignment>()
  heard = new Map<string, Assignment>()
  records = new Map<string, Record>()
  saved = new Map<string, Record>()
  processes = new Map<string, number>()
  told = new Map<string, string>()
  violations: string[] = []

  assign(id: string): void {
    const it = assignment(id, {ports: [{port: 80}]})
    if (!this.told.has(it.id)) this.assigned.set(instance.keyOf(it), it)
  }

  settle(): void {
    for (let rounds = 0; ; rounds++) {
      if (rounds > 50) this.violations.push('decides for ever')
      const {operations} = decide({desired: this.heard, actual: this.records, host: 'h', suspending: false, heardAt: this.now}, this.now)
      const steps = operations.filter(({kind}) => kind !== 'report' && kind !== 'cancel')
      if (steps.length === 0 || rounds > 50) break
      for (const step of steps) this.apply(step)
    }
    this.saved = new Map(this.records)
  }

  apply(operation: Operation): void {
    const {key} = operation
    const record = this.records.get(key) as Record
    const set = (next: Record) => this.records.set(key, next)
    if (operation.kind === 'accept') set(instance.accepted(operation.assignment, this.now))
    if (operation.kind === 'launch') this.launch(key, set)
    if (operation.kind === 'withdraw') set(instance.draining(record, operation.ending, this.now))
    if (operation.kind === 'terminate') set(instance.terminating(record, operation.ending, this.now))
    if (operation.kind === 'kill') this.kill(key, set)
    if (operation.kind === 'end') set(instance.ended(record, operation.ending))
    if (operation.kind === 'settle') set(instance.becameHealthy(record, this.now))
    if (operation.kind === 'forget') this.forget(key)
  }

  launch(key: string, set: (record: Record) => void): void {
    const wanted = this.heard.get(key)
    if (wanted === undefined || wanted.stop) this.violations.push(`${key} launched though not wanted`)
    if ((this.processes.get(key) ?? 0) > 0) this.violations.push(`${key} doubled`)
    const record = instance.launching(this.records.get(key) as Record)
    this.processes.set(key, 1)
    set(instance.launched({...record, ports: {80: 20_000}}, this.now))
  }

  kill(key: string, set: (record: Record) => void): void {
    this.processes.delete(key)
    set(instance.exited(instance.killing(this.records.get(key) as Record, this.now), {code: 137}, this.now))
  }

  forget(key: string): void {
    const state = this.told.get((this.records.get(key) as Record).assignment.id)
    if (state !== 'stopped' && state !== 'failed') this.violations.push(`${key} forgotten before its end was told`)
    if (this.processes.has(key)) this.violations.push(`${key} forgotten while it runs`)
    this.records.delete(key)
  }

  /** `answered`: whether the agent learns that its reports arrived. */
  sync(answered: boolean): void {
    for (const record of this.records.values()) {
      const report = instance.reportOf(record, 'h')
      this.told.set(report.id, report.state)
      if (report.state === 'stopped' || report.state === 'failed') this.assigned.delete(record.key)
      if (report.announced && !this.processes.has(record.key)) this.violations.push(`${record.key} announced without a process`)
      if (answered) this.records.set(record.key, {...record, acknowledged: JSON.stringify(report)})
    }
    if (answered) this.heard = new Map(this.assigned)
  }

  die(key: string): void {
    if (!this.processes.delete(key)) return
    this.records.set(key, instance.exited(this.records.get(key) as Record, {code: 1}, this.now))
  }

  restart(): void {
    this.records = new Map(
      [...this.saved].map(([key, record]) => [key, adopted(record, {state: this.processes.has(key) ? 'running' : 'absent'}, this.now)]),
    )
  }
}

const ids = ['a', 'b', 'c']
const event = fc.oneof(
  fc.record({do: fc.constant('assign' as const), id: fc.constantFrom(...ids)}),
  fc.record({
    do: fc.constantFrom('stop' as const, 'unassign' as const, 'die' as const, 'healthy' as const, 'unhealthy' as const),
    id: fc.constantFrom(...ids),
  }),
  fc.record({do: fc.constantFrom('sync' as const, 'lostAnswer' as const, 'restart' as const), id: fc.constant('')}),
  fc.record({do: fc.constant('wait' as const), id: fc.constant(''), ms: fc.integer({min: 1, max: 40_000})}),
)

const happen = (world: World, it: {do: string; id: string; ms?: number}): void => {
  const key = `crm.users.${it.id}`
  const wanted = world.assigned.get(key)
  const record = world.records.get(key)
  if (it.do === 'assign') world.assign(it.id)
  if (it.do === 'stop' && wanted !== undefined) world.assigned.set(key, {...wanted, stop: true})
  if (it.do === 'unassign') world.assigned.delete(key)
  if (it.do === 'die') world.die(key)
  if (it.do === 'healthy' && record !== undefined) world.records.set(key, instance.becameHealthy(record, world.now))
  if (it.do === 'unhealthy' && record !== undefined) world.records.set(key, instance.becameUnhealthy(record, 'no'))
  if (it.do === 'sync') world.sync(true)
  if (it.do === 'lostAnswer') world.sync(false)
  if (it.do === 'restart') world.restart()
  if (it.do === 'wait') world.now += it.ms ?? 0
  world.settle()
}

test('property: never two processes of one instance, nothing that is not wanted, every end told; at last only what is assigned runs', () => {
  fc.assert(
    fc.property(fc.array(event, {maxLength: 60}), events => {
      const world = new World()
      for (const it of events) happen(world, it)
      // Given time and answers, everything comes to rest.
      for (let n = 0; n < 40; n++) {
        happen(world, {do: 'sync', id: ''})
        happen(world, {do: 'wait', id: '', ms: 10_000})
      }
      const running = [...world.processes.keys()].sort()
      const wanted = [...world.assigned.keys()].filter(key => !world.assigned.get(key)?.stop).sort()
      assert.deepEqual(world.violations, [])
      assert.deepEqual(running, wanted)
      assert.deepEqual([...world.records.keys()].sort(), wanted)
    }),
    {numRuns: 1_000},
  )
})
