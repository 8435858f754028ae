// Backups through the API: ordered by people, made by agents that get at their own orders only, good when the store has what was reported, and kept as asked.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import type {AssignedBackup} from '#shared/domain/backup.ts'
import {backupMsMax} from '#shared/domain/backup.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import {serviceDefinition} from '#test/store/samples.ts'
import {backup as commands, startCache} from './cache.ts'
import {type Platform, startPlatform} from './platform.ts'

type List = OutputOf<'listBackups'>
const dump = {sha256: 'd'.repeat(64), bytes: 10}
const other = {sha256: 'e'.repeat(64), bytes: 10}

describe('backups', () => {
  let platform: Platform
  let token: string
  let stranger: string
  const params = {formation: 'crm'}
  const cache = {...params, service: '_cache'}

  before(async () => {
    platform = await startPlatform()
    const {store, clock} = platform
    await platform.call('createFormation', {body: {name: 'crm'}})
    await startCache(store, {formation: 'crm', executor: 'keeper', id: 'cache', now: clock.now})
    await startCache(store, {formation: 'crm', executor: 'other', id: 'elsewhere', now: clock.now})
    await store.instances.requestStop('crm', 'elsewhere', 'test', clock.now)
    const tokenOf = async (executor: string): Promise<string> => {
      const made = await store.tokens.createForExecutor(executor, 86_400_000, clock.now)
      return made.outcome === 'ok' ? made.created.token : ''
    }
    token = await tokenOf('keeper')
    stranger = await tokenOf('other')
  })
  after(() => platform.stop())

  const create = async (body: object = {}) => {
    platform.clock.now += 1
    return (await platform.call('createBackup', {params: cache, body})).body
  }
  const list = async (): Promise<List> => (await platform.call('listBackups', {params})).body
  const at = (backup: string, executor = 'keeper') => ({executor, backup})
  const upload = (id: string, body = dump, by = token, executor = 'keeper') =>
    platform.call('uploadBackup', {token: by, params: at(id, executor), body})
  const report = (id: string, body: object = dump, by = token, executor = 'keeper') =>
    platform.call('reportBackup', {token: by, params: at(id, executor), body})
  const arrive = (id: string, bytes = dump.bytes) => void platform.dumps.sizes.set(`crm/_cache/${id}`, bytes)
  const good = async (id: string) => {
    assert.equal((await upload(id)).status, 200)
    arrive(id)
    assert.equal((await report(id)).status, 204)
  }
  const told = async (): Promise<AssignedBackup[]> =>
    (await platform.call('syncExecutor', {token, params: {executor: 'keeper'}, body: {assignmentVersion: 0, reports: []}})).body.backups ??
    []
  const shown = async (id: string) => (await list()).items.find(each => each.id === id)

  it('are ordered of the agent that runs the only instance, and good when it reports what has arrived', async () => {
    const made = await create()
    assert.deepEqual([made.state, made.by, made.instance, made.executor], ['running', 'admin', 'cache', 'keeper'])
    assert.deepEqual(await told(), [
      {id: made.id, formation: 'crm', service: '_cache', instance: 'cache', command: commands.dump, timeoutMs: backupMsMax},
    ])
    assert.equal((await platform.call('getBackup', {params: {...cache, backup: made.id}})).body.downloadUrl, undefined)
    await good(made.id)
    assert.deepEqual(await told(), [])
    const found = (await platform.call('getBackup', {params: {...cache, backup: made.id}})).body
    assert.deepEqual([found.state, found.sha256, found.bytes], ['good', dump.sha256, 10])
    assert.equal(found.downloadUrl, `http://dumps.test/crm/_cache/${made.id}?download`)
  })

  it('are of one agent: nobody else uploads, reports, or sees where to', async () => {
    const {id} = await create()
    assert.equal((await upload(id, dump, stranger, 'other')).body.code, 'not_found')
    assert.equal((await report(id, dump, stranger, 'other')).body.code, 'not_found')
    assert.equal((await upload(id, dump, stranger)).body.code, 'forbidden')
    assert.equal((await upload(id, dump, platform.admin)).body.code, 'forbidden')
    await good(id)
  })

  it('are never good with another dump, or before theirs has arrived whole', async () => {
    const {id} = await create()
    assert.equal((await report(id)).body.code, 'invalid_request', 'nothing was announced')
    await upload(id)
    assert.equal((await upload(id, other)).body.code, 'conflict')
    assert.equal((await report(id)).body.code, 'slug_missing')
    arrive(id, 9)
    assert.equal((await report(id)).body.code, 'slug_missing')
    arrive(id)
    assert.equal((await report(id, other)).body.code, 'invalid_request')
    assert.equal((await shown(id))?.state, 'running')
    assert.equal((await report(id)).status, 204)
    assert.equal((await report(id)).body.code, 'not_found', 'once')
  })

  it('that fail say why, in the list and the audit, and are none', async () => {
    const {id} = await create()
    platform.clock.now += 1
    assert.equal((await report(id, {reason: 'the dump command ended with exit code 3'})).status, 204)
    assert.deepEqual([(await shown(id))?.state, (await shown(id))?.reason], ['failed', 'the dump command ended with exit code 3'])
    const [entry] = (await platform.call('getAudit', {query: {formation: 'crm', limit: '1'}})).body.items
    assert.deepEqual(
      [entry.action, entry.who.scope, entry.to.reason],
      ['backup.abort', 'executor', 'the dump command ended with exit code 3'],
    )
    for (const event of ['restored', 'verified'])
      assert.equal((await platform.call('noteBackup', {params: {...cache, backup: id}, body: {event}})).body.code, 'not_found')
  })

  it('are made one at a time', async () => {
    const {id} = await create()
    assert.deepEqual([(await create()).code, (await create()).detail.includes(id)], ['conflict', true])
    assert.equal((await platform.call('deleteBackup', {params: {...cache, backup: id}})).body.code, 'conflict')
    await good(id)
  })

  it('of which two are asked for at once are one', async () => {
    const both = await Promise.all([create(), create()])
    assert.deepEqual(both.map(({state, code}) => state ?? code).sort(), ['conflict', 'running'])
    await good(both.find(({state}) => state === 'running').id)
  })

  it('are kept as many as asked for, failed ones not counted', async () => {
    const {id} = await create({keep: 2})
    await good(id)
    const {items} = await list()
    const goodOnes = items.filter(({state}) => state === 'good')
    assert.deepEqual([goodOnes.length, goodOnes[0]?.id], [2, id])
    assert.ok(items.some(({state}) => state === 'failed'))
    assert.equal((await platform.call('createBackup', {params: cache, body: {keep: 0}})).body.code, 'invalid_request')
  })

  it('can be deleted, once, and are nobody’s business then', async () => {
    const [newest] = (await list()).items.filter(({state}) => state === 'good')
    const one = {params: {...cache, backup: newest?.id ?? ''}}
    assert.equal((await platform.call('deleteBackup', one)).status, 204)
    assert.equal((await platform.call('deleteBackup', one)).body.code, 'not_found')
    assert.equal((await platform.call('getBackup', one)).body.code, 'not_found')
    assert.equal((await platform.call('noteBackup', {...one, body: {event: 'verified'}})).body.code, 'not_found')
    assert.equal(await shown(newest?.id ?? ''), undefined)
  })

  it('are not made of what does not run, or of what nothing says how', async () => {
    const unknown = await platform.call('createBackup', {params: {...params, service: 'nobody'}, body: {}})
    assert.deepEqual([unknown.status, unknown.body.detail], [400, 'Release 2 of “crm” has no service “nobody”; it has _cache.'])
    const {store, clock} = platform
    await platform.call('createFormation', {body: {name: 'bare'}})
    await startCache(store, {formation: 'bare', executor: 'third', id: 'one', now: clock.now}, {}, false)
    const refused = await platform.call('createBackup', {params: {formation: 'bare', service: '_cache'}, body: {}})
    assert.match(refused.body.detail, /Nothing says how “_cache” is backed up/)
  })

  it('have a schedule only where something says how they are made', async () => {
    const services = {_db: serviceDefinition({backupSchedule: {everyMs: 86_400_000, keep: 7}})}
    const {body} = await platform.call('createRelease', {params, body: {services}})
    assert.deepEqual([body.code, body.errors[0].path], ['invalid_request', 'services._db.backupSchedule'])
    const soon = {_db: serviceDefinition({backup: commands, backupSchedule: {everyMs: 60_000, keep: 7}})}
    assert.equal((await platform.call('createRelease', {params, body: {services: soon}})).body.code, 'invalid_request')
  })
})
