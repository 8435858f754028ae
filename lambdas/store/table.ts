// Reading and writing items of the one table: paging, batches, transactions and their retries. Knows no aggregate.
import {setTimeout as delay} from 'node:timers/promises'
import {ConditionalCheckFailedException, TransactionCanceledException, TransactionConflictException} from '@aws-sdk/client-dynamodb'
import {
  BatchGetCommand,
  BatchWriteCommand,
  DeleteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  type QueryCommandInput,
  TransactWriteCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb'
import {backoffMs, jitterMs} from '#shared/domain/backoff.ts'
import type {Condition} from './conditions.ts'
import type {tableSchema} from './schema.ts'

export interface Table {
  readonly client: DynamoDBDocumentClient
  readonly name: string
  /** Notes a change on somebody's behalf; without it nothing is noted. */
  readonly noting?: (deed: Deed) => Write
  /** Waits about so many milliseconds before a lost race is tried again; a jittered timer unless told otherwise. */
  readonly wait?: (ms: number) => Promise<void>
}

/** A change in a few words, for the audit. `from` and `to` are JSON, and hold no secrets. */
export interface Deed {
  /** `scale.set` */
  readonly action: `${string}.${string}`
  /** Absent when it belongs to none. */
  readonly formation?: string
  /** What was changed: `release 4`, `executor one`. */
  readonly what: string
  readonly from?: unknown
  readonly to?: unknown
}

export interface Key {
  readonly pk: string
  readonly sk: string
}

export type Item = Record<string, unknown>

/** What an update does: `set` and `remove` attributes, `add` to numbers and sets, `take` from sets. */
export interface Change {
  readonly set?: Item
  readonly add?: Item
  readonly take?: Item
  readonly remove?: readonly string[]
}

/** One write, with the condition it hangs on. */
export type Write =
  | {readonly put: Item; readonly when?: Condition}
  | {readonly update: Key; readonly change: Change; readonly when?: Condition}
  | {readonly delete: Key; readonly when?: Condition}
  | {readonly check: Key; readonly when: Condition}

/** DynamoDB's limit is 100; some room is left for the items that guard a transaction. */
export const writesPerTransactionMax = 90
const conflictTriesMax = 10
const conflictBackoffBaseMs = 10
const conflictBackoffMaxMs = 500
const batchTriesMax = 8
const batchGetItemsMax = 100
const batchWriteItemsMax = 25

const present = (item: Item): [string, unknown][] => Object.entries(item).filter(([, value]) => value !== undefined)

/** The clauses of an update expression; values that are undefined are left out. */
const expressionOf = (change: Change) => {
  const names: Record<string, string> = {}
  const values: Item = {}
  const clause = (word: string, prefix: string, item: Item | undefined, join: string): string => {
    const parts = present(item ?? {}).map(([name, value], at) => {
      names[`#${prefix}${at}`] = name
      values[`:${prefix}${at}`] = value
      return `#${prefix}${at}${join}:${prefix}${at}`
    })
    return parts.length === 0 ? '' : `${word} ${parts.join(', ')}`
  }
  const removed = (change.remove ?? []).map((name, at) => {
    names[`#r${at}`] = name
    return `#r${at}`
  })
  const text = [
    clause('SET', 's', change.set, ' = '),
    clause('ADD', 'a', change.add, ' '),
    clause('DELETE', 't', change.take, ' '),
    removed.length === 0 ? '' : `REMOVE ${removed.join(', ')}`,
  ]
  return {text: text.filter(part => part !== '').join(' '), names, values}
}

const unlessEmpty = <T extends object>(record: T): T | undefined => (Object.keys(record).length === 0 ? undefined : record)

const conditionInput = (when: Condition | undefined, more: {names?: Record<string, string>; values?: Item} = {}) => ({
  ConditionExpression: when?.text,
  ExpressionAttributeNames: unlessEmpty({...when?.names, ...more.names}),
  ExpressionAttributeValues: unlessEmpty({...when?.values, ...more.values}),
})

const updateInput = (name: string, write: {update: Key; change: Change; when?: Condition}) => {
  const expression = expressionOf(write.change)
  return {TableName: name, Key: {...write.update}, UpdateExpression: expression.text, ...conditionInput(write.when, expression)}
}

const putInput = (name: string, write: {put: Item; when?: Condition}) => ({
  TableName: name,
  Item: Object.fromEntries(present(write.put)),
  ...conditionInput(write.when),
})

const transactItem = (name: string, write: Write) => {
  if ('put' in write) return {Put: putInput(name, write)}
  if ('update' in write) return {Update: updateInput(name, write)}
  if ('delete' in write) return {Delete: {TableName: name, Key: {...write.delete}, ...conditionInput(write.when)}}
  return {ConditionCheck: {TableName: name, Key: {...write.check}, ...conditionInput(write.when), ConditionExpression: write.when.text}}
}

const busyCodes: ReadonlySet<string> = new Set(['TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded'])

/** Whether others were writing the same items at that moment: nothing was written, and trying again may do. */
const isConflict = (error: unknown): boolean => {
  if (error instanceof TransactionConflictException) return true
  if (!(error instanceof TransactionCanceledException)) return false
  const codes = (error.CancellationReasons ?? []).map(reason => reason.Code)
  return !codes.includes('ConditionalCheckFailed') && codes.some(code => busyCodes.has(code ?? ''))
}

/** Runs `write` again after a growing, jittered pause while it meets other transactions on the same items; throws the conflict after ten tries. */
const retrying = async <T>(table: Table, write: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await write()
    } catch (error) {
      if (!isConflict(error) || tries === conflictTriesMax) throw error
      await pause(table, tries)
    }
  }
}

/** Waits before try number `tries + 1` of something that lost a race: a growing, evenly jittered time of at most half a second. */
export const pause = (table: Table, tries: number): Promise<void> =>
  (table.wait ?? jitteredDelay)(backoffMs(tries, conflictBackoffBaseMs, conflictBackoffMaxMs))

const jitteredDelay = async (ms: number): Promise<void> => {
  await delay(jitterMs(ms, 1, Math.random()))
}

/** One consistent read. */
export const get = async (table: Table, key: Key): Promise<Item | undefined> => {
  const answer = await table.client.send(new GetCommand({TableName: table.name, Key: {...key}, ConsistentRead: true}))
  return answer.Item
}

/**
 * One conditional write. Answers the item as it is after an update, as it was before a delete, `{}` after a put; undefined when the condition does not
 * hold.
 */
export const write = async (table: Table, one: Exclude<Write, {check: Key}>): Promise<Item | undefined> => {
  try {
    return await retrying(table, async () => {
      if ('put' in one) {
        await table.client.send(new PutCommand(putInput(table.name, one)))
        return {}
      }
      if ('update' in one) {
        const answer = await table.client.send(new UpdateCommand({...updateInput(table.name, one), ReturnValues: 'ALL_NEW'}))
        return answer.Attributes ?? {}
      }
      const input = {TableName: table.name, Key: {...one.delete}, ...conditionInput(one.when), ReturnValues: 'ALL_OLD' as const}
      return (await table.client.send(new DeleteCommand(input))).Attributes ?? {}
    })
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return undefined
    throw error
  }
}

/**
 * All of `writes` or none, and with them the audit entry of `deed` when the table is used on somebody's behalf. Answers undefined when done, or the places
 * in `writes` whose conditions did not hold.
 */
export const transact = async (table: Table, writes: readonly Write[], deed?: Deed): Promise<readonly number[] | undefined> => {
  try {
    const noted = deed === undefined || table.noting === undefined ? [] : [table.noting(deed)]
    const items = [...writes, ...noted].map(each => transactItem(table.name, each))
    await retrying(table, () => table.client.send(new TransactWriteCommand({TransactItems: items})))
    return undefined
  } catch (error) {
    if (!(error instanceof TransactionCanceledException)) throw error
    const refused = (error.CancellationReasons ?? []).flatMap((reason, at) => (reason.Code === 'ConditionalCheckFailed' ? [at] : []))
    if (refused.length === 0) throw error
    return refused
  }
}

/** One conditional write with the audit entry of `deed`: a transaction only when there is something to note. Answers whether it was done. */
export const writeNoting = async (table: Table, one: Exclude<Write, {check: Key}>, deed: Deed): Promise<boolean> =>
  table.noting === undefined ? (await write(table, one)) !== undefined : (await transact(table, [one], deed)) === undefined

export interface QueryOptions {
  /** Only sort keys that begin so. */
  readonly prefix?: string
  /** Only sort keys from the first to the second, both included. */
  readonly between?: readonly [string, string]
  /** A query of the sparse index, which may lag a moment behind. */
  readonly index?: keyof typeof tableSchema.indexes
  readonly newestFirst?: boolean
  readonly limit?: number
  /** `false` reads at half the price and may miss the last moment's writes. */
  readonly consistent?: boolean
}

const keyCondition = (pk: string, sk: string, partition: string, {prefix, between}: QueryOptions) => {
  const whole = {names: {'#pk': pk}, values: {':pk': partition}}
  if (prefix !== undefined)
    return {
      KeyConditionExpression: '#pk = :pk AND begins_with(#sk, :prefix)',
      ExpressionAttributeNames: {...whole.names, '#sk': sk},
      ExpressionAttributeValues: {...whole.values, ':prefix': prefix},
    }
  if (between === undefined)
    return {KeyConditionExpression: '#pk = :pk', ExpressionAttributeNames: whole.names, ExpressionAttributeValues: whole.values}
  return {
    KeyConditionExpression: '#pk = :pk AND #sk BETWEEN :first AND :last',
    ExpressionAttributeNames: {...whole.names, '#sk': sk},
    ExpressionAttributeValues: {...whole.values, ':first': between[0], ':last': between[1]},
  }
}

/** Every item of one partition, all pages, in order of the sort key. */
export const query = async (table: Table, partition: string, options: QueryOptions = {}): Promise<Item[]> => {
  const [pk, sk] = options.index === undefined ? ['pk', 'sk'] : [`${options.index}pk`, `${options.index}sk`]
  const input: QueryCommandInput = {
    TableName: table.name,
    IndexName: options.index,
    ...keyCondition(pk, sk, partition, options),
    ConsistentRead: options.index === undefined && options.consistent !== false,
    ScanIndexForward: options.newestFirst !== true,
    Limit: options.limit,
  }
  const items: Item[] = []
  let from: Record<string, unknown> | undefined
  do {
    const page = await table.client.send(new QueryCommand({...input, ExclusiveStartKey: from}))
    items.push(...(page.Items ?? []))
    from = page.LastEvaluatedKey
  } while (from !== undefined && (options.limit === undefined || items.length < options.limit))
  return items
}

const chunksOf = <T>(all: readonly T[], size: number): T[][] => {
  const chunks: T[][] = []
  for (let at = 0; at < all.length; at += size) chunks.push(all.slice(at, at + size))
  return chunks
}

/** Splits writes into what fits one transaction beside its guards. */
export const transactionsOf = <T>(all: readonly T[], size = writesPerTransactionMax): T[][] => chunksOf(all, size)

/** Consistent reads of many items, in no order; those that do not exist are left out. Keys must differ. */
export const getMany = async (table: Table, keys: readonly Key[]): Promise<Item[]> => {
  const items: Item[] = []
  for (const chunk of chunksOf(keys, batchGetItemsMax)) {
    let left: Record<string, unknown>[] = chunk.map(key => ({...key}))
    for (let tries = 1; left.length > 0; tries++) {
      const answer = await table.client.send(new BatchGetCommand({RequestItems: {[table.name]: {Keys: left, ConsistentRead: true}}}))
      items.push(...(answer.Responses?.[table.name] ?? []))
      left = answer.UnprocessedKeys?.[table.name]?.Keys ?? []
      if (left.length === 0) break
      if (tries === batchTriesMax) throw new Error(`DynamoDB left ${left.length} of ${chunk.length} reads undone ${batchTriesMax} times`)
      await pause(table, tries)
    }
  }
  return items
}

/** Unconditional deletes, not as one step. */
export const deleteMany = async (table: Table, keys: readonly Key[]): Promise<void> => {
  for (const chunk of chunksOf(keys, batchWriteItemsMax)) {
    let left = chunk.map(key => ({DeleteRequest: {Key: {pk: key.pk, sk: key.sk} as Record<string, unknown>}}))
    for (let tries = 1; left.length > 0; tries++) {
      const answer = await table.client.send(new BatchWriteCommand({RequestItems: {[table.name]: left}}))
      left = (answer.UnprocessedItems?.[table.name] ?? []) as typeof left
      if (left.length === 0) break
      if (tries === batchTriesMax) throw new Error(`DynamoDB left ${left.length} of ${chunk.length} deletes undone ${batchTriesMax} times`)
      await pause(table, tries)
    }
  }
}
