// Rebalancing: what it shifts and what it leaves alone; and as properties, carried out step by step as reconciler and scheduler would: it ends, nothing is
// ever missing or too much, and what is balanced stays as it is.
import assert from 'node:assert/strict'
import {describe, it} from 'node:test'
import fc from 'fast-check'
import type {Executor} from '#shared/domain/executor.ts'
import type {Instance} from '#shared/domain/instance.ts'
import {place} from '#shared/domain/placement.ts'
import {placedOf} from '#shared/domain/placement-rules.ts'
import {nextShifts, planRebalance, type RebalanceView, shiftsAtOnceMax, shiftsMax} from '#shared/domain/rebalance.ts'
import {createExpressions} from '#shared/expressions.ts'
import {pendingInstance} from '#test/store/samples.ts'
import {executorOf, executors, now, rankTexts, requirementTexts} from './arbitraries.ts'

const expressions = createExpressions()

const running = (id: string, executor: string, more: Partial<Instance> = {}): Instance =>
  pendingInstance('crm', 'web', id, {state: 'running', executor, ports: [], ...more}, 0)

/** Executors that hold just these instances. */
const holding = (all: readonly Executor[], instances: readonly Instance[]): Executor[] =>
  all.map(executor => {
    const own = instances.filter(each => each.executor === executor.id && each.state !== 'stopped')
    const sum = (of: (each: Instance) => number): number => own.reduce((total, each) => total + of(each), 0)
    return {
      ...executor,
      instances: own.length,
      cpuMilliUsed: sum(each => each.resources.cpuMilli),
      memoryMibUsed: sum(each => each.resources.memoryMib),
      hostPorts: own.flatMap(({ports}) => ports.flatMap(({hostPort}) => hostPort ?? [])),
    }
  })

const view = (all: readonly Executor[], instances: readonly Instance[], more: Partial<RebalanceView> = {}): RebalanceView => ({
  executors: holding(all, instances),
  instances,
  isFree: () => true,
  expressions,
  now,
  ...more,
})
const plan = (given: RebalanceView): string[] => planRebalance(given).map(({instance, from, to}) => `${instance.id}: ${from} → ${to}`)

const big = {cpuMilli: 64_000, memoryMib: 64_000, hostPorts: []}
const [a, b] = [executorOf('a', big), executorOf('b', big)]
const onA = ['1', '2', '3', '4'].map(id => running(id, 'a'))

describe('rebalance', () => {
  it('spreads over an executor that is new, and no further than it would stay', () => {
    assert.deepEqual(plan(view([a, b], onA)), ['1: a → b', '2: a → b'])
    assert.deepEqual(plan(view([a, b], [...onA.slice(0, 2), running('5', 'b')])), [], 'one more here than there is balanced')
  })

  it('leaves alone what has a volume, was spawned, is on the move, or is on an executor that keeps it', () => {
    assert.deepEqual(plan(view([a, b], onA, {isFree: () => false})), [])
    for (const more of [{origin: 'spawn'}, {state: 'starting'}, {outdated: 'a secret'}] as const)
      assert.deepEqual(
        plan(
          view(
            [a, b],
            onA.map(each => ({...each, ...more})),
          ),
        ),
        [],
      )
    assert.deepEqual(plan(view([{...a, state: 'cordoned'}, b], onA)), [])
    for (const more of [{state: 'cordoned'}, {state: 'draining'}, {leaseExpiresAt: now}, {cpuMilli: 0}] as const)
      assert.deepEqual(plan(view([a, {...b, ...more}], onA)), [])
  })

  it('follows requirements and rank of the service', () => {
    const requirements = ['executor.zone == "cellar"']
    const elsewhere = [running('1', 'a', {requirements})]
    assert.deepEqual(
      planRebalance(view([a, {...b, zone: 'cellar'}], elsewhere)).map(({gain}) => gain),
      [undefined],
    )
    assert.deepEqual(
      plan(
        view(
          [a, b],
          onA.map(each => ({...each, rank: '-executor.price'})),
        ),
      ),
      [],
    )
    const cheap = {...b, pricePerHour: -1}
    assert.equal(
      plan(
        view(
          [a, cheap],
          onA.map(each => ({...each, rank: '-executor.price'})),
        ),
      ).length,
      4,
    )
  })

  it('begins with one of each service, and with few in all', () => {
    const many = ['v', 'w', 'x', 'y', 'z'].flatMap(service => ['1', '2', '3', '4'].map(id => running(service + id, 'a', {service})))
    const shifts = planRebalance(view([a, b], many))
    const next = nextShifts(shifts, many)
    assert.equal(next.length, shiftsAtOnceMax)
    assert.equal(new Set(next.map(({instance}) => instance.service)).size, shiftsAtOnceMax)
    const busy = many.map(each => (each.id === 'v1' ? {...each, outdated: 'rebalanced'} : each))
    assert.deepEqual(
      nextShifts(shifts, busy).map(({instance}) => instance.service),
      ['w', 'x'],
    )
  })

  /** Carries out every step as the control plane does; answers where everything is then, and how many steps it took. */
  const carryOut = (all: readonly Executor[], start: readonly Instance[], stepsMax: number) => {
    let instances = [...start]
    let made = 0
    for (let steps = 0; ; steps++) {
      const given = view(all, instances)
      const next = nextShifts(planRebalance(given), instances)
      if (next.length === 0 || steps >= stepsMax) return {instances, steps, left: next.length}
      const fresh = next.map(({instance}) => ({...instance, id: `n${made++}`, state: 'pending' as const, executor: undefined}))
      const pending = fresh.map(({executor: _, ...rest}) => rest)
      const {assignments} = place({executors: given.executors, pending, placed: placedOf(instances), expressions, now})
      const arrived = assignments.map(({instance, executor}): Instance => ({...instance, state: 'running', executor: executor.id}))
      const both = [...instances, ...arrived]
      assert.ok(both.length <= start.length + shiftsAtOnceMax, 'never more than the surge')
      for (const executor of holding(all, both))
        assert.ok(arrived.every(each => each.executor !== executor.id) || executor.cpuMilliUsed <= executor.cpuMilli)
      // The old one stops when the new one runs; one that found no place changes nothing.
      const came = new Set(arrived.map(({service, release}) => `${release} ${service}`))
      const gone = new Set(
        next.filter(({instance}) => came.has(`${instance.release} ${instance.service}`)).map(({instance}) => instance.id),
      )
      instances = both.filter(({id}) => !gone.has(id))
      assert.equal(instances.length, start.length, 'never fewer than there were')
      if (arrived.length === 0) return {instances, steps, left: 0}
    }
  }

  const placedAnyhow = (texts: readonly string[]) =>
    fc.array(
      fc
        .record({
          service: fc.constantFrom('web', 'api', 'mail'),
          at: fc.nat(11),
          rank: fc.constantFrom(undefined, ...texts),
          requirements: fc.subarray(requirementTexts, {maxLength: 1}),
          cpuMilli: fc.constantFrom(0, 50, 100),
        })
        .map(({at, cpuMilli, rank, ...rest}) => ({
          ...rest,
          executor: `x${at}`,
          resources: {cpuMilli, memoryMib: 10},
          ...(rank !== undefined && {rank}),
        })),
      {maxLength: 24},
    )
  const named = (all: readonly Partial<Instance>[]): Instance[] =>
    all.map((each, at) => running(`i${String(at).padStart(2, '0')}`, each.executor ?? '', each))

  it('ends, with nothing left to do, for the default rank, and nothing is ever missing or too much', () => {
    fc.assert(
      fc.property(executors, placedAnyhow([]), (listed, given) => {
        // Where their runtime is missing they would be shifted at any price.
        const all = listed.map((each): Executor => ({...each, runtimes: ['process']}))
        const instances = named(given.map(each => ({...each, requirements: []}))).filter(({executor}) =>
          all.some(({id}) => id === executor),
        )
        const counts = (of: readonly Instance[]): number => holding(all, of).reduce((total, {instances: count}) => total + count ** 2, 0)
        const end = carryOut(all, instances, 200)
        assert.equal(end.left, 0, 'it ends')
        assert.ok(counts(end.instances) <= counts(instances), 'nowhere is fuller than it was fullest')
        assert.deepEqual(nextShifts(planRebalance(view(all, end.instances)), end.instances), [])
      }),
      {numRuns: 150},
    )
  })

  it('plans a bounded number of shifts, each instance once, each to where its requirements hold, whatever the ranks', () => {
    fc.assert(
      fc.property(executors, placedAnyhow(rankTexts), (all, given) => {
        const instances = named(given).filter(({executor}) => all.some(({id}) => id === executor))
        const shifts = planRebalance(view(all, instances))
        assert.ok(shifts.length <= Math.min(shiftsMax, instances.length))
        assert.equal(new Set(shifts.map(({instance}) => instance.id)).size, shifts.length)
        for (const {from, to, gain} of shifts) assert.ok(from !== to && (gain === undefined || gain > 0))
        for (const {to} of shifts) assert.equal(all.find(({id}) => id === to)?.state, 'ready')
        carryOut(all, instances, shiftsMax)
      }),
      {numRuns: 150},
    )
  })
})
