// What the agent does of itself while it does not hear from the control plane, and first when it does again: table tests of its decisions.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import * as instance from '#agent/instance.ts'
import {decide} from '#agent/operations.ts'
import type {Assignment} from '#shared/domain/assignment.ts'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import type {OnLost} from '#shared/domain/release.ts'
import {assignment} from './fixtures.ts'

type Record = instance.InstanceRecord

const keep: OnLost = {action: 'keep', afterMs: 0}
const stop: OnLost = {action: 'stop', afterMs: 300_000}
const of = (id: string, onLost?: OnLost): Assignment => assignment(id, {stopGraceMs: 60_000, ...(onLost !== undefined && {onLost})})
const waiting = (it: Assignment): Record => instance.accepted(it, 0)
const up = (it: Assignment): Record => instance.launched(instance.launching(waiting(it)), 0)

interface Given {
  readonly records: readonly Record[]
  /** All of the records' own when absent. */
  readonly desired?: readonly Assignment[]
  readonly heardAt: number | undefined
}

const look = ({records, desired = records.map(it => it.assignment), heardAt}: Given, now: number) =>
  decide(
    {
      desired: new Map(desired.map(it => [instance.keyOf(it), it])),
      actual: new Map(records.map(it => [it.key, it])),
      host: '127.0.0.1',
      suspending: false,
      heardAt,
    },
    now,
  )
const kinds = (given: Given, now: number): string[] =>
  look(given, now).operations.flatMap(({kind, key}) => (kind === 'report' || kind === 'settle' ? [] : [`${kind} ${key.split('.').at(-1)}`]))

test('after silence of a lease nothing that was never here starts, but what ran goes on and is started again', () => {
  const crashed = instance.exited(up(of('b')), {code: 1}, 0)
  const records = [waiting(of('a')), crashed, waiting(of('c', keep))]
  assert.deepEqual(kinds({records, heardAt: 0}, executorLeaseMs - 1), ['launch a', 'launch b', 'launch c'])
  assert.deepEqual(kinds({records, heardAt: 0}, executorLeaseMs), ['launch b', 'launch c'])
  assert.deepEqual(kinds({records: [up(of('a')), up(of('b', keep))], heardAt: 0}, executorLeaseMs * 1_000), [])
})

test('after a reboot only what is kept starts before the control plane has spoken', () => {
  const rebooted = [of('a'), of('b', {action: 'replace', afterMs: 600_000}), of('c', stop), of('d', keep)].map(it =>
    instance.rebooted(up(it), 5),
  )
  assert.deepEqual(kinds({records: rebooted, heardAt: undefined}, 5), ['launch d'])
  assert.deepEqual(kinds({records: rebooted, heardAt: 5}, 6), ['launch a', 'launch b', 'launch c', 'launch d'])
  const back = rebooted.map(record => instance.exited(instance.launched(instance.launching(record), 6), {code: 1}, 6))
  assert.equal(kinds({records: back, heardAt: 6}, 100_000).length, 4, 'what ran since is as it was before')
})

test('what must stop is stopped after its time, with a grace of 10 s at most, and starts again when it is still wanted', () => {
  const record = up(of('a', stop))
  const given = {records: [record], heardAt: 1_000}
  assert.equal(look({records: [instance.becameHealthy(record, 0)], heardAt: 1_000}, 2_000).wakeAt, 301_000)
  assert.deepEqual(kinds(given, 300_999), [])
  const [operation] = look(given, 301_000).operations
  assert.ok(operation?.kind === 'terminate')
  assert.equal(operation.ending.reason, 'stopped: the control plane was not heard from for 300 s')
  const terminating = instance.terminating(record, operation.ending, 301_000)
  assert.deepEqual(kinds({records: [terminating], heardAt: 1_000}, 310_999), [])
  assert.deepEqual(kinds({records: [terminating], heardAt: 1_000}, 311_000), ['kill a'])
  const stopped = instance.exited(instance.killing(terminating, 311_000), {code: 137}, 311_001)
  assert.equal(stopped.phase, 'waiting')
  assert.deepEqual(kinds({records: [stopped], heardAt: 1_000}, 400_000), [], 'still cut off')
  assert.deepEqual(kinds({records: [stopped], heardAt: 400_000}, 400_001), ['launch a'])
  assert.deepEqual(kinds({records: [stopped], desired: [], heardAt: 400_000}, 400_001), ['end a'], 'given up meanwhile')
})

test('a process that crashes while it may not run is not started again', () => {
  const crashed = instance.exited(up(of('a', stop)), {code: 1}, 0)
  assert.deepEqual(kinds({records: [crashed], heardAt: 0}, 299_999), ['launch a'])
  assert.deepEqual(kinds({records: [crashed], heardAt: 0}, 300_000), [])
})

test('what was given up ends before anything new starts, within 10 s whatever its grace', () => {
  const old = up(of('old'))
  const fresh = of('new')
  const first = look({records: [old, waiting(fresh)], desired: [fresh], heardAt: 0}, 0).operations.find(({kind}) => kind !== 'report')
  assert.ok(first?.kind === 'terminate')
  const terminating = instance.terminating(old, first.ending, 0)
  assert.deepEqual(kinds({records: [terminating, waiting(fresh)], desired: [fresh], heardAt: 0}, 9_999), [])
  assert.deepEqual(kinds({records: [terminating, waiting(fresh)], desired: [fresh], heardAt: 0}, 10_000), ['kill old'])
  const over = instance.exited(instance.killing(terminating, 10_000), {code: 137}, 10_000)
  assert.deepEqual(kinds({records: [over, waiting(fresh)], desired: [fresh], heardAt: 0}, 10_000), ['launch new'])
  const launching = instance.launching(waiting(of('old')))
  assert.deepEqual(kinds({records: [launching, waiting(fresh)], desired: [fresh], heardAt: 0}, 0), ['cancel old'])
})
