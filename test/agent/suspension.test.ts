// How long an agent that stops everything waits for what does not stop.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {type Held, killedMsMax, reachMsMax, Suspension} from '#agent/suspension.ts'

const held = (key: string, state: Held['state']): Held => ({key, state})

test('nothing held is nothing waited for; what has its grace is waited for however long', () => {
  assert.deepEqual(new Suspension().left([], 0), [])
  const suspension = new Suspension()
  for (const now of [0, 1e6, 1e9]) assert.equal(suspension.left([held('a', 'stopping')], now), undefined)
})

test('what is out of reach and what does not die are left, each after its time, and only when there is nothing else', () => {
  const suspension = new Suspension()
  const [lost, killed] = [held('lost', 'lost'), held('killed', 'killed')]
  assert.equal(suspension.left([lost, killed], 0), undefined)
  assert.equal(suspension.left([lost, killed], reachMsMax), undefined)
  assert.deepEqual(suspension.left([lost], reachMsMax), ['lost'])
  assert.equal(suspension.left([lost], 0 + reachMsMax - 1), undefined)
  assert.deepEqual(suspension.left([lost, killed], killedMsMax), ['lost', 'killed'])
})

test('what is in reach again has its whole time again', () => {
  const suspension = new Suspension()
  assert.equal(suspension.left([held('a', 'lost')], 0), undefined)
  assert.equal(suspension.left([held('a', 'stopping')], reachMsMax - 1), undefined)
  assert.equal(suspension.left([held('a', 'lost')], reachMsMax), undefined)
  assert.deepEqual(suspension.left([held('a', 'lost')], 2 * reachMsMax), ['a'])
})
