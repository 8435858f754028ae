// The way in of syncs that comes by a function URL, which AWS lets everybody knock at: what gets through, and what the rest costs.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import {createSyncDoor} from '#lambdas/executors/door.ts'
import type {ApiFunction} from '#lambdas/middleware.ts'
import {type EndpointName, endpoints} from '#shared/endpoints.ts'
import {descriptor} from '#test/store/samples.ts'
import {type EventOptions, eventOf} from './event.ts'
import {type Platform, startPlatform} from './platform.ts'

/** A request as a function URL hands it over: nothing is routed. */
const knock = (name: EndpointName, options: EventOptions = {}) => {
  const {pathParameters: _, requestContext, ...event} = eventOf(name, options)
  return {...event, routeKey: '$default', requestContext: {...requestContext, routeKey: '$default'}}
}

describe('the door of syncs', () => {
  let platform: Platform
  let door: ApiFunction
  let reads = 0
  const body = {assignmentVersion: 0, reports: [], logs: []}

  before(async () => {
    platform = await startPlatform(store => ({
      ...store,
      tokens: {
        ...store.tokens,
        authenticate: (secret, now) => {
          reads += 1
          return store.tokens.authenticate(secret, now)
        },
      },
    }))
    door = createSyncDoor(platform.functions.executors)
  })
  after(() => platform.stop())

  const enter = async (name: EndpointName, options: EventOptions = {}) => {
    reads = 0
    const answer = await door(knock(name, options))
    return {status: answer.statusCode, reads, body: JSON.parse(answer.body ?? 'null')}
  }

  it('lets a sync through, which is answered as by the API', async () => {
    const {token} = (await platform.call('joinExecutor', {body: descriptor('one')})).body
    const {status, body: answer} = await enter('syncExecutor', {token, params: {executor: 'one'}, body})
    assert.equal(status, 200)
    assert.deepEqual(answer, (await platform.call('syncExecutor', {token, params: {executor: 'one'}, body})).body)
    const other = await enter('syncExecutor', {token, params: {executor: 'two'}, body})
    assert.deepEqual([other.status, other.body.code], [403, 'forbidden'])
  })

  it('knows no other endpoint, whatever token comes', async () => {
    for (const name of (Object.keys(endpoints) as EndpointName[]).filter(each => each !== 'syncExecutor')) {
      const params = {executor: 'one', formation: 'crm', service: 'web', release: '1', instance: 'i', token: 't', trust: 't', route: 'r'}
      const {status, reads: asked, body: answer} = await enter(name, {token: platform.admin, params: {...params, name: 'a.b'}, body: {}})
      assert.deepEqual([status, asked, answer.code], [404, 0, 'not_found'], name)
    }
  })

  it('knows no other spelling of the path', async () => {
    const event = knock('syncExecutor', {token: 'x', params: {executor: 'one'}})
    for (const rawPath of [
      '/',
      '//v1/executors/one/sync',
      '/v1/executors/one/sync/',
      '/v1/executors/a/b/sync',
      '/v1/executors/%ff/sync',
      '/v1/executors//sync',
    ])
      assert.equal((await door({...event, rawPath})).statusCode, 404, rawPath)
    const http = {...event.requestContext.http, method: 'GET'}
    assert.equal((await door({...event, requestContext: {...event.requestContext, http}})).statusCode, 404)
  })

  it('refuses what can be no token of an executor before anything is read', async () => {
    const secret = 'a'.repeat(43)
    for (const token of [
      undefined,
      'x',
      platform.admin,
      'gil_executor_',
      `gil_executor_${secret}a`,
      `gil_executor_${secret.slice(1)}`,
      `gil_join_${secret}`,
    ]) {
      const {status, reads: asked, body: answer} = await enter('syncExecutor', {...(token && {token}), params: {executor: 'one'}, body})
      assert.deepEqual([status, asked, answer.code], [401, 0, 'unauthenticated'], token)
    }
    const unknown = await enter('syncExecutor', {token: `gil_executor_${secret}`, params: {executor: 'one'}, body: '{'})
    assert.deepEqual([unknown.status, unknown.reads], [401, 1], 'one read, and its body is not looked at')
  })

  it('writes nothing to its log for whom it turns away', async () => {
    const before = platform.logged.length
    await enter('syncExecutor', {params: {executor: 'one'}, body})
    await enter('getHealth')
    assert.equal(platform.logged.length, before)
  })
})
