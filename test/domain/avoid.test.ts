// Which executors the next instance of a service avoids.
import assert from 'node:assert/strict'
import {it} from 'node:test'
import {avoidedMax, avoidedOf, avoidForMs} from '#shared/domain/avoid.ts'
import type {Instance} from '#shared/domain/instance.ts'

type Seen = Pick<Instance, 'service' | 'release' | 'state' | 'executor' | 'endedAt'>

const web = {service: 'web', release: 2}
const now = 1_700_000_000_000
const failed = (executor: string, agoMs: number, change: Partial<Seen> = {}): Seen => ({
  ...web,
  state: 'failed',
  executor,
  endedAt: now - agoMs,
  ...change,
})

it('avoids where the same service of the same release failed not long ago, the latest first', () => {
  const seen = [
    failed('old', avoidForMs),
    failed('h1', 2_000),
    failed('h2', 1_000),
    failed('h1', avoidForMs - 1),
    failed('other', 0, {service: 'mail'}),
    failed('before', 0, {release: 1}),
    failed('stopped', 0, {state: 'stopped'}),
    failed('lost', 0, {state: 'lost'}),
  ]
  assert.deepEqual(avoidedOf(seen, web, now), ['h2', 'h1'])
})

it('avoids a few at most', () => {
  const seen = Array.from({length: avoidedMax + 5}, (_, at) => failed(`h${at}`, at))
  assert.deepEqual(
    avoidedOf(seen, web, now),
    Array.from({length: avoidedMax}, (_, at) => `h${at}`),
  )
})
