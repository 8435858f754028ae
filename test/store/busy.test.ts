// What DynamoDB on AWS does under load and the embedded one never: conflicts with other transactions, throttling, batches half done. Injected between
// the store and the real database.
import assert from 'node:assert/strict'
import {after, before, beforeEach, describe, it} from 'node:test'
import {TransactionCanceledException, TransactionConflictException} from '@aws-sdk/client-dynamodb'
import {deleteMany, get, getMany, type Table, transact, write} from '#lambdas/store/table.ts'
import {startDatabase, type TestDatabase} from './database.ts'

const cancelled = (...codes: string[]) =>
  new TransactionCanceledException({$metadata: {}, message: 'cancelled', CancellationReasons: codes.map(Code => ({Code}))})

describe('a busy database', () => {
  let database: TestDatabase
  let table: Table
  let sends = 0
  /** Throws for, or changes, what a command answers. */
  let meddle: (command: string, input: unknown, answer: () => Promise<{output: unknown}>) => Promise<{output: unknown}>
  before(async () => {
    database = await startDatabase()
    table = {client: database.client, name: database.table}
    database.client.middlewareStack.add(
      (next, context) => async args => {
        sends += 1
        return (await meddle(String(context.commandName), args.input, () => next(args))) as Awaited<ReturnType<typeof next>>
      },
      {step: 'initialize', priority: 'low'},
    )
  })
  beforeEach(() => {
    sends = 0
    meddle = (_command, _input, answer) => answer()
  })
  after(() => database.stop())

  const failing = (times: number, error: () => Error) => {
    meddle = (_command, _input, answer) => (sends <= times ? Promise.reject(error()) : answer())
  }

  it('tries again what met another transaction, and writes once', async () => {
    failing(3, () => cancelled('TransactionConflict', 'None'))
    assert.equal(await transact(table, [{update: {pk: 'a', sk: 'a'}, change: {add: {n: 1}}}]), undefined)
    failing(5, () => new TransactionConflictException({$metadata: {}, message: 'conflict'}))
    assert.deepEqual(await write(table, {update: {pk: 'a', sk: 'a'}, change: {add: {n: 1}}}), {pk: 'a', sk: 'a', n: 2})
  })

  it('gives up after ten tries, with the conflict', async () => {
    failing(1_000, () => cancelled('TransactionConflict'))
    await assert.rejects(transact(table, [{put: {pk: 'never', sk: 'never'}}]), TransactionCanceledException)
    assert.equal(sends, 10)
    meddle = (_command, _input, answer) => answer()
    assert.equal(await get(table, {pk: 'never', sk: 'never'}), undefined)
  })

  it('takes a condition that does not hold for the outcome, though others were in conflict too', async () => {
    failing(1_000, () => cancelled('TransactionConflict', 'ConditionalCheckFailed'))
    assert.deepEqual(await transact(table, [{put: {pk: 'x', sk: 'x'}}, {put: {pk: 'y', sk: 'y'}}]), [1])
    assert.equal(sends, 1)
  })

  it('does not try again what will never do', async () => {
    failing(1_000, () => cancelled('ValidationError'))
    await assert.rejects(transact(table, [{put: {pk: 'x', sk: 'x'}}]), TransactionCanceledException)
    assert.equal(sends, 1)
  })

  it('asks again for what a batch left undone', async () => {
    const keys = Array.from({length: 30}, (_, at) => ({pk: 'batch', sk: `k${at}`}))
    for (const key of keys) await write(table, {put: key})
    const half = <T>(all: readonly T[]): T[] => all.slice(0, Math.ceil(all.length / 2))
    meddle = async (command, input, answer) => {
      const {RequestItems} = input as {RequestItems: Record<string, {Keys?: unknown[]} | unknown[]>}
      const asked = RequestItems[table.name]
      if (command === 'BatchGetItemCommand' && asked !== undefined && !Array.isArray(asked) && (asked.Keys?.length ?? 0) > 1) {
        const left = (asked.Keys ?? []).slice(half(asked.Keys ?? []).length)
        asked.Keys = half(asked.Keys ?? [])
        const {output, ...rest} = await answer()
        return {...rest, output: {...(output as object), UnprocessedKeys: {[table.name]: {Keys: left}}}}
      }
      if (command === 'BatchWriteItemCommand' && Array.isArray(asked) && asked.length > 1) {
        const left = asked.slice(half(asked).length)
        RequestItems[table.name] = half(asked)
        const {output, ...rest} = await answer()
        return {...rest, output: {...(output as object), UnprocessedItems: {[table.name]: left}}}
      }
      return answer()
    }
    assert.equal((await getMany(table, keys)).length, 30)
    await deleteMany(table, keys)
    meddle = (_command, _input, answer) => answer()
    assert.deepEqual(await getMany(table, keys), [])
  })
})
