// The stream of a real embedded database, through the Streams API: order, filters, retries, and that a restart misses nothing.
import assert from 'node:assert/strict'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {after, test} from 'node:test'
import {PutCommand} from '@aws-sdk/lib-dynamodb'
import type {DynamoDBStreamEvent} from 'aws-lambda'
import {createTable} from '#lambdas/store/index.ts'
import {openCheckpoint} from '#local/checkpoints.ts'
import {findDynoxide, startDatabase, stopDatabase} from '#local/database.ts'
import {connectDynamoDB} from '#local/dynamodb.ts'
import {type Consumer, startEventSources} from '#local/event-sources.ts'
import {parentsFirst} from '#local/shards.ts'
import {createLogger} from '#shared/log.ts'
import {until} from './until.ts'

const log = createLogger('test', {level: 'silent'})
const home = mkdtempSync(join(tmpdir(), 'gilliam-events-'))
const binary = findDynoxide()
assert.ok(binary)
const database = await startDatabase({folder: join(home, 'db'), binary, log})
let poke: () => void = () => undefined
const dynamo = connectDynamoDB(database.endpoint, () => poke())
after(async () => {
  dynamo.destroy()
  await database.close()
  await stopDatabase(join(home, 'db'))
  rmSync(home, {recursive: true, force: true})
})

let tables = 0
const makeTable = async () => {
  const table = `events-${++tables}`
  await createTable(dynamo.client, table)
  const put = (pk: string, type = 'instance') => dynamo.client.send(new PutCommand({TableName: table, Item: {pk, sk: 'x', type}}))
  const start = async (consumers: readonly Consumer[], from?: 'LATEST') => {
    const events = await startEventSources({
      ...dynamo,
      table,
      checkpoints: join(home, 'checkpoints', table),
      consumers,
      ...(from === undefined ? {} : {from}),
      log,
      now: Date.now,
    })
    poke = events.poke
    return events
  }
  return {table, put, start}
}

const namesIn = (event: DynamoDBStreamEvent) => event.Records.map(record => record.dynamodb?.Keys?.pk?.S ?? '')

const collector = (name: string, types: readonly string[], before?: (names: readonly string[]) => unknown) => {
  const seen: string[] = []
  const consumer: Consumer = {
    name,
    types: new Set(types),
    handle: async event => {
      const answer = before?.(namesIn(event))
      if (answer !== undefined) return answer
      seen.push(...namesIn(event))
      return undefined
    },
  }
  return {seen, consumer}
}

test('each consumer gets the records of its types, in order, from the beginning', async () => {
  const {put, start} = await makeTable()
  await put('a')
  await put('lease', 'lease')
  await put('b', 'scale')
  const one = collector('one', ['instance'])
  const two = collector('two', ['instance', 'scale'])
  const events = await start([one.consumer, two.consumer])
  await until(() => two.seen.length === 2)
  for (let i = 0; i < 120; i++) await put(`n${i}`)
  const expected = ['a', ...Array.from({length: 120}, (_, i) => `n${i}`)]
  await until(() => one.seen.length >= 121 && two.seen.length >= 122)
  assert.deepEqual(one.seen, expected)
  assert.deepEqual(two.seen, ['a', 'b', ...expected.slice(1)])
  assert.ok(events.position() >= 123)
  await events.stop()
})

test('records look as Lambda hands them over', async () => {
  const {put, start} = await makeTable()
  const records: DynamoDBStreamEvent['Records'] = []
  const handle = async (event: DynamoDBStreamEvent) => void records.push(...event.Records)
  const events = await start([{name: 'one', types: new Set(['instance']), handle}])
  await put('a')
  await put('a')
  await until(() => records.length === 2)
  const [first, second] = records
  assert.equal(first?.eventName, 'INSERT')
  assert.equal(first?.eventSource, 'aws:dynamodb')
  assert.match(first?.eventSourceARN ?? '', /\/stream\//)
  assert.deepEqual(first?.dynamodb?.NewImage?.type, {S: 'instance'})
  assert.equal(typeof first?.dynamodb?.ApproximateCreationDateTime, 'number')
  assert.equal(second?.eventName, 'MODIFY')
  assert.deepEqual(second?.dynamodb?.OldImage?.type, {S: 'instance'})
  await events.stop()
})

test('what was written while nobody read comes after a restart, and nothing comes twice', async () => {
  const {put, start} = await makeTable()
  const one = collector('one', ['instance'])
  const first = await start([one.consumer])
  await put('a')
  await until(() => one.seen.length === 1)
  await first.stop()
  await put('b')
  const second = await start([one.consumer])
  await until(() => one.seen.length === 2)
  assert.deepEqual(one.seen, ['a', 'b'])
  await second.stop()
})

test('a reader that wants only what is new gets only that', async () => {
  const {put, start} = await makeTable()
  await put('old')
  const one = collector('one', ['instance'])
  const events = await start([one.consumer], 'LATEST')
  await until(() => true)
  let writes = 0
  await until(async () => {
    await put(`new${++writes}`)
    return one.seen.length > 0
  })
  assert.ok(!one.seen.includes('old'))
  await events.stop()
})

test('a failed batch is tried again before what comes after it', async () => {
  const {put, start} = await makeTable()
  let failures = 0
  const one = collector('one', ['instance'], names => {
    if (names.includes('b') && ++failures <= 2) throw new Error('not now')
  })
  await put('a')
  await put('b')
  await put('c')
  const events = await start([one.consumer])
  await until(() => one.seen.length === 3)
  assert.deepEqual(one.seen, ['a', 'b', 'c'])
  assert.equal(failures, 3)
  await events.stop()
})

test('a batch that failed in part is read again from the record that failed', async () => {
  const {put, start} = await makeTable()
  const batches: string[][] = []
  const handle = async (event: DynamoDBStreamEvent) => {
    batches.push(namesIn(event))
    const failed = batches.length === 1 ? event.Records.find(record => record.dynamodb?.Keys?.pk?.S === 'b') : undefined
    return {batchItemFailures: failed === undefined ? [] : [{itemIdentifier: failed.dynamodb?.SequenceNumber ?? ''}]}
  }
  for (const name of ['a', 'b', 'c']) await put(name)
  const events = await start([{name: 'one', types: new Set(['instance']), handle}])
  await until(() => batches.length === 2)
  assert.deepEqual(batches, [
    ['a', 'b', 'c'],
    ['b', 'c'],
  ])
  await events.stop()
})

test('a consumer that is stuck does not hold up the other, and stopping does not wait for its retries', async () => {
  const {put, start} = await makeTable()
  let tries = 0
  const stuck = collector('stuck', ['instance'], () => {
    tries += 1
    throw new Error('never')
  })
  const other = collector('other', ['instance'])
  const events = await start([stuck.consumer, other.consumer])
  await put('a')
  await until(() => other.seen.length === 1 && tries >= 2)
  await events.stop()
  const again = collector('stuck', ['instance'])
  const second = await start([again.consumer])
  await until(() => again.seen.length === 1)
  await second.stop()
})

test('the position of another stream does not count', async () => {
  const folder = join(home, 'positions')
  const one = await openCheckpoint(folder, 'r', 'stream-1', Date.now)
  one.set('shard', '5')
  one.save()
  assert.equal((await openCheckpoint(folder, 'r', 'stream-1', Date.now)).get('shard'), '5')
  assert.equal((await openCheckpoint(folder, 'r', 'stream-2', Date.now)).get('shard'), undefined)
})

test('parents come before their children', () => {
  const ids = parentsFirst([
    {ShardId: 'c', ParentShardId: 'b'},
    {ShardId: 'b', ParentShardId: 'a'},
    {ShardId: 'd', ParentShardId: 'gone'},
    {ShardId: 'a'},
  ]).map(shard => shard.ShardId)
  assert.ok(ids.indexOf('a') < ids.indexOf('b') && ids.indexOf('b') < ids.indexOf('c'))
  assert.equal(ids.length, 4)
})
