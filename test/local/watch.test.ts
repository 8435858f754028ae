// When the watcher starts what is missing: at once, and with growing waits what ends as soon as it is started.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {createLook, type Part} from '#local/watch.ts'

const rig = () => {
  const clock = {now: 0}
  const said: string[] = []
  return {clock, said, look: createLook({now: () => clock.now, say: text => said.push(text)})}
}

test('what ends is started at once; what ends again and again waits longer and longer, at most 30 s', async () => {
  const {clock, look} = rig()
  const startedAt: number[] = []
  const part: Part = {name: 'it', isThere: async () => false, start: async () => startedAt.push(clock.now)}
  for (; clock.now <= 150_000; clock.now += 1_000) await look([part])
  assert.deepEqual(startedAt.slice(0, 6), [0, 1_000, 3_000, 7_000, 15_000, 31_000])
  assert.deepEqual(
    startedAt
      .slice(5)
      .map((at, index, all) => at - (all[index - 1] ?? at))
      .slice(1),
    [30_000, 30_000, 30_000],
  )
})

test('what ran for a minute is started at once again', async () => {
  const {clock, look} = rig()
  let isThere = false
  const starts: number[] = []
  const part: Part = {name: 'it', isThere: async () => isThere, start: async () => starts.push(clock.now)}
  const lookAt = async (at: number, there: boolean) => {
    clock.now = at
    isThere = there
    await look([part])
  }
  for (const at of [0, 1_000, 3_000]) await lookAt(at, false)
  await lookAt(4_000, true)
  await lookAt(64_000, false)
  await lookAt(65_000, false)
  assert.deepEqual(starts, [0, 1_000, 3_000, 64_000, 65_000])
})

test('one that can not be started is told of and does not keep the others', async () => {
  const {said, look} = rig()
  let started = 0
  const broken: Part = {name: 'one', isThere: async () => false, start: () => Promise.reject(new Error('no room'))}
  const other: Part = {name: 'other', isThere: async () => false, start: async () => (started += 1)}
  await look([broken, other])
  assert.equal(started, 1)
  assert.deepEqual(said, ['one has ended: it is started again', 'one can not be started: no room', 'other has ended: it is started again'])
})
