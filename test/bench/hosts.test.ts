// That docs/faults.md tells of the faults that bench/hosts strikes, and that what the bench checks can fail: planted breaks of each invariant are found.
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {describe, it} from 'node:test'
import {faults} from '#bench/hosts/faults.ts'
import {type Invariant, Invariants, invariants} from '#bench/hosts/invariants.ts'
import {seenBy} from '#bench/hosts/measure.ts'
import type {InstanceProcess} from '#bench/hosts/processes.ts'
import type {SeenInstance, View} from '#bench/hosts/witness.ts'
import type {Asked} from '#test/hosts/client.ts'

const page = readFileSync(new URL('../../docs/faults.md', import.meta.url), 'utf8')

describe('docs/faults.md', () => {
  it('has a row for each fault that is struck, and no other', () => {
    const rows = [...page.matchAll(/^\| `([a-z][a-z-]*)` \| ([^|]*) \|/gm)].map(([, name = '', what = '']) => [name, what])
    assert.deepEqual(
      rows,
      faults.map(({name, what}) => [name, what]),
    )
  })

  it('names the invariants as the bench checks them', () => {
    for (const [number, text] of Object.entries(invariants)) assert.ok(page.includes(`| ${number} | ${text} |`), text)
  })
})

const instance = (change: Partial<SeenInstance> = {}): SeenInstance => ({
  id: 'a',
  formation: 'shop',
  service: 'web',
  release: 1,
  state: 'running',
  executor: 'h1',
  ...change,
})
const view = (at: number, ...instances: readonly SeenInstance[]): View => ({at, instances, executors: {}})
const main = (change: Partial<InstanceProcess> = {}): InstanceProcess => ({
  pid: 2,
  parent: 1,
  formation: 'shop',
  service: 'web',
  id: 'a',
  executor: 'h1',
  port: 20_000,
  isMain: true,
  ...change,
})
const answer = (text: string, change: Partial<Asked> = {}): Asked => ({at: 1_000, status: 200, text, tookMs: 5, ...change})
const asking = {service: 'web', mayBeSilent: false}

describe('what a run checks', () => {
  const found = (see: (seen: Invariants) => void): readonly Invariant[] => {
    const seen = new Invariants(new Map([['web', 1]]))
    see(seen)
    return [...seen.take().keys()]
  }

  it('finds nothing where all is well', () => {
    const good = (seen: Invariants): void => {
      seen.seeView(view(0, instance({state: 'pending', executor: undefined})))
      seen.seeView(view(500, instance(), instance({id: 'b', state: 'stopping'})))
      seen.seeProcesses([main(), main({pid: 3, isMain: false})])
      seen.seeProcesses([main({pid: 4})])
      seen.seeAnswer(answer('shop web 1 a h1'), asking)
      seen.seeAnswer(answer('{"code":"upstream_unreachable"}', {status: 502}), asking)
      seen.seeAnswer(answer('connect ECONNREFUSED', {status: 0}), {...asking, mayBeSilent: true})
    }
    assert.deepEqual(found(good), [])
  })

  it('1: an instance that moves, runs on two executors, or twice on one', () => {
    const moves = (seen: Invariants): void => {
      seen.seeView(view(0, instance()))
      seen.seeView(view(1, instance({executor: 'h2'})))
    }
    assert.deepEqual(found(moves), [1])
    assert.deepEqual(
      found(seen => seen.seeProcesses([main(), main({pid: 3})])),
      [1],
    )
    const elsewhere = (seen: Invariants): void => {
      seen.seeProcesses([main()])
      seen.seeProcesses([main({executor: 'h2'})])
    }
    assert.deepEqual(found(elsewhere), [1])
  })

  it('2: more than desired', () => {
    assert.deepEqual(
      found(seen => seen.seeView(view(0, instance(), instance({id: 'b', state: 'pending'})))),
      [2],
    )
    assert.deepEqual(
      found(seen => seen.seeView(view(0, instance(), instance({id: 'b', release: 2})))),
      [],
    )
  })

  it('4: answers of somebody else, of what was given up long ago, and errors that are none', () => {
    for (const text of ['a stranger', 'shop till 1 a h1', 'shop web 2 a h1', 'shop web 1 a h2', 'shop web 1 b h1']) {
      const seeing = (seen: Invariants): void => {
        seen.seeView(view(0, instance()))
        seen.seeAnswer(answer(text), asking)
      }
      assert.deepEqual(found(seeing), [4], text)
    }
    assert.deepEqual(
      found(seen => seen.seeAnswer(answer('', {status: 502}), asking)),
      [4],
    )
    assert.deepEqual(
      found(seen => seen.seeAnswer(answer('', {status: 0}), asking)),
      [4],
    )
    const late = (seen: Invariants): void => {
      seen.seeView(view(0, instance()))
      seen.seeView(view(60_000, instance({id: 'b'})))
      seen.seeAnswer(answer('shop web 1 a h1', {at: 50_000}), asking)
    }
    assert.deepEqual(found(late), [4])
  })
})

describe('what users saw', () => {
  it('is counted from when they asked and when they were answered', () => {
    const asked = [
      answer('', {at: 0, tookMs: 10}),
      answer('', {at: 100, status: 502}),
      answer('', {at: 200, status: 0, tookMs: 10_000}),
      answer('', {at: 300, tookMs: 700}),
    ]
    assert.deepEqual(seenBy(asked), {requests: 4, failed: 2, failsForMs: 150, gapMs: 990, slowestMs: 700})
    assert.deepEqual(seenBy([]), {requests: 0, failed: 0, failsForMs: 0, gapMs: 0, slowestMs: 0})
  })
})
