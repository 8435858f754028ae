// Traffic choices: what decides in which order, that shares are kept, and that users move only to what has grown.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import fc from 'fast-check'
import {cookieOf} from '#shared/domain/cookies.ts'
import {unitHash} from '#shared/domain/hash.ts'
import {type Circumstances, type RequestFields, releaseChooser, type Traffic} from '#shared/domain/traffic.ts'

const request = (headers: Record<string, string> = {}, cookies: Record<string, string> = {}): RequestFields => ({
  header: name => headers[name],
  cookie: name => cookies[name],
})
interface Where extends Circumstances {
  readonly isLive: (release: number) => boolean
}
const chooseRelease = (traffic: Traffic, asked: RequestFields, {isLive, ...where}: Where) => releaseChooser(traffic, isLive)(asked, where)
const all: Where = {isLive: () => true, random: 0}
const only = (...live: number[]): Where => ({...all, isLive: release => live.includes(release)})
const split: Traffic = {weights: {3: 90, 4: 10}, matches: []}

test('a match decides before weights, and the first that fits', () => {
  const traffic: Traffic = {
    weights: {3: 1},
    matches: [
      {header: 'x-canary', value: '1', release: 4},
      {cookie: 'beta', value: 'yes', release: 5},
    ],
  }
  assert.equal(chooseRelease(traffic, request(), all), 3)
  assert.equal(chooseRelease(traffic, request({'x-canary': '1'}, {beta: 'yes'}), all), 4)
  assert.equal(chooseRelease(traffic, request({'x-canary': '2'}, {beta: 'yes'}), all), 5)
  assert.equal(chooseRelease(traffic, request({}, {beta: 'YES'}), all), 3)
})

test('a release without live instances gets no traffic; its share falls to the live ones', () => {
  const traffic: Traffic = {...split, matches: [{header: 'x', value: '1', release: 4}], by: {header: 'user'}}
  assert.equal(chooseRelease(traffic, request({x: '1'}), only(3)), 3)
  for (let user = 0; user < 50; user++) {
    assert.equal(chooseRelease(traffic, request({user: `u${user}`}), only(4)), 4)
    assert.equal(chooseRelease(traffic, request({user: `u${user}`}), only(3, 9)), 3)
  }
  assert.equal(chooseRelease(traffic, request(), only(9)), undefined)
})

test('the only release that is named is the answer, live or not', () => {
  assert.equal(chooseRelease({weights: {7: 100}, matches: []}, request(), only(6)), 7)
  const pinned: Traffic = {weights: {7: 1}, matches: [{header: 'x', value: '1', release: 7}]}
  assert.equal(chooseRelease(pinned, request(), only(6)), 7)
  assert.equal(chooseRelease({weights: {7: 1, 6: 0}, matches: []}, request(), only(6)), undefined)
})

test('a session stays with its release while that has a weight; the user’s own side comes first', () => {
  assert.equal(chooseRelease(split, request(), {...all, session: 4}), 4)
  assert.equal(chooseRelease(split, request(), {...all, session: 5}), 3)
  assert.equal(chooseRelease({...split, weights: {3: 90, 4: 0, 5: 1}}, request(), {...all, session: 4, random: 0.5}), 3)
  const byUser: Traffic = {...split, by: {cookie: 'uid'}}
  const side = chooseRelease(byUser, request({}, {uid: 'ada'}), all)
  const other = side === 3 ? 4 : 3
  assert.equal(chooseRelease(byUser, request({}, {uid: 'ada'}), {...all, session: other}), side)
  assert.equal(chooseRelease(byUser, request(), {...all, session: other}), other)
})

const weights = fc
  .dictionary(fc.constantFrom('1', '2', '3', '4', '5'), fc.nat(1_000), {minKeys: 2})
  .filter(all => Object.values(all).some(Boolean))
const user = fc.string({minLength: 1, maxLength: 12})
const of = (traffic: Traffic, name: string, where: Where = all) => chooseRelease(traffic, request({user: name}), where)
const byUser = (given: Record<string, number>): Traffic => ({weights: given, matches: [], by: {header: 'user'}})

test('a user moves from one release to another only when the other’s weight grew against the first’s', () => {
  fc.assert(
    fc.property(weights, weights, user, (before, after, name) => {
      const [from, to] = [of(byUser(before), name), of(byUser(after), name)]
      if (from === undefined || to === undefined || from === to) return
      const grew = (after[to] ?? 0) * (before[from] ?? 0) > (before[to] ?? 0) * (after[from] ?? 0)
      assert.ok(grew, `${name}: ${from} → ${to}`)
    }),
    {numRuns: 3_000},
  )
})

test('from 1 % to 100 % users only move from old to new, and never back', () => {
  const users = Array.from({length: 500}, (_, index) => `user-${index}`)
  let moved = new Set<string>()
  for (let percent = 0; percent <= 100; percent++) {
    const traffic = byUser({8: 100 - percent, 9: percent})
    const now = new Set(users.filter(name => of(traffic, name) === 9))
    for (const name of moved) assert.ok(now.has(name), `${name} went back at ${percent} %`)
    moved = now
  }
  assert.equal(moved.size, users.length)
})

test('when a release dies only its users move, and come back when it lives', () => {
  fc.assert(
    fc.property(weights, user, fc.constantFrom(1, 2, 3, 4, 5), (given, name, dead) => {
      const before = of(byUser(given), name)
      const during = of(byUser(given), name, {...all, isLive: release => release !== dead})
      if (before !== dead) assert.equal(during, before)
      else assert.notEqual(during, dead)
    }),
    {numRuns: 2_000},
  )
})

test('nobody gets a release without weight, instances or name', () => {
  fc.assert(
    fc.property(
      weights,
      fc.subarray([1, 2, 3, 4, 5]),
      fc.option(user),
      fc.double({min: 0, max: 0.999_999, noNaN: true}),
      (given, live, name, random) => {
        const chosen = chooseRelease(byUser(given), request(name === null ? {} : {user: name}), {...only(...live), random})
        const possible = Object.keys(given)
          .map(Number)
          .filter(release => (given[release] ?? 0) > 0 && live.includes(release))
        if (chosen === undefined) assert.deepEqual(possible, [])
        else assert.ok(possible.includes(chosen))
      },
    ),
    {numRuns: 2_000},
  )
})

test('shares are kept, by users and by chance', () => {
  const count = 20_000
  for (const traffic of [byUser({1: 1, 2: 3, 3: 6}), {weights: {1: 1, 2: 3, 3: 6}, matches: []} as Traffic]) {
    const seen = new Map<number, number>()
    for (let i = 0; i < count; i++) {
      const release = chooseRelease(traffic, request({user: `u${i}`}), {...all, random: (i * 0.618_033_988_7) % 1}) ?? 0
      seen.set(release, (seen.get(release) ?? 0) + 1)
    }
    for (const [release, share] of [
      [1, 0.1],
      [2, 0.3],
      [3, 0.6],
    ] as const) {
      const found = (seen.get(release) ?? 0) / count
      assert.ok(Math.abs(found - share) < 0.015, `release ${release}: ${found}`)
    }
  }
})

test('the hash is stable and stays within its bounds', () => {
  assert.equal(unitHash('3/ada'), unitHash('3/ada'))
  fc.assert(fc.property(fc.string(), text => unitHash(text) > 0 && unitHash(text) < 1))
})

test('cookies are read as they are written', () => {
  assert.equal(cookieOf(['a=1; uid=ada; b=2'], 'uid'), 'ada')
  assert.equal(cookieOf(['a=1', 'uid="ada"'], 'uid'), 'ada')
  assert.equal(cookieOf(['xuid=1; uid2=3; uid'], 'uid'), undefined)
  assert.equal(cookieOf(['uid=a=b; uid=c'], 'uid'), 'a=b')
  assert.equal(cookieOf([], 'uid'), undefined)
})
