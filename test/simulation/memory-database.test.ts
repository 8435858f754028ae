// The database of the simulation is held to the real embedded one: the same commands have the same answers, whatever the store's conditions are.
import assert from 'node:assert/strict'
import {after, before, describe, it} from 'node:test'
import fc from 'fast-check'
import {
  all,
  announcedIs,
  executorHasRoom,
  executorNotLost,
  exists,
  formationActive,
  formationAtVersion,
  instanceServing,
  instanceStill,
  instanceUnassigned,
  keyFree,
  leaseOver,
  noRolloutStarting,
  notExists,
  reportedBefore,
} from '#lambdas/store/conditions.ts'
import {get, getMany, query, type Table, transact, type Write, write} from '#lambdas/store/table.ts'
import {startDatabase, type TestDatabase} from '#test/store/database.ts'
import {MemoryDatabase} from './memory-database.ts'

const conditions = [
  exists,
  notExists,
  formationActive,
  formationAtVersion(1),
  instanceServing,
  instanceUnassigned,
  noRolloutStarting,
  executorNotLost,
  instanceStill('assigned', 'one'),
  announcedIs(false),
  announcedIs(true),
  leaseOver(2),
  keyFree(2),
  reportedBefore(2),
  executorHasRoom({cpuMilli: 3, memoryMib: 3}, {cpuMilli: 1, memoryMib: 1}, [80]),
  all(exists, leaseOver(3)),
]

const small = fc.integer({min: 0, max: 3})
const keys = fc.record({pk: fc.constantFrom('p', 'q'), sk: fc.constantFrom('a', 'b', 'c')})
const fields = fc.record(
  {
    state: fc.constantFrom('active', 'pending', 'assigned', 'starting', 'ready', 'lost'),
    executor: fc.constantFrom('one', 'two'),
    version: small,
    cpuMilli: fc.constant(3),
    memoryMib: fc.constant(3),
    cpuMilliUsed: small,
    memoryMibUsed: small,
    leaseExpiresAt: small,
    expiresAt: small,
    lockedUntil: small,
    reportSequence: small,
    announced: fc.boolean(),
    hostPorts: fc.constantFrom(new Set([80]), new Set([80, 81])),
    gsi1pk: fc.constantFrom('i', 'j'),
    gsi1sk: fc.constantFrom('x', 'y'),
  },
  {requiredKeys: ['gsi1pk', 'gsi1sk']},
)
const when = fc.constantFrom(...conditions)
const set = fields.map(({hostPorts: _, gsi1pk: __, gsi1sk: ___, ...rest}) => rest)
const change = fc.record({
  set: set.map(item => ({...item, touched: true})),
  add: fc.record({count: small, hostPorts: fc.constantFrom(undefined, new Set([82]))}),
  take: fc.constantFrom({}, {ports: new Set([1])}),
  remove: fc.constantFrom([], ['gsi1pk', 'gsi1sk'], ['other']),
})
const writes: fc.Arbitrary<Exclude<Write, {check: unknown}>> = fc.oneof(
  fc.record({put: fc.tuple(keys, fields).map(([key, item]) => ({...item, ...key})), when}),
  fc.record({update: keys, change, when}),
  fc.record({delete: keys, when}),
)
const isDistinct = (some: readonly Write[]): boolean => {
  const keysOf = some.map(each => ('put' in each ? each.put : 'update' in each ? each.update : 'delete' in each ? each.delete : each.check))
  return new Set(keysOf.map(({pk, sk}) => `${pk} ${sk}`)).size === some.length
}
const steps = fc.array(
  fc.oneof(
    writes.map(one => [one]),
    fc.array(writes, {minLength: 2, maxLength: 3}).filter(isDistinct),
  ),
  {maxLength: 12},
)

/** What a command answers, or what it throws. */
const carryOut = async (table: Table, some: readonly Exclude<Write, {check: unknown}>[]): Promise<unknown> => {
  const [one] = some
  return some.length === 1 && one !== undefined ? await write(table, one) : await transact(table, some)
}

const everything = async (table: Table): Promise<unknown> => ({
  partitions: await Promise.all(['p', 'q'].map(pk => query(table, pk))),
  from: await query(table, 'p', {between: ['b', 'c']}),
  newest: await query(table, 'p', {newestFirst: true, limit: 1}),
  index: (await Promise.all(['i', 'j'].map(pk => query(table, pk, {index: 'gsi1'})))).map(items => items.map(({gsi1sk}) => gsi1sk)),
  one: await get(table, {pk: 'q', sk: 'a'}),
  many: (
    await getMany(table, [
      {pk: 'p', sk: 'a'},
      {pk: 'q', sk: 'c'},
    ])
  )
    .map(({pk, sk}) => `${pk}${sk}`)
    .sort(),
})

describe('the in-memory database', () => {
  let real: TestDatabase
  before(async () => {
    real = await startDatabase()
  })
  after(() => real.stop())

  it('answers and holds what the embedded one does', async () => {
    const table: Table = {client: real.client, name: real.table}
    await fc.assert(
      fc.asyncProperty(steps, async all => {
        const database = new MemoryDatabase({pageItemsMax: 2})
        const client = {send: async (command: unknown) => database.execute(command)} as unknown as Table['client']
        const memory: Table = {client, name: 'memory'}
        for (const pk of ['p', 'q']) for (const sk of ['a', 'b', 'c']) await write(table, {delete: {pk, sk}})
        for (const some of all) assert.deepEqual(await carryOut(memory, some), await carryOut(table, some))
        assert.deepEqual(await everything(memory), await everything(table))
      }),
      {numRuns: 60},
    )
  })

  it('refuses what DynamoDB refuses: an item twice in one transaction', async () => {
    const database = new MemoryDatabase()
    const client = {send: async (command: unknown) => database.execute(command)} as unknown as Table['client']
    const put = {put: {pk: 'p', sk: 'a'}}
    await assert.rejects(transact({client, name: 'memory'}, [put, put]), /twice/)
  })
})
