// The audit: every endpoint that changes something leaves an entry in the same step, with who, what, from and to; and those who may not see it do not.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {auditKeptMs} from '#lambdas/store/index.ts'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import {type Endpoint, type EndpointName, endpoints, type OutputOf} from '#shared/endpoints.ts'
import {descriptor, pendingInstance, reportOf, serviceDefinition} from '#test/store/samples.ts'
import {startCache} from './cache.ts'
import type {EventOptions} from './event.ts'
import {type Platform, startPlatform} from './platform.ts'

type Entry = OutputOf<'getAudit'>['items'][number]

/** Not changes that anybody asks about: heartbeats, announcements that end by themselves, reading by POST, where to upload; and what
 * exchange.test.ts and backups.test.ts look at. */
const silent: readonly EndpointName[] = [
  'syncExecutor',
  'announce',
  'withdraw',
  'discover',
  'createArtifact',
  'uploadBackup',
  'reportBackup',
  'exchangeToken',
  'joinByRole',
]

const formation = 'crm'
const params = {formation}
const sha256 = 'a'.repeat(64)
const release = {services: {web: serviceDefinition()}, env: {PASSWORD: 'hunter2'}, message: 'first'}

const ownType = 'type: cassandra\nabout: a database\nimage: cassandra:5\nports: [9042]\n'
const dump = {sha256: 'd'.repeat(64), bytes: 10}

const newest = async ({backups}: Platform['store']) => {
  const [made] = (await backups.list(formation)).backups
  assert.ok(made !== undefined)
  return made
}

/** In an order in which each works; what an entry says of it. */
const changes: readonly (readonly [EndpointName, (platform: Platform) => Promise<EventOptions>, Partial<Entry>])[] = [
  ['createFormation', async () => ({body: {name: formation}}), {formation, what: 'formation crm'}],
  [
    'createRelease',
    async () => ({params, body: release}),
    {formation, what: 'release 1', to: {release: 1, message: 'first', services: ['web']}},
  ],
  ['setScale', async () => ({params, body: {release: 1, services: {web: 1}}}), {formation, from: {}, to: {web: 1}}],
  ['setScale', async () => ({params, body: {release: 1, services: {web: 3}}}), {formation, from: {web: 1}, to: {web: 3}}],
  ['changeEnv', async () => ({params, body: {set: {KEY: 'swordfish'}}}), {formation, what: 'release 2', from: {release: 1}}],
  [
    'createRollout',
    async () => ({params, body: {release: 2}}),
    {formation, what: 'release 2', from: {releases: [1]}, to: {release: 2, scale: {web: 3}}},
  ],
  [
    'runService',
    async () => ({params, body: {service: 'web', command: ['true'], detach: true}}),
    {formation, action: 'instance.run', to: {release: 2, requirements: [], command: ['true']}},
  ],
  ['spawnInstance', async () => ({params, body: {service: 'web'}}), {formation, to: {release: 2, requirements: []}}],
  [
    'stopInstance',
    async ({store}) => ({params: {formation, instance: (await store.instances.list(formation))[0]?.id ?? ''}}),
    {formation, from: {state: 'pending'}, to: {state: 'stopped', reason: 'stopped by request'}},
  ],
  [
    'createRoute',
    async () => ({
      body: {name: 'web', path: '/', target: 'web.crm.service', formation, options: {requestHeaders: {set: {'x-key': 'opensesame'}}}},
    }),
    {
      formation,
      what: 'route web',
      to: {domain: '*', path: '/', target: 'web.crm.service', options: {requestHeaders: {set: {'x-key': '…'}}}},
    },
  ],
  ['changeRoute', async () => ({params: {route: 'web'}, body: {target: 'api.crm.service'}}), {formation, what: 'route web'}],
  ['deleteRoute', async () => ({params: {route: 'web'}}), {formation, from: {domain: '*', path: '/', target: 'api.crm.service'}}],
  [
    'setTraffic',
    async () => ({params: {...params, service: 'web'}, body: {weights: {1: 90, 2: 10}}}),
    {formation, what: 'service web', to: {weights: {1: 90, 2: 10}, matches: []}},
  ],
  ['resetTraffic', async () => ({params: {...params, service: 'web'}}), {formation, from: {weights: {1: 90, 2: 10}, matches: []}}],
  ['joinExecutor', async () => ({body: descriptor('one')}), {what: 'executor one', to: {state: 'ready', host: '127.0.0.1'}}],
  [
    'rebalance',
    async ({store, clock}) => {
      await store.executors.join(descriptor('idle'), clock.now)
      const crowd = ['a', 'b'].map(id => pendingInstance(formation, 'web', id, {}, clock.now))
      for (const each of crowd) await store.instances.spawn(each)
      const one = await store.executors.get('one')
      assert.ok(one !== undefined)
      assert.equal((await store.instances.assign(one, crowd, clock.now)).assigned.length, 2)
      for (const {id} of crowd) await store.instances.report('one', reportOf(formation, 'web', id, 'running', false), clock.now)
      const rollout = await store.rollouts.underWay(formation)
      if (rollout !== undefined) await store.rollouts.finish(formation, rollout.release, clock.now)
      return {params, body: {}}
    },
    {formation, what: 'instance a', to: {reason: 'rebalanced: idle suits it better than one'}},
  ],
  [
    'releaseVolume',
    async ({store, clock}) => {
      const db = pendingInstance(formation, '_db', 'c', {volume: {}}, clock.now)
      await store.instances.spawn(db)
      const one = await store.executors.get('one')
      assert.ok(one !== undefined)
      assert.equal((await store.instances.assign(one, [db], clock.now)).assigned.length, 1)
      await store.instances.report('one', reportOf(formation, '_db', 'c', 'stopped', false), clock.now)
      return {params: {...params, service: '_db'}}
    },
    {formation, what: 'volume _db', from: {id: 'c', executor: 'one'}},
  ],
  [
    'execInstance',
    async ({store}) => {
      const running = (await store.instances.list(formation)).find(({state}) => state === 'running')
      return {params: {formation, instance: running?.id ?? ''}, body: {command: ['ls', '-l']}}
    },
    {formation, action: 'session.exec'},
  ],
  ['followLogs', async () => ({params, body: {executor: 'one', service: 'web'}}), {formation, what: 'service web'}],
  ['cordonExecutor', async () => ({params: {executor: 'one'}, body: {}}), {from: {state: 'ready'}, to: {state: 'cordoned'}}],
  ['cordonExecutor', async () => ({params: {executor: 'one'}, body: {undo: true}}), {from: {state: 'cordoned'}, to: {state: 'ready'}}],
  ['drainExecutor', async () => ({params: {executor: 'one'}, body: {}}), {from: {state: 'ready'}, to: {state: 'draining'}}],
  [
    'forgetExecutor',
    async ({store, clock}) => {
      await store.executors.markLost('one', clock.now + executorLeaseMs + 1)
      return {params: {executor: 'one'}}
    },
    {what: 'executor one', from: {state: 'lost'}},
  ],
  [
    'upgradeAgents',
    async ({store}) => {
      await store.artifacts.put({sha256, bytes: 10, stored: true, createdAt: 1})
      return {params: {ring: 'canary'}, body: {sha256}}
    },
    {what: 'ring canary', from: {version: 'installed'}, to: {version: sha256}},
  ],
  [
    'upgradeAgents',
    async () => ({params: {ring: 'canary'}, body: {undo: true}}),
    {action: 'agent.undo', from: {version: sha256}, to: {version: 'installed'}},
  ],
  [
    'createTrust',
    async () => ({body: {name: 'ci', issuer: 'https://id.example.com', audience: 'a', claims: {sub: 'x'}, verbs: ['read']}}),
    {what: 'trust ci'},
  ],
  ['deleteTrust', async () => ({params: {trust: 'ci'}}), {what: 'trust ci'}],
  ['setSecret', async () => ({params: {...params, secret: 'key'}, body: {value: 'correcthorse'}}), {formation, what: 'secret key'}],
  ['setSecret', async () => ({params: {...params, secret: 'key'}, body: {value: 'battery'}}), {formation, from: {version: 1}}],
  ['deleteSecret', async () => ({params: {...params, secret: 'key'}}), {formation, what: 'secret key'}],
  ['createToken', async () => ({body: {name: 'ci', scope: 'user', verbs: ['deploy'], formations: [formation]}}), {formation}],
  [
    'revokeToken',
    async ({store, clock}) => ({params: {token: (await store.tokens.list(clock.now)).find(({name}) => name === 'ci')?.id ?? ''}}),
    {formation},
  ],
  ['setType', async () => ({params: {type: 'cassandra'}, body: {text: ownType}}), {what: 'type cassandra'}],
  ['deleteType', async () => ({params: {type: 'cassandra'}}), {what: 'type cassandra'}],
  [
    'createBackup',
    async platform => {
      await startCache(platform.store, {formation, executor: 'keeper', id: 'cache', now: platform.clock.now})
      return {params: {...params, service: '_cache'}, body: {}}
    },
    {formation, action: 'backup.create', to: {instance: 'cache', executor: 'keeper'}},
  ],
  [
    'noteBackup',
    async ({store, clock}) => {
      const made = await newest(store)
      await store.backups.end(made, {good: dump}, clock.now)
      return {params: {...params, service: '_cache', backup: made.id}, body: {event: 'verified'}}
    },
    {formation, action: 'backup.verified'},
  ],
  [
    'deleteBackup',
    async ({store}) => ({params: {...params, service: '_cache', backup: (await newest(store)).id}}),
    {formation, action: 'backup.delete'},
  ],
  ['destroyFormation', async () => ({params}), {formation, what: 'formation crm', from: {state: 'active'}, to: {state: 'destroying'}}],
]

describe('the audit', () => {
  let platform: Platform
  const seen: Entry[] = []
  before(async () => {
    platform = await startPlatform()
  })
  after(() => platform.stop())

  const list = async (query: Record<string, string> = {}, token?: string): Promise<Entry[]> =>
    (await platform.call('getAudit', {query, ...(token !== undefined && {token})})).body.items

  it('knows of every endpoint that changes something', () => {
    const table = Object.entries<Endpoint>(endpoints)
    const changing = table.filter(([, {method}]) => method !== 'GET').map(([name]) => name)
    assert.deepEqual(
      changing.filter(name => !silent.includes(name as EndpointName)).sort(),
      [...new Set(changes.map(([name]) => name))].sort(),
    )
  })

  for (const [at, [name, prepare, wanted]] of changes.entries()) {
    it(`notes ${name} (${at + 1}), once and with all that happened`, async () => {
      const options = await prepare(platform)
      platform.clock.now += 1
      const before = await list({limit: '1000'})
      const {status, headers, text} = await platform.call(name, options)
      assert.ok(status < 300, text)
      const entries = (await list({limit: '1000'})).slice(0, -before.length || undefined)
      assert.equal(entries.length, 1, JSON.stringify(entries))
      const [entry] = entries
      assert.ok(entry !== undefined)
      assert.deepEqual({...entry, ...wanted}, entry)
      assert.equal(entry.requestId, headers['x-request-id'])
      assert.deepEqual([entry.at, entry.who.name, entry.who.scope], [platform.clock.now, 'admin', 'admin'])
      seen.push(entry)
    })
  }

  it('notes nothing when nothing is done', async () => {
    const before = await list({limit: '1000'})
    const refused = [
      await platform.call('setScale', {params, body: {release: 1, services: {web: 9}}}),
      await platform.call('createRelease', {params, body: release}),
      await platform.call('createFormation', {body: {name: formation}}),
      await platform.call('setTraffic', {params: {...params, service: 'web'}, body: {weights: {1: 1}}}),
      await platform.call('deleteRoute', {params: {route: 'none'}}),
      await platform.call('revokeToken', {params: {token: '0'.repeat(16)}}),
    ]
    assert.ok(refused.every(({status}) => status >= 400))
    assert.deepEqual(await list({limit: '1000'}), before)
  })

  it('is read by formation, by time and page by page, newest first', async () => {
    const newest = seen.toReversed()
    assert.deepEqual(await list({limit: '1000'}), newest)
    assert.deepEqual(
      await list({formation}),
      newest.filter(entry => entry.formation === formation),
    )
    const [since, until] = [seen[3]?.at ?? 0, seen[7]?.at ?? 0]
    assert.deepEqual(await list({since: String(since), until: String(until)}), seen.slice(3, 8).toReversed())
    const pages: Entry[] = []
    for (let cursor: string | undefined; ; ) {
      const {body} = await platform.call('getAudit', {query: {limit: '4', ...(cursor !== undefined && {cursor})}})
      pages.push(...body.items)
      cursor = body.cursor
      if (cursor === undefined) break
      assert.equal(body.items.length, 4)
    }
    assert.deepEqual(pages, newest)
  })

  it('holds no token, no value of an environment and no value of a header', async () => {
    const {text} = await platform.call('getAudit', {query: {limit: '1000'}})
    assert.doesNotMatch(text, /gil_|hunter2|swordfish|opensesame|correcthorse|battery/)
  })

  it('shows a bound token its own formation only', async () => {
    await platform.call('createFormation', {body: {name: 'shop'}})
    const rights = {name: 'shop', scope: 'user', verbs: ['read'], ttlMs: 60_000} as const
    const {now} = platform.clock
    const {token} = await platform.store.tokens.create({...rights, formations: ['shop']}, now)
    assert.deepEqual(
      (await list({}, token)).map(entry => entry.formation),
      ['shop'],
    )
    assert.equal((await platform.call('getAudit', {token, query: {formation}})).body.code, 'forbidden')
    const two = await platform.store.tokens.create({...rights, formations: ['shop', 'crm']}, now)
    assert.equal((await platform.call('getAudit', {token: two.token})).body.code, 'forbidden')
  })

  it('is kept for a bounded time', async () => {
    platform.clock.now += auditKeptMs - 1_000
    const {token} = await platform.store.tokens.create({name: 'later', scope: 'admin', ttlMs: 86_400_000}, platform.clock.now)
    assert.ok((await list({limit: '1000'}, token)).length > 0)
    platform.clock.now += 2_000
    assert.deepEqual(await list({}, token), [])
  })
})
