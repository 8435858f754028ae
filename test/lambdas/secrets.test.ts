// Secrets: sealed where they are kept, in the clear only in what an executor gets; a new value replaces what runs with the former one.
import assert from 'node:assert/strict'
import {mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, before, describe, it} from 'node:test'
import {ScanCommand} from '@aws-sdk/lib-dynamodb'
import {createReconcilerFunction} from '#lambdas/reconciler/index.ts'
import {createSchedulerFunction} from '#lambdas/scheduler/index.ts'
import {openSecretBox} from '#local/secret-box.ts'
import {parseReference, servicesUsing} from '#shared/domain/secret.ts'
import {createExpressions} from '#shared/expressions.ts'
import {randomId} from '#shared/ids.ts'
import {createLogger} from '#shared/log.ts'
import {descriptor, serviceDefinition} from '#test/store/samples.ts'
import {type Platform, startPlatform} from './platform.ts'

const formation = 'crm'
const params = {formation}
const values = ['hunter2-first', 'hunter2-second', 'swordfish-outside', 'opensesame-field']

describe('secrets', () => {
  let platform: Platform
  let call: Platform['call']
  let executor: string
  const answers: string[] = []
  /** What the executor runs, as it was last told. */
  let assigned: {id: string; service: string; env: Record<string, string>; secretEnv?: string[]; stop: boolean}[] = []
  before(async () => {
    platform = await startPlatform(store => store, 'trace')
    call = async (name, options) => {
      const reply = await platform.call(name, options)
      if (name !== 'syncExecutor') answers.push(reply.text)
      return reply
    }
    await call('createFormation', {body: {name: formation}})
    executor = (await platform.call('joinExecutor', {body: descriptor('one')})).body.token
  })
  after(() => platform.stop())

  /** The reconciler and the scheduler have their say. */
  const settle = async (): Promise<void> => {
    const log = createLogger('test', {level: 'silent'})
    const deps = {store: platform.store, now: () => platform.clock.now, log}
    await createReconcilerFunction({...deps, randomId, dumps: platform.dumps, wakeAt: () => undefined})({wake: formation})
    await createSchedulerFunction({...deps, expressions: createExpressions()})({})
  }
  const sync = async (reports: object[] = []) => {
    const body = {assignmentVersion: 0, reports}
    const reply = await platform.call('syncExecutor', {token: executor, params: {executor: 'one'}, body})
    if (reply.status === 200) assigned = reply.body.assignments
    return reply
  }
  const report = (state: 'running' | 'stopped') =>
    sync(
      assigned
        .filter(({stop}) => stop === (state === 'stopped'))
        .map(({id, service}) => ({formation, service, id, state, announced: false, restarts: 0})),
    )
  const set = (secret: string, value: string) => call('setSecret', {params: {...params, secret}, body: {value}})
  const release = (env: Record<string, string>, own: Record<string, string> = {}) =>
    call('createRelease', {
      params,
      body: {env, services: {web: serviceDefinition({env: own}), plain: serviceDefinition({scale: 0})}},
    })

  it('are set and listed, and never shown', async () => {
    assert.equal((await release({KEY: 'secret://db'})).body.code, 'secret_missing')
    const made = (await set('db', values[0] ?? '')).body
    assert.deepEqual([made.name, made.version, made.updatedBy, made.replacing], ['db', 1, 'admin', 0])
    const {items} = (await call('listSecrets', {params})).body
    assert.deepEqual(Object.keys(items[0]).sort(), ['name', 'updatedAt', 'updatedBy', 'version'])
    assert.equal((await call('setSecret', {params: {formation: 'none', secret: 'db'}, body: {value: 'x'}})).body.code, 'not_found')
    assert.equal((await set('db', '')).body.code, 'invalid_request')
  })

  it('are referred to, in forms that are checked', async () => {
    for (const value of ['secret://', 'secret://DB', 'ssm://../shop/db', 'ssm://db#x', 'secretsmanager://', 'secret://db\n'])
      assert.equal((await release({KEY: value})).body.code, 'invalid_request', value)
    const made = await release({URL: 'postgres://db', KEY: 'secret://db'}, {API: 'ssm://api', TOKEN: 'secretsmanager://vendor#token'})
    assert.deepEqual([made.status, made.body.env.KEY], [201, 'secret://db'])
    assert.equal((await call('changeEnv', {params, body: {set: {OTHER: 'secret://nope'}}})).body.code, 'secret_missing')
  })

  it('reach the executor as values, those of AWS too', async () => {
    platform.outside.values.set('ssm crm/api', values[2] ?? '')
    platform.outside.values.set('secretsmanager crm/vendor', JSON.stringify({token: values[3]}))
    await call('setScale', {params, body: {release: 1, services: {web: 2}}})
    await settle()
    await sync()
    assert.equal(assigned.length, 2)
    for (const {env, secretEnv} of assigned) {
      assert.deepEqual(env, {URL: 'postgres://db', KEY: values[0], API: values[2], TOKEN: values[3]})
      assert.deepEqual(secretEnv?.toSorted(), ['API', 'KEY', 'TOKEN'])
    }
    await report('running')
  })

  it('that can not be told now leave the executor with what it has', async () => {
    platform.outside.down = true
    const reply = await sync()
    assert.deepEqual([reply.status, reply.body.code], [503, 'unavailable'])
    platform.outside.down = false
    assert.equal((await sync()).status, 200)
  })

  it('with a new value replace what runs with the former one, and nothing else', async () => {
    const former = assigned.map(({id}) => id)
    await call('setScale', {params, body: {release: 1, services: {plain: 1}}})
    await settle()
    await sync()
    // “plain” gets the key as well: it is in the environment of all services.
    const made = (await set('db', values[1] ?? '')).body
    assert.deepEqual([made.version, made.replacing], [2, 3])
    await settle()
    await sync()
    const next = assigned.filter(({id, stop}) => !former.includes(id) && !stop && id !== undefined)
    assert.ok(next.filter(({service}) => service === 'web').length === 2)
    assert.ok(
      former.every(id => assigned.some(each => each.id === id && !each.stop)),
      'the old ones go on until the new ones run',
    )
    await report('running')
    await settle()
    await sync()
    for (const id of former) assert.equal(assigned.find(each => each.id === id)?.stop, true)
    const {reason} = (await call('getInstance', {params: {...params, instance: former[0] ?? ''}})).body
    assert.equal(reason, 'secret db is at version 2 now')
    for (const {env, stop} of assigned) if (!stop) assert.equal(env.KEY, values[1])
    await report('stopped')
    await settle()
    const live = (await call('listInstances', {params})).body.items
    assert.equal(live.length, 3)
    assert.equal((await set('unused', 'nothing')).body.replacing, 0)
  })

  it('are removed only when nothing uses them', async () => {
    const refused = await call('deleteSecret', {params: {...params, secret: 'db'}})
    assert.deepEqual(
      [refused.body.code, /used by web, plain of release 1|used by plain, web of release 1/.test(refused.body.detail)],
      ['conflict', true],
    )
    assert.equal((await call('deleteSecret', {params: {...params, secret: 'unused'}})).status, 204)
    assert.equal((await call('deleteSecret', {params: {...params, secret: 'unused'}})).body.code, 'not_found')
  })

  it('that are missing fail an instance that was to start, with the reason, and leave what runs alone', async () => {
    platform.outside.values.delete('ssm crm/api')
    await call('setScale', {params, body: {release: 1, services: {web: 3}}})
    await settle()
    const before = assigned.filter(({service}) => service === 'web').length
    await sync()
    assert.equal(assigned.filter(({service}) => service === 'web').length, before)
    const all = (await call('listInstances', {params, query: {all: 'true', service: 'web'}})).body.items
    const failed = all.filter(({state}: {state: string}) => state === 'failed')
    assert.deepEqual(
      failed.map(({reason}: {reason: string}) => reason),
      ['ssm://api is not set'],
    )
  })

  it('that AWS denies fail the instances that use them and no others, with the reason', async () => {
    // The one that failed before is tried again after a moment.
    platform.clock.now += 10_000
    platform.outside.values.set('ssm crm/api', {denied: 'is refused by Parameter Store (AccessDeniedException)'})
    await call('setScale', {params, body: {release: 1, services: {web: 4, plain: 2}}})
    await settle()
    const idsOf = (name: string) => new Set(assigned.filter(({service}) => service === name).map(({id}) => id))
    const [webs, plains] = [idsOf('web'), idsOf('plain')]
    assert.equal((await sync()).status, 200)
    assert.deepEqual([idsOf('web'), idsOf('plain').size], [webs, plains.size + 1])
    const all = (await call('listInstances', {params, query: {all: 'true', service: 'web'}})).body.items
    const reasons = all.map(({reason}: {reason?: string}) => reason ?? '')
    assert.ok(reasons.includes('ssm://api is refused by Parameter Store (AccessDeniedException)'), reasons.join('; '))
  })

  it('are nowhere else: in no answer, no log, no audit, and not in the clear in the table', async () => {
    const audit = (await call('getAudit', {query: {limit: '1000'}})).text
    for (const name of ['getRelease', 'getEnv', 'listReleases', 'getScale', 'explain'] as const)
      await call(name, {params: {...params, ...(name === 'getRelease' && {release: '1'}), ...(name === 'explain' && {target: 'web'})}})
    const {Items: items = []} = await platform.database.client.send(new ScanCommand({TableName: platform.database.table}))
    const everything = [answers.join('\n'), platform.logged.join(''), audit, JSON.stringify(items)]
    assert.ok(answers.length > 20 && platform.logged.length > 20 && items.length > 20)
    for (const [at, text] of everything.entries())
      for (const value of values)
        assert.ok(!text.includes(value) && !text.includes(Buffer.from(value).toString('base64')), `${at}: ${value}`)
  })
})

describe('the key file of a stage', () => {
  it('is private, opens what it sealed for the same thing, and nothing else', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gilliam-box-'))
    try {
      const [file, otherFile] = [join(folder, 'secrets', 'key'), join(folder, 'other')]
      const context = {stage: 'local', formation: 'crm', secret: 'db'}
      const sealed = await openSecretBox(file).seal('wörd\n', context)
      assert.equal(statSync(file).mode & 0o777, 0o600)
      assert.doesNotMatch(JSON.stringify(sealed), /wörd/)
      const again = openSecretBox(file)
      assert.equal(await again.open(sealed, context), 'wörd\n')
      assert.notEqual((await again.seal('wörd\n', context)).text, sealed.text, 'never the same twice')
      const changed = {denied: 'was not sealed with this key for this place'}
      assert.deepEqual(await again.open(sealed, {...context, formation: 'shop'}), changed)
      const flipped = Buffer.from(sealed.text, 'base64')
      flipped[0] = (flipped[0] ?? 0) ^ 1
      assert.deepEqual(await again.open({...sealed, text: flipped.toString('base64')}, context), changed)
      assert.match(JSON.stringify(await openSecretBox(otherFile).open(sealed, context)), /sealed with key \w+, and the stage has key/)
      writeFileSync(file, 'short')
      assert.throws(() => openSecretBox(file), /does not hold 32 bytes/)
      assert.equal(readFileSync(otherFile, 'utf8').trim().length, 64)
    } finally {
      rmSync(folder, {recursive: true})
    }
  })
})

describe('references to secrets', () => {
  it('are whole values that begin with their store', () => {
    assert.deepEqual(parseReference('secret://db'), {store: 'secret', name: 'db'})
    assert.deepEqual(parseReference('ssm://a/b.c'), {store: 'ssm', name: 'a/b.c'})
    assert.deepEqual(parseReference('secretsmanager://db#password'), {store: 'secretsmanager', name: 'db', field: 'password'})
    for (const text of ['', 'secret:db', ' secret://db', 'postgres://secret://db', 'secrets://db'])
      assert.equal(parseReference(text), undefined)
    for (const text of ['ssm://', 'ssm:///abs', 'ssm://a//b', 'ssm://a/../b', 'ssm://.', 'secretsmanager://a#', 'secret://a/b'])
      assert.equal(parseReference(text), 'malformed', text)
  })

  it('tell which services get a secret', () => {
    const services = {web: serviceDefinition({env: {A: 'secret://own'}}), api: serviceDefinition()}
    assert.deepEqual(servicesUsing({env: {B: 'secret://all'}, services}, 'all'), ['web', 'api'])
    assert.deepEqual(servicesUsing({env: {B: 'secret://all'}, services}, 'own'), ['web'])
    assert.deepEqual(servicesUsing({env: {B: 'ssm://own'}, services}, 'none'), [])
  })
})
