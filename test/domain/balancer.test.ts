// The balancer's rules: two choices, ejection with a bound, and when a request may be tried again.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import {
  attemptsMax,
  earn,
  ejectionMs,
  ejectionMsMax,
  isIdempotent,
  isInstanceError,
  mayRetry,
  newRetryBudget,
  pick,
  retryTokensMax,
  slowStartMs,
  spend,
  warmth,
  zoneSpillInFlight,
} from '#shared/domain/balancer.ts'

const candidate = (inFlight: number, ejectedUntil = 0) => ({inFlight, ejectedUntil})
const randomOf = (...numbers: number[]): (() => number) => {
  let next = 0
  return () => numbers[next++ % numbers.length] ?? 0
}

test('of two random candidates the less busy one is picked', () => {
  const busy = candidate(9)
  const idle = candidate(1)
  assert.equal(pick([busy, idle], 0, randomOf(0, 0)), idle)
  assert.equal(pick([busy, idle], 0, randomOf(0.9, 0)), idle)
  assert.equal(pick([], 0, Math.random), undefined)
  assert.equal(pick([busy], 0, randomOf(0.99)), busy)
})

test('ejected ones are passed over until their time is over', () => {
  const out = candidate(0, 100)
  const inside = candidate(50)
  for (const random of [0, 0.3, 0.6, 0.99]) assert.equal(pick([out, inside], 99, randomOf(random)), inside)
  assert.equal(pick([out, inside], 100, randomOf(0, 0)), out)
})

test('when most are ejected all may be picked, healthy ones first', () => {
  const all = [candidate(0, 100), candidate(0, 100), candidate(7)]
  assert.equal(pick(all, 0, randomOf(0, 0.99)), all[2])
  assert.ok(all.slice(0, 2).includes(pick(all, 0, randomOf(0, 0)) ?? candidate(0)))
  const lone = candidate(3, 100)
  assert.equal(pick([lone], 0, randomOf(0.5)), lone)
})

test('silent ones get nothing while there are others, however many they are', () => {
  const silent = () => ({...candidate(0, 100), isSilent: true})
  const [busy, out] = [candidate(50), candidate(0, 100)]
  for (let n = 0; n < 50; n++) assert.equal(pick([silent(), silent(), silent(), busy], 0, Math.random), busy)
  // Those that may be there count as ever: most are passed over.
  assert.equal(pick([silent(), out, out, busy], 0, randomOf(0, 0.1)), out)
  assert.ok(pick([silent(), silent()], 0, Math.random))
  const back = {...candidate(0), isSilent: true}
  assert.equal(pick([back, busy], 0, Math.random), back)
})

test('there is always a pick, and it is a healthy one while at most half are ejected', () => {
  const some = fc.array(fc.record({inFlight: fc.nat(5), ejectedUntil: fc.constantFrom(0, 10)}), {minLength: 1, maxLength: 9})
  fc.assert(
    fc.property(some, fc.double({min: 0, max: 0.999_999, noNaN: true}), fc.double({min: 0, max: 0.999_999, noNaN: true}), (all, a, b) => {
      const picked = pick(all, 5, randomOf(a, b))
      assert.ok(picked !== undefined && all.includes(picked))
      const ejected = all.filter(({ejectedUntil}) => ejectedUntil > 5).length
      if (ejected * 2 <= all.length) assert.ok(picked.ejectedUntil <= 5)
    }),
  )
})

const randomFrom = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}
const shareOf = <C>(all: readonly C[], one: C, pickOne: () => C | undefined, times = 4_000): number => {
  let picked = 0
  for (let i = 0; i < times; i++) if (pickOne() === one) picked += 1
  assert.ok(all.includes(one))
  return picked / times
}

test('instances of our own zone come first, until they have much more to do', () => {
  const near = {inFlight: 0, ejectedUntil: 0, near: true}
  const far = {inFlight: 0, ejectedUntil: 0, near: false}
  const random = randomFrom(7)
  assert.equal(
    shareOf([near, far], near, () => pick([near, far, far], 0, random)),
    1,
  )
  const busy = {...near, inFlight: zoneSpillInFlight}
  assert.equal(
    shareOf([busy], busy, () => pick([busy, far], 0, random)),
    1,
  )
  const busier = {...near, inFlight: zoneSpillInFlight + 1}
  assert.equal(
    shareOf([far], far, () => pick([busier, far], 0, random)),
    1,
  )
  assert.equal(pick([{...near, ejectedUntil: 9}, far], 0, random), far)
})

test('a new instance begins with a small share, which grows to a full one', () => {
  const old = {inFlight: 0, ejectedUntil: 0}
  const young = {inFlight: 0, ejectedUntil: 0, since: 100_000}
  const random = randomFrom(11)
  const shareAt = (now: number) => shareOf([young], young, () => pick([old, old, old, young], now, random))
  const [first, half, full] = [shareAt(100_000), shareAt(100_000 + slowStartMs / 2), shareAt(100_000 + slowStartMs)]
  assert.ok(first < 0.1 && first > 0, `${first}`)
  assert.ok(half > first && half < full, `${half}`)
  assert.ok(Math.abs(full - 0.25) < 0.2, `${full}`)
  assert.equal(warmth(young, 100_000 + slowStartMs * 9), 1)
  assert.equal(pick([young], 100_000, random), young)
  const twin = {...young}
  assert.ok(Math.abs(shareOf([young], young, () => pick([young, twin], 100_000, random)) - 0.5) < 0.05)
})

test('whatever zones and ages there are, somebody is picked, and nobody ejected while most are well', () => {
  const one = fc.record({
    inFlight: fc.nat(9),
    ejectedUntil: fc.constantFrom(0, 10),
    since: fc.constantFrom(0, 4, 9_000),
    near: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(one, {minLength: 1, maxLength: 9}), fc.integer({min: 1, max: 1_000_000}), (all, seed) => {
      const picked = pick(all, 5, randomFrom(seed))
      assert.ok(picked !== undefined && all.includes(picked))
      const ejected = all.filter(({ejectedUntil}) => ejectedUntil > 5).length
      if (ejected * 2 <= all.length) assert.ok(picked.ejectedUntil <= 5)
    }),
    {numRuns: 1_000},
  )
})

test('only answers that tell of a broken instance count against it', () => {
  assert.deepEqual([200, 404, 429, 500, 501, 502, 503, 504, 505].map(isInstanceError), [
    false,
    false,
    false,
    false,
    false,
    true,
    true,
    true,
    false,
  ])
})

test('load spreads much more evenly than by chance alone', () => {
  let seed = 1
  const random = (): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
  const all = Array.from({length: 10}, () => ({inFlight: 0, ejectedUntil: 0}))
  for (let i = 0; i < 1_000; i++) {
    const picked = pick(all, 0, random)
    if (picked !== undefined) picked.inFlight += 1
  }
  const counts = all.map(({inFlight}) => inFlight)
  assert.ok(Math.max(...counts) - Math.min(...counts) <= 6, counts.join(' '))
})

test('ejection grows with failures, to a bound', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 1_000].map(ejectionMs), [0, 2_000, 4_000, 8_000, 16_000, 16_000, ejectionMsMax])
})

test('a request is tried again only when that is safe', () => {
  const base = {method: 'GET', attempts: 1, sent: true, bodyConsumed: false, timedOut: false}
  assert.equal(mayRetry(base), true)
  assert.equal(mayRetry({...base, attempts: attemptsMax}), false)
  assert.equal(mayRetry({...base, method: 'POST'}), false)
  assert.equal(mayRetry({...base, method: 'PATCH'}), false)
  assert.equal(mayRetry({...base, method: 'POST', sent: false}), true)
  assert.equal(mayRetry({...base, method: 'PUT', bodyConsumed: true}), false)
  assert.equal(mayRetry({...base, timedOut: true}), false)
  assert.deepEqual(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'POST', 'PATCH', 'get'].map(isIdempotent), [
    true,
    true,
    true,
    true,
    true,
    true,
    false,
    false,
    false,
  ])
})

test('the retry budget runs dry and is earned back by requests', () => {
  let budget = newRetryBudget()
  let retries = 0
  for (let next = spend(budget); next !== undefined; next = spend(budget)) {
    budget = next
    retries += 1
  }
  assert.equal(retries, retryTokensMax)
  for (let i = 0; i < 4; i++) budget = earn(budget)
  assert.equal(spend(budget), undefined)
  budget = earn(earn(budget))
  assert.notEqual(spend(budget), undefined)
  for (let i = 0; i < 10_000; i++) budget = earn(budget)
  assert.equal(budget.tokens, retryTokensMax)
})
