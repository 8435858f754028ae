// That no answer is longer than a function on AWS may give, and that what could make one so long has a limit which says its name.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {BatchWriteCommand} from '@aws-sdk/lib-dynamodb'
import {auditOperations} from '#lambdas/access/audit.ts'
import {instanceOperations} from '#lambdas/formations/instances.ts'
import {answerBytesMax, checkLength} from '#lambdas/middleware/answers.ts'
import {fitting, pageBytesMax} from '#lambdas/middleware/pages.ts'
import {discoverOperation} from '#lambdas/registry/discovery.ts'
import {announcementItem} from '#lambdas/store/items.ts'
import {
  announcementsPerFormationMax,
  type Endpoint,
  type FormationSnapshot,
  routesMax,
  routeTableBytesMax,
} from '#shared/domain/registry.ts'
import {instancesPerFormationMax} from '#shared/domain/release.ts'
import {pendingInstance, serviceDefinition} from '#test/store/samples.ts'
import {readText} from '#test/tidy/source.ts'
import {type Platform, startPlatform} from './platform.ts'

/** Bytes that an answer takes on its way: its body is a text in JSON. */
const onItsWay = (body: string): number => Buffer.byteLength(JSON.stringify({statusCode: 200, headers: {}, body}))
/** What AWS passes on. */
const lambdaBytesMax = 6 * 1_048_576

describe('answers', () => {
  it('that Lambda would not pass on are errors, which say so', () => {
    const quotes = '"'.repeat(answerBytesMax / 2)
    for (const body of [quotes, 'é'.repeat(answerBytesMax / 2), '\u0001'.repeat(answerBytesMax / 6)])
      assert.throws(() => checkLength(body, 'Ask for less.'), /at most 6000000 are answered. Ask for less/)
    for (const body of ['', quotes.slice(2), 'x'.repeat(answerBytesMax - 2)]) {
      checkLength(body, '')
      assert.ok(onItsWay(body) < lambdaBytesMax)
    }
  })

  it('hold as much of a list as fits, and always its first', () => {
    assert.deepEqual(fitting([], 10), [])
    assert.deepEqual(fitting(['a'.repeat(20), 'b'], 10), ['a'.repeat(20)])
    assert.deepEqual(fitting([1, 2, 3], 4), [1, 2])
    assert.deepEqual(fitting([1, 2, 3]), [1, 2, 3])
  })

  it('of the feed tell one formation after the other when they are too many for one', async () => {
    const endpoint = (id: number): Endpoint => ({service: 'web', id: `i${id}`, host: 'h'.repeat(200), ports: {80: 20_000}, executor: 'one'})
    const large = (formation: string): FormationSnapshot => ({
      formation,
      version: 1,
      endpoints: Array.from({length: 7_000}, (_, id) => endpoint(id)),
      traffic: {},
    })
    const all = ['a', 'b', 'c', 'd'].map(large)
    const routes = [{name: 'r', domain: 'd'.repeat(routeTableBytesMax), path: '/', target: 'web.a.service/'}]
    const discover = discoverOperation(
      {
        registry: {snapshots: async (held: Record<string, number>) => all.filter(({formation}) => held[formation] !== 1)},
        routes: {table: async (held: number) => (held === 1 ? undefined : {version: 1, routes})},
      } as never,
      {busyMs: 1, idleMs: 1_000},
    )
    const held: Record<string, number> = {a: 0, b: 0, c: 0, d: 0}
    let version = 0
    for (let polls = 1; ; polls++) {
      const answer = await discover({params: {}, query: {}, body: {formations: held, routes: version}} as never, {now: 1} as never)
      assert.ok(onItsWay(JSON.stringify(answer)) < lambdaBytesMax)
      if (answer.routes !== undefined) version = answer.routes.version
      for (const [formation, snapshot] of Object.entries(answer.formations)) held[formation] = snapshot.version
      if (Object.values(held).every(each => each === 1)) break
      assert.ok(polls < 6, 'each poll brings something')
      assert.equal(answer.nextPollMs, 1, 'the rest comes at once')
    }
    assert.equal(version, 1)
  })
})

describe('lists', () => {
  it('of instances have all that live, and of what ended the newest that fit', async () => {
    const now = 1_000_000
    const live = pendingInstance('crm', 'web', 'live', {}, now)
    const ended = Array.from({length: 6_000}, (_, n) => ({
      ...pendingInstance('crm', 'web', `i${n}`, {}, n),
      state: 'failed' as const,
      reason: 'r'.repeat(1_024),
      endedAt: n,
    }))
    const store = {
      formations: {get: async () => ({name: 'crm', state: 'active', createdAt: 0, latestRelease: 1})},
      instances: {list: async () => [...ended, live]},
      executors: {list: async () => [], getMany: async () => [], get: async () => undefined},
    }
    const {listInstances} = instanceOperations(store as never, () => 'id')
    const {items} = await listInstances({params: {formation: 'crm'}, query: {all: 'true'}, body: undefined} as never, {now} as never)
    assert.ok(items.length > 1_000 && items.length < ended.length)
    assert.ok(Buffer.byteLength(JSON.stringify({items})) <= pageBytesMax + 100)
    assert.deepEqual([items.at(-1)?.id, items.at(-2)?.id, items[0]?.id], ['live', 'i5999', `i${ended.length - items.length + 1}`])
  })

  it('of the audit end where an answer is full, and go on from there', async () => {
    const all = Array.from({length: 1_000}, (_, n) => ({
      id: `${n}`,
      at: n,
      who: {name: 'x'},
      action: 'a',
      what: 'w',
      to: 't'.repeat(8_000),
      requestId: 'r',
    }))
    const audit = {list: async () => ({items: all, cursor: 'last'}), cursorOf: ({id}: {id: string}) => `after ${id}`}
    const {getAudit} = auditOperations({audit} as never)
    const page = await getAudit({params: {}, query: {limit: '1000'}, body: undefined} as never, {now: 1} as never)
    assert.ok(page.items.length > 100 && Buffer.byteLength(JSON.stringify(page)) <= pageBytesMax + 100)
    assert.equal(page.cursor, `after ${page.items.length - 1}`)
  })
})

describe('docs/http-api.md', () => {
  it('tells the limits as they are', () => {
    const page = readText('docs/http-api.md')
    for (const limit of [answerBytesMax, instancesPerFormationMax, announcementsPerFormationMax, routesMax, routeTableBytesMax])
      assert.match(page, new RegExp(`(?:\\||with) ${limit}[ ,]`), String(limit))
  })
})

describe('limits', () => {
  let platform: Platform
  let call: Platform['call']
  before(async () => {
    platform = await startPlatform()
    call = platform.call
    await call('createFormation', {body: {name: 'crm'}})
    const services = Object.fromEntries(['a', 'b', 'c'].map(name => [name, serviceDefinition()]))
    await call('createRelease', {params, body: {env: {}, services}})
  })
  after(() => platform.stop())
  const params = {formation: 'crm'}
  const codeOf = (reply: {body: {code?: string; detail?: string}}) => [reply.body.code, reply.body.detail]

  it('hold for the instances of a formation, however they are asked for', async () => {
    const half = instancesPerFormationMax / 2
    const scale = (services: Record<string, number>) => call('setScale', {params, body: {release: 1, services}})
    assert.equal((await scale({a: half, b: half})).status, 200)
    const [code, detail = ''] = codeOf(await scale({c: 1}))
    assert.deepEqual([code, detail.includes(`more than ${instancesPerFormationMax} instances`)], ['limit_reached', true])
    assert.equal((await scale({b: half - 1, c: 1})).status, 200)
    const rollout = await call('createRollout', {params, body: {release: 1, scale: {a: half, b: half, c: 1}}})
    assert.equal(rollout.body.code, 'limit_reached')
  })

  it('hold for entries from outside; those that are there are renewed, and make room when they end', async () => {
    const token = await platform.tokenOf('registry')
    const announce = (name: string) => call('announce', {token, params: {...params, name}, body: {host: 'h', port: 1}, query: {ttl: '60'}})
    const {client, table} = platform.database
    const expiresAt = platform.clock.now + 60_000
    const itemOf = (at: number) => announcementItem({...params, service: 'ext', id: `e${at}`, body: {host: 'h', port: 1}, expiresAt})
    const puts = Array.from({length: announcementsPerFormationMax}, (_, at) => ({PutRequest: {Item: itemOf(at)}}))
    for (let at = 0; at < puts.length; at += 25)
      await client.send(new BatchWriteCommand({RequestItems: {[table]: puts.slice(at, at + 25)}}))
    const [code, detail = ''] = codeOf(await announce('ext.more'))
    assert.deepEqual([code, detail.includes(`${announcementsPerFormationMax} entries from outside`)], ['limit_reached', true])
    assert.equal((await announce('ext.e0')).status, 200, 'it is renewed')
    assert.equal((await call('withdraw', {token, params: {...params, name: 'ext.e1'}})).status, 204)
    assert.equal((await announce('ext.more')).status, 200)
    platform.clock.now += 61_000
    assert.equal((await announce('ext.later')).status, 200)
  })

  it('hold for the table of routes, in number and in bytes', async () => {
    const {routes} = platform.store
    const create = (name: string, pad = '') =>
      routes.create({name, domain: 'x.test', path: `/${name}${pad}`, target: 'a.crm.service/'}, `${name}`)
    const large = 'p'.repeat(routeTableBytesMax / 16)
    for (let n = 0; n < 15; n++) assert.equal((await create(`large${n}`, large)).outcome, 'ok')
    assert.equal((await create('large15', large)).outcome, 'full')
    assert.equal((await routes.delete('large0')).outcome, 'ok')
    assert.equal((await create('large15', large)).outcome, 'ok')
    const widen = await routes.change('large1', {target: `a.crm.service/${large}`})
    assert.equal(widen.outcome, 'full')
    assert.equal((await routes.change('large1', {target: 'b.crm.service/'})).outcome, 'ok')
    const made = await call('createRoute', {body: {domain: 'y.test', path: '/', target: 'a.crm.service/'}})
    assert.equal(made.status, 201, made.text)
    assert.ok(routesMax > 1_000)
  })
})
