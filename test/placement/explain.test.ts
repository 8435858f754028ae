// Explanations in words: candidates, reasons, changes, and what a plan tells of what it could not place.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import type {Executor} from '#shared/domain/executor.ts'
import {place} from '#shared/domain/placement.ts'
import {explain} from '#shared/domain/placement-explain.ts'
import {rankOfFailure} from '#shared/domain/placement-rules.ts'
import {createExpressions} from '#shared/expressions.ts'
import {executorOf, now, pendingOf} from './arbitraries.ts'

const expressions = createExpressions()

const explained = (executors: readonly Executor[], more: Parameters<typeof pendingOf>[1] = {}) =>
  explain({request: pendingOf('i', more), executors, placed: [], expressions, now})

const refusal = (executor: Partial<Executor>, more: Parameters<typeof pendingOf>[1] = {}) => {
  const [refused] = explained([executorOf('x', executor)], more).refusals
  assert.ok(refused)
  return {reasons: refused.reasons, change: refused.change}
}

test('candidates come best first, equals by id', () => {
  const all = [executorOf('c', {memoryMib: 2_048}), executorOf('b'), executorOf('a')]
  assert.deepEqual(explained(all, {rank: 'executor.memory_free'}).candidates, [
    {executor: 'a', rank: 4_096},
    {executor: 'b', rank: 4_096},
    {executor: 'c', rank: 2_048},
  ])
})

test('an executor whose rank fails comes last, with the reason', () => {
  const all = [executorOf('a'), executorOf('b', {labels: {slots: '-3'}})]
  assert.deepEqual(explained(all, {rank: 'double(executor.labels.slots)'}).candidates, [
    {executor: 'b', rank: -3},
    {executor: 'a', rank: rankOfFailure, reason: 'No such key: slots'},
  ])
})

test('each refusal says why and what would change it', () => {
  assert.deepEqual(refusal({cpuMilliUsed: 4_000}, {resources: {cpuMilli: 1_500, memoryMib: 64}}), {
    reasons: ['needs 1.5 cores, 0 of 4 free'],
    change: 'needs 1.5 more cores',
  })
  assert.deepEqual(refusal({memoryMibUsed: 4_000}), {
    reasons: ['needs 256 MiB of memory, 96 of 4096 free'],
    change: 'needs 160 MiB more memory',
  })
  assert.deepEqual(refusal({hostPorts: [7_180]}, {ports: [{port: 80, hostPort: 7_180}]}), {
    reasons: ['host port 7180 is in use'],
    change: 'free host port 7180',
  })
  assert.deepEqual(refusal({state: 'cordoned'}), {reasons: ['cordoned'], change: 'uncordon it'})
  assert.deepEqual(refusal({state: 'draining'}), {reasons: ['draining'], change: 'end its draining'})
  assert.deepEqual(refusal({state: 'lost'}), {reasons: ['lost'], change: 'bring its agent back'})
  assert.deepEqual(refusal({leaseExpiresAt: now}), {reasons: ['its lease is over'], change: 'bring its agent back'})
  assert.deepEqual(refusal({}, {runtime: 'docker'}), {reasons: ['has no docker runtime'], change: 'offer the docker runtime'})
  assert.deepEqual(refusal({}, {requirements: ['"ssd" in executor.tags']}), {
    reasons: ['requirement does not hold: "ssd" in executor.tags'],
    change: 'add the tag "ssd"',
  })
  assert.deepEqual(refusal({}, {requirements: ['executor.labels.gpu == "t4"']}), {
    reasons: ['requirement failed: executor.labels.gpu == "t4": No such key: gpu'],
    change: 'set the label gpu to "t4"',
  })
  assert.deepEqual(refusal({}, {requirements: ['executor.instances > 3']}).change, 'make this hold: executor.instances > 3')
})

test('all reasons are told, and the change removes all of them', () => {
  const {reasons, change} = refusal(
    {cpuMilliUsed: 4_000, state: 'draining'},
    {requirements: ['executor.zone == "cellar"', '"ssd" in executor.tags']},
  )
  assert.equal(reasons.length, 4)
  assert.equal(change, 'end its draining and needs 0.5 more cores and set its zone to "cellar" and add the tag "ssd"')
})

test('the smallest change of all is the nearest executor’s', () => {
  const demand = {requirements: ['"ssd" in executor.tags'], resources: {cpuMilli: 1_000, memoryMib: 64}}
  const full = executorOf('full', {tags: ['ssd'], cpuMilliUsed: 3_500})
  const fuller = executorOf('fuller', {tags: ['ssd'], cpuMilliUsed: 4_000})
  const plain = executorOf('plain')
  const lost = executorOf('lost', {tags: ['ssd'], state: 'lost'})
  assert.equal(explained([lost, plain, fuller, full], demand).change, 'full: needs 0.5 more cores')
  assert.equal(explained([lost, plain], demand).change, 'plain: add the tag "ssd"')
  assert.equal(explained([executorOf('fits', {tags: ['ssd']}), plain], demand).change, undefined)
})

test('neighbours count: same_service by formation and service', () => {
  const placed = [
    {formation: 'crm', service: 'users', executor: 'a'},
    {formation: 'crm', service: 'mail', executor: 'a'},
    {formation: 'shop', service: 'users', executor: 'b'},
  ]
  const ranks = (rank: string) =>
    explain({request: pendingOf('i', {rank}), executors: [executorOf('a'), executorOf('b')], placed, expressions, now}).candidates
  assert.deepEqual(ranks('executor.same_service'), [
    {executor: 'a', rank: 1},
    {executor: 'b', rank: 0},
  ])
  assert.deepEqual(ranks('executor.same_formation'), [
    {executor: 'a', rank: 2},
    {executor: 'b', rank: 0},
  ])
})

test('a text that is no longer valid refuses with its fault instead of throwing', () => {
  assert.match(refusal({}, {requirements: ['executor.zne == "x"']}).reasons[0] ?? '', /executor has no variable zne/)
  assert.match(explained([executorOf('a')], {rank: 'nonsense'}).candidates[0]?.reason ?? '', /unknown variable nonsense/)
})

test('without executors, placing says so', () => {
  const {unplaced} = place({executors: [], pending: [pendingOf('i')], placed: [], expressions, now})
  assert.deepEqual(
    unplaced.map(({reason}) => reason),
    ['no executor has joined'],
  )
  assert.deepEqual(explained([]), {rank: '-executor.instances', candidates: [], refusals: []})
})

test('reasons are counted over all executors and worded for the nearest only', () => {
  const all = Array.from({length: 500}, (_, at) => executorOf(`x${String(at).padStart(3, '0')}`, at % 2 === 0 ? {} : {state: 'lost'}))
  const requirements = ['"ssd" in executor.tags']
  const pending = Array.from({length: 2_000}, (_, at) => pendingOf(`i${at}`, {requirements}))
  const [unplaced, ...others] = place({executors: all, pending, placed: [], expressions, now}).unplaced
  assert.equal(others.length, 0)
  assert.equal(unplaced?.instances.length, 2_000)
  assert.equal(unplaced?.refusals.length, 20)
  assert.equal(
    unplaced?.reason,
    'of 500 executors none fits: 500 not meeting "ssd" in executor.tags, 250 not ready; nearest: x000: add the tag "ssd"',
  )
})
