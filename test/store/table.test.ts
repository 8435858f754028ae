// What the store relies on of any DynamoDB, asked of the embedded one: transactions, conditions, sets, counters, the sparse index, the stream.
import assert from 'node:assert/strict'
import {readdir, readFile} from 'node:fs/promises'
import {after, before, describe, it} from 'node:test'
import {DescribeTableCommand} from '@aws-sdk/client-dynamodb'
import {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
  type _Record as StreamRecord,
} from '@aws-sdk/client-dynamodb-streams'
import {createTable} from '#lambdas/store/index.ts'
import {deleteMany, get, getMany, query, type Table, transact, write} from '#lambdas/store/table.ts'
import {startDatabase, type TestDatabase} from './database.ts'
import {descriptor, pendingInstance} from './samples.ts'

const now = 1_800_000_000_000
const key = (sk: string, pk = 'P') => ({pk, sk})

describe('the table', () => {
  let database: TestDatabase
  let table: Table
  before(async () => {
    database = await startDatabase()
    table = {client: database.client, name: database.table}
  })
  after(() => database.stop())

  it('is made once', async () => {
    assert.equal(await createTable(database.client, database.table), false)
  })

  it('writes all of a transaction or nothing, and says which conditions did not hold', async () => {
    await write(table, {put: {...key('there'), n: 1}})
    const refused = await transact(table, [
      {put: {...key('new'), n: 1}},
      {update: key('there'), change: {add: {n: 1}}, when: {text: 'n = :two', values: {':two': 2}}},
      {delete: key('never'), when: {text: 'attribute_exists(pk)'}},
      {check: key('other'), when: {text: 'attribute_not_exists(pk)'}},
    ])
    assert.deepEqual(refused, [1, 2])
    await assert.rejects(transact(table, [{put: key('twice')}, {delete: key('twice')}]), /multiple operations on one item/)
    assert.equal(await get(table, key('new')), undefined)
    assert.deepEqual(await get(table, key('there')), {...key('there'), n: 1})
  })

  it('counts right however many add at once, in single writes and in transactions', async () => {
    const add = {update: key('counter'), change: {add: {n: 1}}}
    await Promise.all(Array.from({length: 40}, (_, at) => (at % 2 === 0 ? write(table, add) : transact(table, [add]))))
    assert.equal((await get(table, key('counter')))?.n, 40)
  })

  it('keeps sets of numbers: adds, takes, finds, and drops the attribute with the last', async () => {
    const ports = key('ports')
    const free = {text: 'NOT contains(hostPorts, :port)', values: {':port': 80}}
    const take = {update: ports, change: {add: {hostPorts: new Set([80]), n: 1}}, when: free}
    const taken = await Promise.all([1, 2, 3].map(() => write(table, take)))
    assert.equal(taken.filter(each => each !== undefined).length, 1)
    await write(table, {update: ports, change: {add: {hostPorts: new Set([81])}}})
    assert.deepEqual((await get(table, ports))?.hostPorts, new Set([80, 81]))
    await transact(table, [{update: ports, change: {take: {hostPorts: new Set([80, 81])}, add: {n: -1}}}])
    assert.deepEqual(await get(table, ports), {...ports, n: 0})
    assert.ok((await write(table, take)) !== undefined)
  })

  it('answers the new item of an update and the old one of a delete', async () => {
    assert.deepEqual(await write(table, {update: key('u'), change: {set: {a: 1, b: undefined, c: {d: [1]}}}}), {
      ...key('u'),
      a: 1,
      c: {d: [1]},
    })
    const nested = {text: '#c.#d[0] = :one AND a <> :two', names: {'#c': 'c', '#d': 'd'}, values: {':one': 1, ':two': 2}}
    assert.deepEqual(await write(table, {update: key('u'), change: {set: {a: 2}, remove: ['c', 'missing']}, when: nested}), {
      ...key('u'),
      a: 2,
    })
    assert.equal(await write(table, {update: key('u'), change: {set: {a: 3}}, when: nested}), undefined)
    assert.deepEqual(await write(table, {delete: key('u')}), {...key('u'), a: 2})
    assert.deepEqual(await write(table, {delete: key('u')}), {})
  })

  it('lists in the sparse index only what has its keys', async () => {
    await write(table, {put: {...key('listed'), gsi1pk: 'G', gsi1sk: 'a', more: {x: 1}}})
    await write(table, {put: key('unlisted')})
    assert.deepEqual(
      (await query(table, 'G', {index: 'gsi1'})).map(item => item.more),
      [{x: 1}],
    )
    await transact(table, [{update: key('listed'), change: {remove: ['gsi1pk', 'gsi1sk']}}])
    assert.deepEqual(await query(table, 'G', {index: 'gsi1'}), [])
  })

  it('queries by prefix, backwards, with a limit; gets and deletes many', async () => {
    const keysOf = Array.from({length: 120}, (_, at) => key(`K#${String(at).padStart(3, '0')}`, 'Q'))
    for (const some of [keysOf.slice(0, 60), keysOf.slice(60)])
      await transact(
        table,
        some.map(each => ({put: each})),
      )
    assert.deepEqual(
      (await query(table, 'Q', {prefix: 'K#', newestFirst: true, limit: 2})).map(item => item.sk),
      ['K#119', 'K#118'],
    )
    assert.equal((await query(table, 'Q', {prefix: 'K#01'})).length, 10)
    assert.equal((await getMany(table, [...keysOf, key('none', 'Q')])).length, 120)
    assert.deepEqual(await getMany(table, []), [])
    await deleteMany(table, keysOf)
    assert.deepEqual(await query(table, 'Q'), [])
  })

  it('streams every change with its type and both images', async () => {
    const {clientConfig, client} = database
    await write(table, {put: {...key('streamed'), type: 'scale', desired: 1}})
    await write(table, {update: key('streamed'), change: {set: {desired: 2}}})
    await write(table, {delete: key('streamed')})
    const streams = new DynamoDBStreamsClient(clientConfig)
    const arn = (await client.send(new DescribeTableCommand({TableName: table.name}))).Table?.LatestStreamArn
    const description = await streams.send(new DescribeStreamCommand({StreamArn: arn}))
    const records: StreamRecord[] = []
    for (const shard of description.StreamDescription?.Shards ?? []) {
      const start = {StreamArn: arn, ShardId: shard.ShardId, ShardIteratorType: 'TRIM_HORIZON' as const}
      const {ShardIterator} = await streams.send(new GetShardIteratorCommand(start))
      records.push(...((await streams.send(new GetRecordsCommand({ShardIterator}))).Records ?? []))
    }
    const own = records.map(each => each.dynamodb).filter(each => each?.Keys?.sk?.S === 'streamed')
    assert.deepEqual(
      own.map(each => [each?.OldImage?.desired?.N, each?.NewImage?.desired?.N, (each?.NewImage ?? each?.OldImage)?.type?.S]),
      [
        [undefined, '1', 'scale'],
        ['1', '2', 'scale'],
        ['2', undefined, 'scale'],
      ],
    )
    streams.destroy()
  })
})

describe('what requests cost', () => {
  it('an idle executor one small write, an idle reader one read, a reconciler one query', async () => {
    const database = await startDatabase()
    try {
      const {client, store} = database
      const sent: string[] = []
      client.middlewareStack.add(
        (next, context) => args => {
          sent.push(String(context.commandName))
          return next(args)
        },
        {step: 'initialize'},
      )
      const commands = async (call: () => Promise<unknown>): Promise<string[]> => {
        sent.length = 0
        await call()
        return [...sent]
      }
      await store.executors.join(descriptor('host'), now)
      await store.formations.create('crm', now)
      await store.instances.spawn(pendingInstance('crm', 'web', 'one', {}, now))
      assert.deepEqual(await commands(() => store.executors.renew('host', now)), ['UpdateItemCommand'])
      assert.deepEqual(await commands(() => store.registry.snapshots({crm: 0, other: 0}, now)), ['BatchGetItemCommand'])
      assert.deepEqual(await commands(() => store.formations.load('crm')), ['QueryCommand'])
      assert.deepEqual(await commands(() => store.routes.table(0)), ['GetItemCommand'])
      assert.deepEqual(await commands(() => store.tokens.authenticate('gil_admin_x', now)), ['GetItemCommand'])
      assert.deepEqual(await commands(() => store.executors.draining()), ['QueryCommand'])
      assert.deepEqual(await commands(() => store.executors.list()), Array(8).fill('QueryCommand'))
      assert.deepEqual(await commands(() => store.instances.pending()), Array(4).fill('QueryCommand'))
    } finally {
      await database.stop()
    }
  })

  it('no function can scan: the word is nowhere in their code', async () => {
    const folder = new URL('../../lambdas/', import.meta.url)
    const files = (await readdir(folder, {recursive: true})).filter(name => name.endsWith('.ts'))
    assert.ok(files.length > 20)
    for (const file of files) assert.doesNotMatch(await readFile(new URL(file, folder), 'utf8'), /ScanCommand|\bScan\b|\bSCAN\b/, file)
  })
})
