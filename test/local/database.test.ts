// The embedded database as a process: adopted, restarted, kept quick; and what the sweeper removes from it.
import assert from 'node:assert/strict'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {after, test} from 'node:test'
import {BatchWriteCommand, GetCommand, PutCommand} from '@aws-sdk/lib-dynamodb'
import {createTable} from '#lambdas/store/index.ts'
import {findDatabase, findDynoxide, startDatabase, stopDatabase} from '#local/database.ts'
import {connectDynamoDB} from '#local/dynamodb.ts'
import {isAlive, recordOf} from '#local/processes.ts'
import {indexStream, trimStream} from '#local/stream-upkeep.ts'
import {createSweeper} from '#local/sweeper.ts'
import {createLogger} from '#shared/log.ts'
import {until} from './until.ts'

const log = createLogger('test', {level: 'silent'})
const home = mkdtempSync(join(tmpdir(), 'gilliam-database-'))
const found = findDynoxide()
assert.ok(found)
const binary: string = found
let folders = 0
const used: string[] = []
const nextFolder = () => {
  const folder = join(home, `db${++folders}`)
  used.push(folder)
  return folder
}
after(async () => {
  for (const folder of used) await stopDatabase(folder)
  rmSync(home, {recursive: true, force: true})
})

const put = (client: ReturnType<typeof connectDynamoDB>, pk: string, more: Record<string, unknown> = {}) =>
  client.client.send(new PutCommand({TableName: 'things', Item: {pk, sk: 'x', ...more}}))
const puts = (first: number, count: number) => Array.from({length: count}, (_, i) => ({PutRequest: {Item: {pk: `n${first + i}`, sk: 'x'}}}))
const get = async (client: ReturnType<typeof connectDynamoDB>, pk: string) =>
  (await client.client.send(new GetCommand({TableName: 'things', Key: {pk, sk: 'x'}, ConsistentRead: true}))).Item

test('runs on when its starter ends, and is adopted by the next', async () => {
  const folder = nextFolder()
  const first = await startDatabase({folder, binary, log})
  const pid = first.pid()
  await first.close()
  const second = await startDatabase({folder, binary, log})
  assert.equal(second.pid(), pid)
  assert.equal(second.endpoint, first.endpoint)
  await second.close()
  await stopDatabase(folder)
  assert.equal(await findDatabase(folder), undefined)
  await stopDatabase(folder)
})

test('killed, it comes back on the same port with every acknowledged write', async () => {
  const folder = nextFolder()
  const database = await startDatabase({folder, binary, log})
  let writes = 0
  const client = connectDynamoDB(database.endpoint, () => {
    writes += 1
  })
  await createTable(client.client, 'things')
  await put(client, 'a')
  assert.equal(writes, 1)
  const before = database.pid()
  process.kill(before, 'SIGKILL')
  await until(() => database.pid() !== before)
  await put(client, 'b')
  assert.ok((await get(client, 'a')) !== undefined && (await get(client, 'b')) !== undefined)
  client.destroy()
  await database.close()
})

test('never takes a process for its own whose start time or command line is another', async () => {
  const folder = nextFolder()
  const database = await startDatabase({folder, binary, log})
  await database.close()
  await stopDatabase(folder)
  const file = join(folder, 'dynoxide.pid')
  const self = recordOf(process.pid)
  assert.ok(self !== undefined && isAlive(self))
  writeFileSync(file, JSON.stringify({...self, port: 1}))
  assert.equal(await findDatabase(folder), undefined, 'this test is no dynoxide')
  writeFileSync(file, JSON.stringify({...self, startTicks: '1', port: 1}))
  assert.equal(await findDatabase(folder), undefined)
  assert.ok(!isAlive({...self, bootId: 'another boot'}))
  writeFileSync(file, '{"pid":')
  assert.equal(await findDatabase(folder), undefined)
})

test('a binary that can not run is an error that says so', async () => {
  await assert.rejects(startDatabase({folder: nextFolder(), binary: join(home, 'nothing'), log}), /ENOENT/)
})

test('upkeep indexes the stream and trims it, and positions go on', async () => {
  const folder = nextFolder()
  const database = await startDatabase({folder, binary, log})
  const client = connectDynamoDB(database.endpoint, () => undefined)
  await createTable(client.client, 'things')
  indexStream(database.file)
  indexStream(database.file)
  for (let i = 0; i < 1_200; i += 25) await client.client.send(new BatchWriteCommand({RequestItems: {things: puts(i, 25)}}))
  assert.equal(trimStream(database.file, 'things', 0), 0)
  assert.equal(trimStream(database.file, 'others', 1_200), 0)
  assert.equal(trimStream(database.file, 'things', 1_200), 200)
  await put(client, 'last')
  const sqlite = new DatabaseSync(database.file, {readOnly: true})
  const row = sqlite
    .prepare("SELECT count(*) AS kept, max(CAST(sequence_number AS INTEGER)) AS newest FROM _stream_records WHERE table_name = 'things'")
    .get()
  const plan = sqlite
    .prepare("EXPLAIN QUERY PLAN SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records WHERE table_name = 'things'")
    .all()
  sqlite.close()
  assert.deepEqual({...row}, {kept: 1_001, newest: 1_201})
  assert.match(JSON.stringify(plan), /gilliam_stream_position/)
  client.destroy()
  await database.close()
})

test('upkeep leaves a file alone that it does not know', () => {
  const file = join(home, 'other.db')
  assert.equal(trimStream(file, 'things', 10), 0)
  const sqlite = new DatabaseSync(file)
  sqlite.exec('CREATE TABLE _stream_records (id INTEGER PRIMARY KEY)')
  sqlite.close()
  indexStream(file)
  assert.equal(trimStream(file, 'things', 10), 0)
})

test('the sweeper deletes what ended, round and round, and nothing else', async () => {
  const folder = nextFolder()
  const database = await startDatabase({folder, binary, log})
  const client = connectDynamoDB(database.endpoint, () => undefined)
  await createTable(client.client, 'things')
  await put(client, 'ended', {ttl: 999})
  await put(client, 'lives', {ttl: 1_001})
  await put(client, 'stays')
  const sweeper = createSweeper(client.client, 'things')
  assert.equal(await sweeper.pass(1_000_000), 1)
  assert.equal(await get(client, 'ended'), undefined)
  assert.ok((await get(client, 'lives')) !== undefined && (await get(client, 'stays')) !== undefined)
  assert.equal(await sweeper.pass(1_000_000), 0)
  assert.equal(await sweeper.pass(2_000_000), 1)
  client.destroy()
  await database.close()
})
