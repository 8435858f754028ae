// The permissions of cdk/grants.ts, tried: every function does its work with a store that may do what its role may do. Nothing is refused, and nothing was
// granted that no work here needs.

import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {signProof} from '#agent/proof.ts'
import {tableAccess, tableStatements} from '#cdk/grants.ts'
import {drainMachine} from '#lambdas/capacity/drain.ts'
import {scaleMachines} from '#lambdas/capacity/scale.ts'
import {executorTokenTtlMs} from '#lambdas/executors/join.ts'
import {createSetupFunction} from '#lambdas/setup/index.ts'
import {createFunctions, type Functions} from '#local/functions.ts'
import {capacityRulesDefault} from '#shared/domain/capacity.ts'
import {type EndpointName, endpoints, type FunctionName} from '#shared/endpoints.ts'
import {createExpressions} from '#shared/expressions.ts'
import {createLogger} from '#shared/log.ts'
import {memoryDumps} from '#test/lambdas/dumps.ts'
import {type EventOptions, eventOf} from '#test/lambdas/event.ts'
import {type Issuer, startIssuer} from '#test/lambdas/issuer.ts'
import {createSts, machine as stsMachine} from '#test/lambdas/sts.ts'
import {startDatabase, type TestDatabase} from '#test/store/database.ts'
import {descriptor, serviceDefinition} from '#test/store/samples.ts'
import {tryBackups} from './backing-up.ts'
import {obeying} from './obeying.ts'
import {type Restricted, restrict} from './restricted.ts'

const sha256 = 'a'.repeat(64)
const stage = 'test'
/** With one machine that has not joined yet. */
const machine = {id: 'i-1', type: 't4g.medium', zone: 'a', state: 'running', isProtected: false} as const
const group = {min: 0, max: 2, desired: 1, machines: [machine], types: ['t4g.medium'], anyType: false, zones: ['a']}
/** Shorter than `watchGapMsMax`, so that leases count as watched. */
const tickMs = 10_000

/** Needed where a test is not worth its while: routes made while their formation is being destroyed. */
const untried = ['reconciler: dynamodb:DeleteItem ROUTES', 'reconciler: dynamodb:GetItem ROUTES', 'reconciler: dynamodb:UpdateItem ROUTES']
/** Every function that answers requests may be the first to see a token in an hour, or to get a keyed request; some were. */
const isEverybodys = (grant: string): boolean => grant.includes('IDEMPOTENCY') || grant.endsWith('UpdateItem T#*')

describe('cdk: what functions may do with the table', () => {
  let database: TestDatabase
  let restricted: Restricted
  let issuer: Issuer
  let admin: string
  let functions: Readonly<Record<string, Functions>>
  const clock = {now: 1_800_000_000_000}
  const sts = createSts()
  const called = new Set<EndpointName>()
  const sizes = new Map<string, number>()
  const dumps = memoryDumps()
  const log = createLogger('test', {level: 'silent'})

  /** All functions over the store of one of them. */
  const functionsOver = (name: string): Functions =>
    createFunctions({
      store: restricted.storeOf(name),
      blobs: {
        size: async digest => sizes.get(digest),
        upload: async () => ({url: 'http://blobs.test', headers: {}}),
        downloadUrl: async () => 'http://blobs.test',
      },
      dumps,
      logs: {append: async () => undefined, read: async () => ({items: [], cursor: '0'})},
      box: {seal: async text => ({key: '', nonce: '', text}), open: async ({text}) => text},
      stage,
      version: '0.0.0',
      timing: {busyMs: 10, idleMs: 10},
      nextPollMs: 10,
      now: () => clock.now,
      log,
      wakeAt: () => undefined,
      loopbackIssuers: true,
      proofs: sts.proofs,
    })

  before(async () => {
    ;[database, issuer] = await Promise.all([startDatabase(), startIssuer()])
    restricted = restrict(database)
    functions = Object.fromEntries(Object.keys(tableAccess).map(name => [name, functionsOver(name)]))
    admin = (await database.store.tokens.create({name: 'admin', scope: 'admin', ttlMs: 86_400_000}, clock.now)).token
  })
  after(async () => {
    restricted.stop()
    await Promise.all([database.stop(), issuer.stop()])
  })

  let syncers: readonly string[] = ['executors', 'sync']
  /** Syncs are taken by two functions, with roles of their own. */
  const nextSyncer = (): string => {
    const [first = 'executors', ...rest] = syncers
    syncers = [...rest, first]
    return first
  }

  /** Calls an endpoint; it must succeed. Answers the body. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
  const call = async (name: EndpointName, options: EventOptions = {}): Promise<any> => {
    const fn: FunctionName = endpoints[name].function
    const by = name === 'syncExecutor' ? nextSyncer() : fn
    const answer = await (functions[by] as Functions).api[fn](eventOf(name, {token: admin, ...options}), new AbortController().signal)
    assert.ok((answer.statusCode ?? 0) < 300, `${name}: ${answer.body} ${[...restricted.refused].join('; ')}`)
    called.add(name)
    return answer.body === undefined ? undefined : JSON.parse(answer.body)
  }
  const tick = async () => {
    await functions.reconciler?.ticks.reconciler()
    await functions.scheduler?.ticks.scheduler()
  }
  const crm = {formation: 'crm'}

  const syncOnce = (executor: string, token: string, more: object) =>
    call('syncExecutor', {token, params: {executor}, body: {assignmentVersion: 0, reports: [], ...more}})

  /** An agent that starts at once and stops at once. */
  const sync = async (executor: string, token: string): Promise<void> => {
    const {assignments = []} = await call('syncExecutor', {token, params: {executor}, body: {assignmentVersion: 0, reports: [], logs: []}})
    const {reports, logs} = obeying(assignments, clock.now)
    const agent = {version: 'source', ring: 'canary', installed: true, launched: true}
    await call('syncExecutor', {token, params: {executor}, body: {assignmentVersion: 0, reports, logs, agent}})
  }
  const rounds = async (executor: string, token: string): Promise<void> => {
    for (let round = 0; round < 4; round++) {
      await tick()
      await sync(executor, token)
      clock.now += tickMs
    }
  }

  it('is enough for tokens, trusts, logins and the audit', async () => {
    await createSetupFunction({
      store: restricted.storeOf('setup'),
      log,
      now: () => clock.now,
      keep: async () => undefined,
      forget: async () => undefined,
      answer: async (_, body) => assert.match(body, /SUCCESS/),
    })({RequestType: 'Create', ResponseURL: '', StackId: '', RequestId: '', LogicalResourceId: ''} as Parameters<
      ReturnType<typeof createSetupFunction>
    >[0])
    await call('getHealth')
    await call('getOpenapi')
    await call('createFormation', {body: {name: 'crm'}, headers: {'idempotency-key': 'k1'}})
    const user = await call('createToken', {body: {name: 'ci', scope: 'user', verbs: ['deploy'], formations: ['crm']}})
    await call('createToken', {token: user.token, body: {name: 'narrower', scope: 'user', verbs: ['deploy'], formations: ['crm']}})
    await call('listTokens')
    await call('revokeToken', {params: {token: user.id}})
    const trust = {name: 'github', issuer: issuer.url, audience: 'gilliam', claims: {sub: 'acme'}, verbs: ['deploy'], formations: ['crm']}
    await call('createTrust', {body: trust})
    const seconds = Math.floor(clock.now / 1_000)
    const idToken = await issuer.sign({iss: issuer.url, aud: 'gilliam', sub: 'acme', iat: seconds, exp: seconds + 300, jti: '1'})
    await call('exchangeToken', {token: undefined, body: {idToken}})
    await call('listTrusts')
    await call('getLogin', {token: undefined})
    await call('deleteTrust', {params: {trust: 'github'}})
    await call('getAudit')
    await call('getAudit', {query: crm})
  })

  it('is enough to deploy, place, announce, route and read', async () => {
    await call('createArtifact', {body: {sha256, bytes: 10}})
    sizes.set(sha256, 10)
    await call('getArtifact', {params: {sha256}})
    await call('upgradeAgents', {params: {ring: 'canary'}, body: {sha256}})
    await call('listAgentRings')
    await call('setSecret', {params: {...crm, secret: 'key'}, body: {value: 'x'}})
    const services = {web: serviceDefinition({scale: 2, env: {KEY: 'secret://key'}, rank: '-executor.same_service'})}
    const other = 'b'.repeat(64)
    sizes.set(other, 10)
    await call('createRelease', {params: crm, body: {slug: {sha256: other, bytes: 10}, env: {A: '1'}, services}})
    await call('changeEnv', {params: crm, body: {set: {B: '2'}, unset: []}})
    await call('getEnv', {params: crm})
    await call('listReleases', {params: crm})
    await call('getRelease', {params: {...crm, release: 'latest'}})
    await call('getRelease', {params: {...crm, release: '1'}})
    await call('createRollout', {params: crm, body: {release: 1}})
    const {token: joinToken} = await call('createToken', {body: {name: 'hosts', scope: 'join', uses: 1}})
    const {token} = await call('joinExecutor', {token: joinToken, body: descriptor('e1')})
    await rounds('e1', token)
    assert.equal((await call('getRollout', {params: {...crm, release: '1'}})).state, 'finished')
    await call('setTraffic', {params: {...crm, service: 'web'}, body: {weights: {'1': 1}}})
    await call('getTraffic', {params: {...crm, service: 'web'}})
    await call('createRollout', {params: crm, body: {release: 2}})
    await call('createRollout', {params: crm, body: {release: 1}})
    await call('createRollout', {params: crm, body: {release: 2}})
    await rounds('e1', token)
    await call('resetTraffic', {params: {...crm, service: 'web'}})
    await call('getScale', {params: crm})
    await call('setScale', {params: crm, body: {release: 2, services: {web: 3}}})
    await rounds('e1', token)
    await call('setSecret', {params: {...crm, secret: 'key'}, body: {value: 'y'}})
    await call('listSecrets', {params: crm})
    await call('setSecret', {params: {...crm, secret: 'other'}, body: {value: 'x'}})
    await call('deleteSecret', {params: {...crm, secret: 'other'}})
    await rounds('e1', token)
    const {items} = await call('listInstances', {params: crm})
    const [first, second] = items
    const leaving = {formation: 'crm', service: 'web', id: second.id, state: 'stopping', announced: false, restarts: 0}
    await call('syncExecutor', {token, params: {executor: 'e1'}, body: {assignmentVersion: 0, reports: [leaving], logs: []}})
    await call('getInstance', {params: {...crm, instance: first.id}})
    await call('explain', {params: {...crm, target: 'web'}})
    await call('getLogs', {params: crm})
    const spawned = await call('spawnInstance', {params: crm, body: {service: 'web', release: 2}})
    await call('stopInstance', {params: {...crm, instance: spawned.id}})
    await call('stopInstance', {params: {...crm, instance: first.id}})
    await rounds('e1', token)
    await call('announce', {params: {...crm, name: 'db.main'}, body: {host: 'db', port: 5432}})
    await call('getAnnouncement', {params: {...crm, name: 'db.main'}})
    await call('getRegistry', {params: crm})
    await call('withdraw', {params: {...crm, name: 'db.main'}})
    await call('createRoute', {body: {name: 'home', domain: 'crm.example.com', path: '/', target: 'web.crm.service/', formation: 'crm'}})
    await call('createRoute', {body: {name: 'old', domain: 'old.example.com', path: '/', target: 'web.crm.service/', formation: 'crm'}})
    await call('discover', {body: {formations: {crm: 0}, routes: 0}})
    await call('listRoutes')
    await call('getRoute', {params: {route: 'home'}})
    await call('changeRoute', {params: {route: 'home'}, body: {target: 'web.crm.service/x'}})
    await call('deleteRoute', {params: {route: 'old'}})
  })

  it('is enough to drain, lose and forget executors', async () => {
    const {token} = await call('joinExecutor', {body: descriptor('e2')})
    await call('drainExecutor', {params: {executor: 'e1'}, body: {undo: false}})
    await call('cordonExecutor', {params: {executor: 'e1'}, body: {undo: false}})
    await call('rebalance', {params: crm, body: {plan: false}})
    await call('listExecutorInstances', {params: {executor: 'e1'}})
    const termination = {AutoScalingGroupName: '', LifecycleHookName: '', LifecycleActionToken: '', EC2InstanceId: 'e1'}
    const actor = {name: 'capacity', requestId: 'r1', now: clock.now}
    const capacity = {store: restricted.storeOf('capacity').by(actor), log, now: () => clock.now, release: async () => undefined}
    await drainMachine(capacity, termination)
    await drainMachine(capacity, {...termination, EC2InstanceId: 'e2'})
    await call('spawnInstance', {params: crm, body: {service: 'web', release: 2, requirements: ['executor.zone == "nowhere"']}})
    const machines = {describe: async () => group, setDesired: async () => undefined, end: async () => undefined}
    const rules = {stage, ...capacityRulesDefault}
    await scaleMachines({...capacity, machines, group: 'machines', rules, expressions: createExpressions()})
    await call('drainExecutor', {params: {executor: 'e2'}, body: {undo: true}})
    await rounds('e2', token)
    for (let at = 0; at < 10; at++) {
      await tick()
      clock.now += tickMs
    }
    await call('listExecutors')
    assert.equal((await call('getExecutor', {params: {executor: 'e1'}})).state, 'lost')
    await call('forgetExecutor', {params: {executor: 'e1'}})
    await call('joinExecutor', {body: descriptor('e2')})
  })

  it('is enough to destroy a formation with all it has', async () => {
    await call('getFormation', {params: crm})
    await call('announce', {params: {...crm, name: 'db.main'}, body: {host: 'db', port: 5432}})
    await call('destroyFormation', {params: crm})
    const {token} = await call('joinExecutor', {body: descriptor('e2')})
    await rounds('e2', token)
    await rounds('e2', token)
    assert.deepEqual((await call('listFormations')).items, [])
  })

  it('is enough to join by a role, renew a credential and revoke it', async () => {
    const id = 'i-0123456789abcdef0'
    const key = 'k'.repeat(43)
    const own = stsMachine(id)
    sts.machines.push(own)
    const proof = signProof({stage: 'test', executor: id, key}, own, clock.now)
    const {token} = await call('joinByRole', {token: undefined, body: {...descriptor(id), key, proof}})
    clock.now += executorTokenTtlMs / 2
    const syncAs = (credential: string) =>
      call('syncExecutor', {token: credential, params: {executor: id}, body: {assignmentVersion: 1, reports: []}})
    let next = ''
    // Answers may be lost: by either function, twice.
    for (let times = 0; times < 4; times++) next = (await syncAs(token)).token
    assert.ok(next)
    const {items} = await call('listTokens')
    const credential = items.find(({executor}: {executor?: string}) => executor === id)
    await call('revokeToken', {params: {token: credential.id}})
    await assert.rejects(syncAs(next), /unauthenticated/)
  })

  it('is enough for one-off work and live lines', async () => {
    const name = {formation: 'gilliam'}
    await call('createFormation', {body: {name: name.formation}})
    await call('createRelease', {params: name, body: {services: {web: serviceDefinition()}}})
    const {token} = await call('joinExecutor', {body: descriptor('e3')})
    await call('spawnInstance', {params: name, body: {service: 'web'}})
    await rounds('e3', token)
    const [{id}] = (await call('listInstances', {params: name})).items
    await call('execInstance', {params: {...name, instance: id}, body: {command: ['true']}})
    await call('followLogs', {params: name, body: {executor: 'e3'}})
    await call('runService', {params: name, body: {service: 'web', command: ['true']}})
    await rounds('e3', token)
    assert.equal((await call('getRelayKeys', {token: undefined})).keys.length, 1)
    assert.ok((await call('getRevoked', {token: undefined, query: {since: '0'}})).at > 0)
  })

  it('is enough to add types to the stage, and to take them away', async () => {
    const name = {params: {type: 'mqtt'}}
    await call('setType', {...name, body: {text: 'type: mqtt\nscript: serve\nports: [1883]\n'}})
    assert.equal((await call('listTypes')).items.at(-1).type, 'mqtt')
    await call('getType', name)
    await call('createFormation', {body: {name: 'typed'}})
    const {script: _, ...definition} = serviceDefinition({kind: 'auxiliary', type: 'mqtt'})
    await call('createRelease', {params: {formation: 'typed'}, body: {services: {_bus: definition}}})
    await call('deleteType', name)
  })

  it('is enough to say what images mean', async () => {
    const {token: joinToken} = await call('createToken', {body: {name: 'images', scope: 'join', uses: 1}})
    const {token} = await call('joinExecutor', {token: joinToken, body: {...descriptor('e6'), runtimes: ['docker']}})
    const shop = {formation: 'shop'}
    await call('createFormation', {body: {name: shop.formation}})
    const images = ['shop/web:1', 'shop/api:1']
    const [web, api] = images.map(image => ({...serviceDefinition({requirements: ['executor.id == "e6"']}), script: undefined, image}))
    await call('createRelease', {params: shop, body: {services: {web, api}}})
    await call('setScale', {params: shop, body: {services: {web: 1, api: 1}}})
    await rounds('e6', token)
    for (const image of images) {
      const pins = [{...shop, release: 1, image, digest: `sha256:${'1'.repeat(64)}`}]
      assert.deepEqual((await syncOnce('e6', token, {pins})).pins, pins)
    }
    const next = (await call('createRelease', {params: shop, body: {services: {web, api}}})).release
    assert.equal((await call('listFetches', {params: {...shop, release: String(next)}})).items[0].executor, 'e6')
    const chores = [{id: `fetch.shop.${next}`, state: 'doing', text: 'pulling'}]
    for (const _ of syncers) await syncOnce('e6', token, {chores})
    await call('destroyFormation', {params: shop})
    await rounds('e6', token)
  })

  it('is enough to keep a volume and to give it up', async () => {
    const {token: joinToken} = await call('createToken', {body: {name: 'disks', scope: 'join', uses: 1}})
    const {token} = await call('joinExecutor', {token: joinToken, body: descriptor('e5')})
    const kept = {formation: 'kept'}
    await call('createFormation', {body: {name: 'kept'}})
    await call('createRelease', {
      params: kept,
      body: {services: {db: serviceDefinition({volume: {path: '/data'}, requirements: ['executor.id == "e5"']})}},
    })
    for (const data of ['keep', 'remove'])
      for (const scale of [1, 0]) {
        await call('setScale', {params: kept, body: {services: {db: scale}}})
        await rounds('e5', token)
        if (scale === 0 && data === 'keep') await call('releaseVolume', {params: {...kept, service: 'db'}})
      }
    const [{id}] = (await call('listVolumes', {params: kept})).items
    await call('releaseVolume', {params: {...kept, service: 'db'}, query: {data: 'remove'}})
    const chores = [{id: `remove.kept.db.${id}`, state: 'done'}]
    for (const _ of syncers) await syncOnce('e5', token, {chores})
    await call('destroyFormation', {params: kept})
    await rounds('e5', token)
  })

  it('is enough to make backups, by schedule and by hand, and to forget them', async () => {
    await tryBackups({call, rounds, tick, clock, dumps})
    assert.equal(dumps.sizes.size, 0)
  })

  it('was tried by every endpoint', () => {
    assert.deepEqual(
      (Object.keys(endpoints) as EndpointName[]).filter(name => !called.has(name)),
      [],
    )
  })

  it('was never too little', () => {
    assert.deepEqual([...restricted.refused].sort(), [])
  })

  it('is not more than was used, but for little that is listed here', () => {
    const granted = Object.keys(tableAccess).flatMap(name =>
      tableStatements(name).flatMap(({actions, leadingKeys}) =>
        actions.flatMap(action => leadingKeys.map(key => `${name}: ${action} ${key}`)),
      ),
    )
    assert.deepEqual(granted.filter(each => !restricted.used.has(each) && !isEverybodys(each)).sort(), untried)
  })
})
