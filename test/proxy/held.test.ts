// The held poll of the discovery feed: news at once, unknown formations past it, and what happens when it fails.
import assert from 'node:assert/strict'
import {test} from 'node:test'
import {Directory, type Discovered} from '#proxy/directory.ts'
import {Discovery, type DiscoveryOptions, idleHoldMs} from '#proxy/discovery.ts'
import {createLogger} from '#shared/log.ts'
import {compilePattern} from '#shared/patterns.ts'
import {type Closer, until} from './rig.ts'

type Asked = Parameters<DiscoveryOptions['discover']>[0]

/** A feed whose calls wait until the test answers them, or the caller gives up. */
class HeldFeed {
  readonly calls: {asked: Asked; answer: (answer: Discovered) => void; fail: () => void; over: boolean}[] = []

  readonly discover = (asked: Asked, signal: AbortSignal): Promise<Discovered> =>
    new Promise((resolve, reject) => {
      const end = (how: () => void) => () => {
        call.over = true
        how()
      }
      const call = {
        asked,
        over: false,
        answer: (answer: Discovered) => end(() => resolve(answer))(),
        fail: end(() => reject(new Error('no answer'))),
      }
      signal.addEventListener(
        'abort',
        end(() => reject(signal.reason)),
      )
      this.calls.push(call)
    })

  /** The call under way, waiting for it. */
  async next(): Promise<HeldFeed['calls'][number]> {
    await until(() => this.calls.at(-1)?.over === false, 'a call')
    return this.calls.at(-1) as HeldFeed['calls'][number]
  }
}

const crm = (version: number, ...ids: string[]): Discovered['formations'] => ({
  crm: {version, endpoints: ids.map(id => ({service: 'users', id, host: '127.0.0.1', ports: {'80': 1}}))},
})

const start = async (t: Closer, now = Date.now) => {
  const feed = new HeldFeed()
  const logged: string[] = []
  const discovery = new Discovery({
    directory: new Directory({compile: compilePattern, withRoutes: false}),
    discover: feed.discover,
    log: createLogger('proxy', {destination: {write: line => void logged.push(line)}}),
    now,
    random: () => 0.5,
  })
  await discovery.start()
  t.after(() => discovery.stop())
  const first = await feed.next()
  first.answer({formations: {}, nextPollMs: 10})
  return {feed, discovery, logged, first}
}

const watchingCrm = async (t: Closer) => {
  const rig = await start(t)
  const found = rig.discovery.find('crm')
  await until(() => rig.feed.calls.at(-1)?.asked.formations.crm === 0, 'asked for')
  ;(await rig.feed.next()).answer({formations: crm(1, 'a'), nextPollMs: 10})
  assert.deepEqual(
    (await found).endpoints.map(({id}) => id),
    ['a'],
  )
  await until(() => rig.feed.calls.at(-1)?.asked.formations.crm === 1, 'held again')
  return rig
}

test('only a poll with everything known is held, and news in its answer counts at once', async t => {
  const {feed, discovery, first} = await watchingCrm(t)
  assert.equal(first.asked.holdMs, undefined, 'the first answer is needed now')
  const unknown = feed.calls.find(({asked}) => asked.formations.crm === 0)
  assert.equal(unknown?.asked.holdMs, undefined, 'a request waits for it')
  const held = await feed.next()
  assert.equal(held.asked.holdMs, idleHoldMs)
  held.answer({formations: crm(2, 'b'), nextPollMs: 10})
  await until(async () => (await discovery.find('crm')).endpoints[0]?.id === 'b', 'the news')
})

test('a request for an unknown formation does not wait for the held poll; the poll is given up and that is no failure', async t => {
  const {feed, discovery, logged} = await watchingCrm(t)
  const held = await feed.next()
  const found = Promise.all([discovery.find('shop'), discovery.find('shop'), discovery.find('cart')])
  await until(() => held.over, 'given up')
  const asking = await feed.next()
  assert.deepEqual([asking.asked.formations, asking.asked.holdMs], [{crm: 1, shop: 0, cart: 0}, undefined])
  asking.answer({formations: {shop: {version: 4, endpoints: []}}, nextPollMs: 10})
  assert.deepEqual(
    (await found).map(({loaded}) => loaded),
    [true, true, true],
  )
  assert.equal((await feed.next()).asked.holdMs, idleHoldMs)
  assert.deepEqual(logged, [])
  assert.deepEqual(
    (await discovery.find('crm')).endpoints.map(({id}) => id),
    ['a'],
  )
})

test('a control plane that fails a held poll is out of reach until it answers one that is not held', async t => {
  const {feed, discovery, logged} = await watchingCrm(t)
  ;(await feed.next()).fail()
  const again = await feed.next()
  assert.equal(again.asked.holdMs, undefined)
  assert.deepEqual(
    (await discovery.find('crm')).endpoints.map(({id}) => id),
    ['a'],
    'the last good table',
  )
  again.answer({formations: {}, nextPollMs: 10})
  await until(async () => (await feed.next()).asked.holdMs === idleHoldMs, 'held again')
  assert.equal(logged.length, 2, 'gone and back')
})

test('each poll says for how long nothing was new, and a change begins that anew', async t => {
  let now = 1_000_000
  const {feed, discovery, first} = await start(t, () => now)
  const next = async () => {
    const poll = await feed.next()
    return {quietMs: poll.asked.quietMs, answer: (discovered: object) => poll.answer({formations: {}, ...discovered, nextPollMs: 10})}
  }
  assert.equal(first.asked.quietMs, 0)
  now += 7_000
  ;(await next()).answer({})
  now += 20_000
  const found = discovery.find('crm')
  await until(() => feed.calls.at(-1)?.asked.formations.crm === 0, 'asked for')
  const asking = await next()
  assert.equal(asking.quietMs, 27_000)
  asking.answer({formations: crm(1, 'a')})
  await found
  now += 3_000
  ;(await next()).answer({})
  assert.equal(feed.calls.at(-1)?.asked.quietMs, 3_000)
})

test('stopping ends a held poll', async t => {
  const {feed, discovery} = await watchingCrm(t)
  const held = await feed.next()
  await discovery.stop()
  assert.equal(held.over, true)
})
