// Executors through their function: join, sync, reports, drain.
import assert from 'node:assert/strict'
import {after, before, beforeEach, describe, it} from 'node:test'
import {createExecutorsFunction} from '#lambdas/executors/index.ts'
import {executorTokenTtlMs} from '#lambdas/executors/join.ts'
import type {Store} from '#lambdas/store/index.ts'
import {executorLeaseMs} from '#shared/domain/executor.ts'
import {createLogger} from '#shared/log.ts'
import {descriptor, pendingInstance, reportOf, serviceDefinition} from '#test/store/samples.ts'
import {eventOf} from './event.ts'
import {type Platform, startPlatform} from './platform.ts'

describe('executors function', () => {
  let platform: Platform
  let call: Platform['call']
  let conflicts = 0
  let writes: string[] = []
  let serial = 0
  const observed = (store: Store): Store => ({
    ...store,
    executors: {
      ...store.executors,
      renew: (...args) => {
        writes.push('renew')
        return store.executors.renew(...args)
      },
    },
    instances: {
      ...store.instances,
      report: async (...args) => {
        writes.push('report')
        return conflicts-- > 0 ? {outcome: 'conflict'} : store.instances.report(...args)
      },
    },
  })
  before(async () => {
    platform = await startPlatform(observed)
    call = platform.call
    await call('createFormation', {body: {name: 'crm'}})
    const health = {http: '/healthz', intervalMs: 1_000, timeoutMs: 1_000, startTimeoutMs: 5_000}
    await call('createRelease', {
      params: {formation: 'crm'},
      body: {env: {A: 'release', B: 'release'}, services: {web: serviceDefinition({env: {B: 'service'}, health})}},
    })
  })
  after(() => platform.stop())
  beforeEach(() => {
    conflicts = 0
    writes = []
  })

  const join = async (): Promise<{executor: string; token: string}> => {
    const reply = await call('joinExecutor', {body: descriptor(`one-${++serial}`)})
    assert.equal(reply.status, 201, reply.text)
    return reply.body
  }
  const sync = ({executor, token}: {executor: string; token: string}, assignmentVersion = 0, more: object = {}) =>
    call('syncExecutor', {token, params: {executor}, body: {assignmentVersion, reports: [], ...more}})

  /** Spawns an instance of web and assigns it, as the scheduler would. */
  const assign = async (executorId: string): Promise<string> => {
    const {now} = platform.clock
    const id = `i${++serial}`
    await platform.store.instances.spawn(pendingInstance('crm', 'web', id, {origin: 'spawn'}, now))
    const executor = await platform.store.executors.get(executorId)
    const instance = await platform.store.instances.get('crm', id)
    assert.ok(executor && instance)
    assert.equal((await platform.store.instances.assign(executor, [instance], now)).assigned.length, 1)
    return id
  }

  it('joins, with defaults, again and again', async () => {
    const minimal = {id: 'minimal', host: '10.0.0.1', runtimes: ['process'], cpuMilli: 1_000, memoryMib: 512}
    const joined = (await call('joinExecutor', {token: await platform.tokenOf('join'), body: minimal})).body
    assert.deepEqual([joined.executor, joined.leaseMs], ['minimal', executorLeaseMs])
    const shown = (await call('getExecutor', {params: {executor: 'minimal'}})).body
    assert.deepEqual([shown.zone, shown.tags, shown.state, shown.instances], ['default', [], 'ready', 0])
    const again = (await call('joinExecutor', {body: {...minimal, zone: 'attic'}})).body
    assert.notEqual(again.token, joined.token)
    assert.equal((await call('getExecutor', {params: {executor: 'minimal'}})).body.zone, 'attic')
    assert.equal((await sync(again)).status, 200)
    const tokens = (await call('listTokens')).body.items.filter(({executor}: {executor?: string}) => executor === 'minimal')
    assert.deepEqual(
      tokens.map(({name, scope, expiresAt, token}: Record<string, unknown>) => [name, scope, expiresAt, token]),
      [['executor minimal', 'executor', platform.clock.now + executorTokenTtlMs, undefined]],
    )
    assert.ok((await call('listExecutors')).body.items.some(({id}: {id: string}) => id === 'minimal'))
    assert.equal((await call('getExecutor', {params: {executor: 'nobody'}})).body.code, 'not_found')
    assert.equal((await call('joinExecutor', {body: {...minimal, runtimes: []}})).body.code, 'invalid_request')
  })

  it('refuses descriptions and addresses that no item could hold', async () => {
    const labels = Object.fromEntries(Array.from({length: 65}, (_, at) => [`l${at}`, 'v']))
    for (const more of [{labels}, {pricePerHour: 1e300}, {cpuMilli: 2 ** 53 - 1}])
      assert.equal((await call('joinExecutor', {body: {...descriptor('huge'), ...more}})).body.code, 'invalid_request')
    const one = await join()
    const ports = Object.fromEntries(Array.from({length: 65}, (_, at) => [String(at + 1), at + 1]))
    const report = {...reportOf('crm', 'web', 'any', 'running', true), address: {host: 'h', ports}}
    assert.equal((await sync(one, 0, {reports: [report]})).body.code, 'invalid_request')
  })

  it('lets no other agent join in the place of one that is not lost', async () => {
    const {token} = {token: await platform.tokenOf('join')}
    const [own, other] = ['k'.repeat(43), 'x'.repeat(43)]
    const joinAs = (key?: string) => call('joinExecutor', {token, body: {...descriptor('keyed'), ...(key && {key})}})
    const first = (await joinAs(own)).body
    const again = (await joinAs(own)).body
    assert.equal((await sync(first)).body.code, 'unauthenticated')
    for (const key of [other, undefined]) assert.equal((await joinAs(key)).body.code, 'executor_taken')
    assert.equal((await sync(again)).status, 200, 'its credential holds')
    assert.ok(!JSON.stringify((await call('getExecutor', {params: {executor: 'keyed'}})).body).includes('key'.concat('Hash')))
    const id = await assign('keyed')
    platform.clock.now += executorLeaseMs + 1
    assert.equal((await joinAs(other)).body.code, 'executor_taken', 'not while it may be running what it was given')
    await platform.store.executors.markLost('keyed', platform.clock.now)
    const next = (await joinAs(other)).body
    assert.equal((await sync(next)).status, 200)
    assert.equal((await platform.store.instances.get('crm', id))?.state, 'lost')
    assert.equal((await joinAs(own)).body.code, 'executor_taken')
    assert.equal((await sync(again)).body.code, 'unauthenticated')
  })

  it('takes only the newest credential of an executor that joined twice', async () => {
    const first = await join()
    const other = await join()
    assert.equal((await sync(first)).status, 200)
    const second = (await call('joinExecutor', {body: descriptor(first.executor)})).body
    const refused = await sync(first)
    assert.deepEqual([refused.status, refused.body.code], [401, 'unauthenticated'])
    for (let times = 0; times < 2; times++) assert.equal((await sync(second)).status, 200)
    assert.equal((await sync(other)).status, 200, 'other executors keep theirs')
    const {items} = (await call('listTokens')).body
    const mine = items.filter(({executor}: {executor?: string}) => executor === first.executor)
    assert.equal(mine.length, 1)
    // One revoked by hand does not keep the executor from joining.
    await call('revokeToken', {params: {token: mine[0].id}})
    assert.equal((await sync(second)).status, 401)
    const third = (await call('joinExecutor', {body: descriptor(first.executor)})).body
    assert.equal((await sync(third)).status, 200)
  })

  it('costs one renewal when nothing happened', async () => {
    const one = await join()
    const {assignmentVersion} = (await sync(one)).body
    writes = []
    const {body} = await sync(one, assignmentVersion)
    assert.deepEqual(body, {assignmentVersion, nextSyncMs: 10_000, leaseMs: executorLeaseMs})
    assert.deepEqual(writes, ['renew'])
  })

  it('is asked for less often the longer nothing was new, and at once when something is', async () => {
    const one = await join()
    const {assignmentVersion} = (await sync(one)).body
    const nextSyncMs = async (quietMs: number, version = assignmentVersion) => {
      const body = {assignmentVersion: version, reports: [], quietMs}
      return (await call('syncExecutor', {token: one.token, params: {executor: one.executor}, body})).body.nextSyncMs
    }
    assert.deepEqual([await nextSyncMs(0), await nextSyncMs(20_000), await nextSyncMs(3_600_000)], [1_000, 5_000, 10_000])
    assert.equal(await nextSyncMs(3_600_000, 0), 1_000)
  })

  it('hear of another address for syncs and of how long to drain, where there is such', async () => {
    const terms = {syncUrl: 'https://sync.test/', drainMs: 15_000}
    const {store, clock, logs, sts} = platform
    const log = createLogger('test', {level: 'silent'})
    const timing = {busyMs: 1_000, idleMs: 10_000}
    const fn = createExecutorsFunction({
      store,
      log,
      now: () => clock.now,
      logs,
      timing,
      terms,
      secrets: {stage: 'test'},
      proofs: sts.proofs,
    })
    const answerOf = async (...event: Parameters<typeof eventOf>) => JSON.parse((await fn(eventOf(...event))).body ?? '')
    const joined = await answerOf('joinExecutor', {token: platform.admin, body: descriptor('told')})
    assert.deepEqual([joined.syncUrl, joined.drainMs], [terms.syncUrl, undefined])
    const body = {assignmentVersion: 0, reports: []}
    const synced = await answerOf('syncExecutor', {token: joined.token, params: {executor: 'told'}, body})
    assert.deepEqual([synced.syncUrl, synced.drainMs], [terms.syncUrl, terms.drainMs])
  })

  it('tells what to run, joined with the release', async () => {
    const one = await join()
    const id = await assign(one.executor)
    const {body} = await sync(one)
    assert.equal(body.nextSyncMs, 1_000)
    const [assignment] = body.assignments
    assert.deepEqual(
      [assignment.id, assignment.kind, assignment.script, assignment.stop, assignment.health.http],
      [id, 'process', 'exec node server.js', false, '/healthz'],
    )
    assert.deepEqual(assignment.env, {A: 'release', B: 'service'})
    assert.equal((await sync(one, body.assignmentVersion)).body.assignments, undefined)
    await call('stopInstance', {params: {formation: 'crm', instance: id}})
    assert.equal((await sync(one, body.assignmentVersion)).body.assignments[0].stop, true)
  })

  it('takes reports, and gives up what ended', async () => {
    const one = await join()
    const id = await assign(one.executor)
    const held = (await sync(one)).body.assignmentVersion
    await sync(one, held, {reports: [reportOf('crm', 'web', id, 'running', true)]})
    assert.equal((await call('getInstance', {params: {formation: 'crm', instance: id}})).body.state, 'running')
    assert.deepEqual((await call('getAnnouncement', {params: {formation: 'crm', name: `web.${id}`}})).body.host, '127.0.0.1')
    const failed = {...reportOf('crm', 'web', id, 'failed', false), reason: 'exit code 3', exitCode: 3}
    assert.equal((await sync(one, held, {reports: [failed]})).body.nextSyncMs, 1_000)
    const shown = (await call('getInstance', {params: {formation: 'crm', instance: id}})).body
    assert.deepEqual([shown.state, shown.reason, shown.exitCode], ['failed', 'exit code 3', 3])
    assert.deepEqual((await sync(one, held)).body.assignments, [])
    assert.equal((await call('getAnnouncement', {params: {formation: 'crm', name: `web.${id}`}})).body.code, 'not_found')
    // Known already: repeating is harmless.
    assert.equal((await sync(one, held, {reports: [failed]})).status, 200)
  })

  it('believes no report about an instance of another executor', async () => {
    const [one, two] = [await join(), await join()]
    const id = await assign(one.executor)
    assert.equal((await sync(two, 0, {reports: [reportOf('crm', 'web', id, 'failed', false)]})).status, 200)
    assert.equal((await call('getInstance', {params: {formation: 'crm', instance: id}})).body.state, 'assigned')
  })

  it('has an agent send its reports again when one could not be written', async () => {
    const one = await join()
    const id = await assign(one.executor)
    const reports = [reportOf('crm', 'web', id, 'running', true)]
    conflicts = 1
    assert.equal((await sync(one, 0, {reports})).body.code, 'conflict')
    assert.equal((await sync(one, 0, {reports})).status, 200)
    assert.equal((await call('getInstance', {params: {formation: 'crm', instance: id}})).body.state, 'running')
  })

  it('keeps log lines for whoever asks', async () => {
    const one = await join()
    const [first, second] = [await assign(one.executor), await assign(one.executor)]
    const line = {formation: 'crm', service: 'web', id: first, at: 1, stream: 'stdout', text: 'hello'}
    await sync(one, 0, {logs: [line, {...line, id: second, text: 'world'}]})
    const params = {formation: 'crm'}
    assert.deepEqual((await call('getLogs', {params, query: {service: 'web', instance: second, limit: '5000'}})).body.items, [
      {service: 'web', id: second, at: 1, stream: 'stdout', text: 'world'},
    ])
    assert.equal((await call('getLogs', {params, query: {limit: '0'}})).body.items.length, 1)
    assert.equal((await call('getLogs', {params, query: {since: 'yesterday'}})).body.code, 'invalid_request')
    assert.equal((await call('getLogs', {params: {formation: 'nowhere'}})).body.code, 'not_found')
    const tooMany = Array.from({length: 2_001}, () => line)
    assert.equal((await sync(one, 0, {logs: tooMany})).body.code, 'invalid_request')
  })

  it('keeps no lines in the name of instances of others, and the last ones of its own', async () => {
    const [one, two] = [await join(), await join()]
    const id = await assign(one.executor)
    const line = {formation: 'crm', service: 'web', id, at: 1, stream: 'stdout', text: 'forged'}
    const strange = [line, {...line, id: 'nobody'}, {...line, formation: 'elsewhere'}]
    assert.equal((await sync(two, 0, {logs: strange})).status, 200)
    assert.equal((await sync(one, 0, {logs: [{...line, service: 'other'}]})).status, 200)
    assert.ok(platform.logs.lines.every(({text}) => text !== 'forged'))
    await sync(one, 0, {reports: [reportOf('crm', 'web', id, 'failed', false)]})
    await sync(one, 0, {logs: [{...line, text: 'last words'}]})
    assert.equal(platform.logs.lines.at(-1)?.text, 'last words')
  })

  it('sends a lost or unknown executor to join again', async () => {
    const one = await join()
    platform.clock.now += executorLeaseMs + 1
    await platform.store.executors.markLost(one.executor, platform.clock.now)
    assert.equal((await sync(one)).body.code, 'executor_lost')
    assert.equal((await call('drainExecutor', {params: {executor: one.executor}})).body.code, 'executor_lost')
    const back = (await call('joinExecutor', {body: descriptor(one.executor)})).body
    assert.equal((await sync(back)).status, 200)
    const stray = await platform.store.tokens.create(
      {name: 's', scope: 'executor', executor: 'stray', ttlMs: 1_000_000},
      platform.clock.now,
    )
    assert.equal((await sync({executor: 'stray', token: stray.token})).body.code, 'not_found')
  })

  it('forgets a lost executor and its credential, and refuses one that is alive', async () => {
    const one = await join()
    const params = {executor: one.executor}
    const id = await assign(one.executor)
    const alive = await call('forgetExecutor', {params})
    assert.deepEqual([alive.status, alive.body.code], [409, 'conflict'])
    assert.match(alive.body.detail, /is alive: drain it \(`gilliam executor drain one-\d+`\) and stop its agent; it is lost 45 s later/)
    assert.equal((await sync(one)).status, 200, 'nothing happened to it')
    platform.clock.now += executorLeaseMs + 1
    assert.match((await call('forgetExecutor', {params})).body.detail, /is over, but it is not given up yet/)
    await platform.store.executors.markLost(one.executor, platform.clock.now)
    assert.equal((await call('forgetExecutor', {params, token: one.token})).body.code, 'forbidden')
    assert.equal((await call('forgetExecutor', {params, token: await platform.tokenOf('join')})).body.code, 'forbidden')
    assert.equal((await call('forgetExecutor', {params})).status, 204)
    assert.equal((await call('getExecutor', {params})).body.code, 'not_found')
    assert.ok((await call('listExecutors')).body.items.every((each: {id: string}) => each.id !== one.executor))
    assert.equal((await call('getInstance', {params: {formation: 'crm', instance: id}})).body.state, 'lost')
    assert.equal((await sync(one)).body.code, 'unauthenticated')
    assert.equal((await call('forgetExecutor', {params})).body.code, 'not_found')
    const back = (await call('joinExecutor', {body: descriptor(one.executor)})).body
    assert.deepEqual((await sync(back)).body.assignments, [])
  })

  it('drains and undoes it', async () => {
    const params = {executor: (await join()).executor}
    assert.equal((await call('drainExecutor', {params})).body.state, 'drained', 'nothing is on it')
    assert.equal((await call('drainExecutor', {params, body: {undo: true}})).body.state, 'ready')
    assert.equal((await call('drainExecutor', {params: {executor: 'nobody'}})).body.code, 'not_found')
  })

  it('drains one whose agent says that its machine goes, by then, and only until it stays', async () => {
    const {executor, token} = await join()
    const params = {executor}
    const sync = async (leaving?: object) => {
      const body = {assignmentVersion: 1, reports: [], ...(leaving !== undefined && {leaving})}
      assert.equal((await call('syncExecutor', {params, token, body})).status, 200)
      const {state, drainBy, leaving: told} = (await call('getExecutor', {params})).body
      return {state, drainBy, told}
    }
    const at = platform.clock.now + 120_000
    const spot = {at, reason: 'spot takes it back (terminate)'}
    const drained = {state: 'drained', drainBy: at - 20_000, told: spot}
    assert.deepEqual([await sync(spot), await sync(spot)], [drained, drained])
    assert.equal((await sync()).state, 'ready')
    await call('drainExecutor', {params})
    assert.equal((await sync(spot)).drainBy, at - 20_000)
    assert.equal((await sync()).state, 'drained', 'it was drained before: that does not end with the notice')
  })

  it('cordons, and remembers that while it drains; the last deadline said holds', async () => {
    const params = {executor: (await join()).executor}
    const cordon = async (undo: boolean) => (await call('cordonExecutor', {params, body: {undo}})).body.state
    const drain = async (body: object) => (await call('drainExecutor', {params, body})).body
    assert.equal(await cordon(false), 'cordoned')
    assert.deepEqual(
      [(await drain({deadlineMs: 1_000})).drainBy, (await drain({})).drainBy],
      [platform.clock.now + 1_000, platform.clock.now + 1_000],
    )
    assert.equal((await drain({deadlineMs: 5_000})).drainBy, platform.clock.now + 5_000)
    assert.deepEqual([(await drain({undo: true})).state, (await drain({undo: true})).drainBy], ['cordoned', undefined])
    assert.equal(await cordon(true), 'ready')
    assert.equal((await call('cordonExecutor', {params: {executor: 'nobody'}})).body.code, 'not_found')
  })
})
