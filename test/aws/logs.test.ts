// Lines on CloudWatch Logs, through the real client against a stand-in that keeps events: streams, cursors, limits. The clock is moved by hand.
import assert from 'node:assert/strict'
import {after, before, beforeEach, describe, it} from 'node:test'
import {CloudWatchLogsClient} from '@aws-sdk/client-cloudwatch-logs'
import {createCloudWatchLogs, settleMs} from '#lambdas/aws/logs.ts'
import type {LogLine} from '#shared/domain/assignment.ts'
import type {LogQuery, LogStore} from '#shared/ports.ts'
import {type Services, startServices} from '#test/lambda/services.ts'

describe('logs on AWS', () => {
  let services: Services
  let client: CloudWatchLogsClient
  let logs: LogStore
  const clock = {now: 1_800_000_000_000}

  before(async () => {
    services = await startServices()
    client = new CloudWatchLogsClient({
      endpoint: services.url,
      region: 'eu-west-1',
      credentials: {accessKeyId: 'x', secretAccessKey: 'secret'},
    })
    logs = createCloudWatchLogs({client, group: 'services', now: () => clock.now})
  })
  beforeEach(() => {
    services.events.length = 0
    clock.now += 3_600_000
  })
  after(async () => {
    client.destroy()
    await services.stop()
  })

  const line = (text: string, more: Partial<LogLine> = {}): LogLine => ({
    formation: 'crm',
    service: 'web',
    id: 'abc0000000',
    at: clock.now,
    stream: 'stdout',
    text,
    ...more,
  })
  const read = async (query: Partial<LogQuery> = {}) => {
    const {items, cursor} = await logs.read({formation: 'crm', limit: 100, ...query})
    return {texts: items.map(({text}) => text), cursor}
  }
  const settle = () => {
    clock.now += settleMs + 1
  }

  it('are kept in a stream per service, made when it is first written to', async () => {
    await logs.append([line('a'), line('b', {service: 'users'}), line('c', {formation: 'shop'})])
    assert.deepEqual([...new Set(services.events.map(({logStreamName}) => logStreamName))].sort(), [
      'crm/users/lines',
      'crm/web/lines',
      'shop/web/lines',
    ])
    settle()
    assert.deepEqual((await read()).texts.sort(), ['a', 'b'])
    assert.deepEqual((await read({service: 'users'})).texts, ['b'])
    assert.deepEqual((await read({service: 'use'})).texts, [])
    assert.deepEqual((await read({instance: 'nobody0000'})).texts, [])
  })

  it('are read to the end by cursors, none twice and none left out, though many have the same moment', async () => {
    for (let batch = 0; batch < 5; batch++) {
      await logs.append(Array.from({length: 7}, (_, at) => line(`${batch}.${at}`)))
      clock.now += 1
    }
    settle()
    const seen: string[] = []
    let cursor = (await read({since: clock.now - 60_000, limit: 1})).cursor
    seen.push('0.0')
    for (let page = 0; page < 20; page++) {
      const next = await read({cursor, limit: 3})
      seen.push(...next.texts)
      cursor = next.cursor
    }
    assert.deepEqual(seen, [...new Set(seen)])
    assert.equal(seen.length, 35)
    await logs.append([line('later')])
    assert.deepEqual((await read({cursor})).texts, [], 'not before it has settled')
    settle()
    assert.deepEqual((await read({cursor})).texts, ['later'])
  })

  it('come newest first when neither cursor nor moment is given, in order', async () => {
    for (const text of ['a', 'b', 'c', 'd']) {
      await logs.append([line(text)])
      clock.now += 10
    }
    settle()
    const {texts, cursor} = await read({limit: 2})
    assert.deepEqual(texts, ['c', 'd'])
    assert.deepEqual((await read({cursor})).texts, [])
  })

  it('are found by the time that the agent read, whatever its clock', async () => {
    await logs.append([line('old', {at: clock.now - 60_000}), line('ahead', {at: clock.now + 30_000})])
    settle()
    assert.deepEqual((await read({since: clock.now + 20_000})).texts, ['ahead'])
  })

  it('fit an answer of a function: a page ends before it is too large', async () => {
    const text = 'x'.repeat(16_000)
    await logs.append(Array.from({length: 400}, () => line(text)))
    settle()
    const first = await logs.read({formation: 'crm', since: clock.now - 60_000, limit: 1_000})
    assert.ok(first.items.length < 400 && first.items.length > 200)
    const rest = await logs.read({formation: 'crm', cursor: first.cursor, limit: 1_000})
    assert.equal(first.items.length + rest.items.length, 400)
  })

  it('refuse a cursor that is none, and find nothing for names that are none', async () => {
    for (const cursor of ['', 'x', '1', '1.', '1.2.3', `${'9'.repeat(16)}.0`])
      await assert.rejects(read({cursor}), {code: 'invalid_request'}, cursor)
    await logs.append([line('a')])
    settle()
    assert.deepEqual((await read({formation: 'c'})).texts, [])
    assert.deepEqual((await read({formation: 'crm/web'})).texts, [])
    assert.deepEqual((await read({instance: '" || { $.id = "*'})).texts, [])
  })
})
