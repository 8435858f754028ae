// A DynamoDB of one table in memory, as much of it as the store uses, so that the store's own code and conditions run in a simulation: every command is
// carried out in one step. Knows no time; who calls it decides when. Held to the embedded database by memory-database.test.ts.
import {ConditionalCheckFailedException, TransactionCanceledException} from '@aws-sdk/client-dynamodb'
import {
  BatchGetCommand,
  BatchWriteCommand,
  DeleteCommand,
  GetCommand,
  PutCommand,
  QueryCommand,
  type QueryCommandInput,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb'
import {type Bindings, conditionOf, type Item, updateOf} from './expressions.ts'

/** One item as a command left it; `before` and `after` are undefined where there was, or is, none. */
export interface Change {
  readonly before: Item | undefined
  readonly after: Item | undefined
}

interface Key {
  readonly pk: string
  readonly sk: string
}

/** The items of one partition; their order is found when it is asked for. */
class Partition {
  readonly items = new Map<string, Item>()
  #order: readonly string[] | undefined

  set(sk: string, item: Item | undefined): void {
    if (item === undefined) this.items.delete(sk)
    else {
      if (this.items.has(sk)) {
        this.items.set(sk, item)
        return
      }
      this.items.set(sk, item)
    }
    this.#order = undefined
  }

  get order(): readonly string[] {
    this.#order ??= [...this.items.keys()].sort()
    return this.#order
  }
}

class Partitions {
  readonly #all = new Map<string, Partition>()

  get(pk: string, sk: string): Item | undefined {
    return this.#all.get(pk)?.items.get(sk)
  }

  set(pk: string, sk: string, item: Item | undefined): void {
    const partition = this.#all.get(pk) ?? new Partition()
    this.#all.set(pk, partition)
    partition.set(sk, item)
    if (partition.items.size === 0) this.#all.delete(pk)
  }

  in(pk: string): readonly Item[] {
    const partition = this.#all.get(pk)
    return partition === undefined ? [] : partition.order.map(sk => partition.items.get(sk) as Item)
  }
}

const compiled = <T>(compile: (text: string) => T): ((text: string) => T) => {
  const known = new Map<string, T>()
  return text => {
    const found = known.get(text) ?? compile(text)
    known.set(text, found)
    return found
  }
}

/** What a write carries besides its item or key. */
interface Conditional {
  readonly ConditionExpression?: string | undefined
  readonly ExpressionAttributeNames?: Record<string, string> | undefined
  readonly ExpressionAttributeValues?: Record<string, unknown> | undefined
}

/** One write: which item, whether it may be, and what becomes of it. */
interface Step {
  readonly key: Key
  readonly holds: boolean
  readonly after: (before: Item | undefined) => Item | undefined
}

const bindingsOf = ({ExpressionAttributeNames: names = {}, ExpressionAttributeValues: values = {}}: Conditional): Bindings => ({
  names,
  values,
})
const keyOf = (item: Record<string, unknown> | undefined): Key => ({pk: item?.pk as string, sk: item?.sk as string})
const textOf = ({pk, sk}: Key): string => `${pk} ${sk}`
const present = (item: Item): Item => Object.fromEntries(Object.entries(item).filter(([, value]) => value !== undefined))
const metadata = {$metadata: {}, message: 'the condition does not hold'}
const itemsPerTransactionMax = 100

export interface MemoryOptions {
  /** Called with what one command changed, after it did. */
  readonly onChanges?: (changes: readonly Change[]) => void
  /** A page of a query has at most as many items; all of them unless said. */
  readonly pageItemsMax?: number
  /** Carries out a change of the index now or later, in order. At once unless said. */
  readonly later?: (change: () => void) => void
  /** A condition that is not checked: how a test shows that it is needed. */
  readonly ignores?: (condition: string) => boolean
}

export class MemoryDatabase {
  readonly #items = new Partitions()
  readonly #index = new Partitions()
  readonly #options: MemoryOptions
  readonly #condition = compiled(conditionOf)
  readonly #update = compiled(updateOf)

  constructor(options: MemoryOptions = {}) {
    this.#options = options
  }

  /** What a consistent read would find. */
  find(key: Key): Item | undefined {
    return this.#items.get(key.pk, key.sk)
  }

  /** All items of a partition, by sort key. */
  partition(pk: string): readonly Item[] {
    return this.#items.in(pk)
  }

  /** Carries out a command of the document client. Throws what DynamoDB would answer when a condition does not hold. */
  execute(command: unknown): unknown {
    if (command instanceof GetCommand) return {Item: this.find(keyOf(command.input.Key))}
    if (command instanceof QueryCommand) return this.#query(command.input)
    if (command instanceof TransactWriteCommand) return this.#transact(command.input)
    if (command instanceof UpdateCommand) return {Attributes: this.#single(this.#updating(command.input)).after}
    if (command instanceof PutCommand) return this.#single(this.#putting(command.input)) && {}
    if (command instanceof DeleteCommand) return {Attributes: this.#single(this.#deleting(command.input)).before}
    if (command instanceof BatchGetCommand) return this.#batchGet(command.input.RequestItems ?? {})
    if (command instanceof BatchWriteCommand) return this.#batchDelete(command.input.RequestItems ?? {})
    throw new Error(`${(command as object).constructor.name} is not understood`)
  }

  #holds(key: Key, conditional: Conditional): boolean {
    const {ConditionExpression: text} = conditional
    if (text === undefined || this.#options.ignores?.(text) === true) return true
    return this.#condition(text)(this.find(key) ?? {}, bindingsOf(conditional))
  }

  #updating(input: Conditional & {Key: Record<string, unknown> | undefined; UpdateExpression?: string | undefined}): Step {
    const key = keyOf(input.Key)
    const act = this.#update(input.UpdateExpression ?? '')
    const after = (before: Item | undefined): Item => {
      const item: Record<string, unknown> = {...before, ...key}
      act(item, bindingsOf(input))
      return item
    }
    return {key, holds: this.#holds(key, input), after}
  }

  #putting(input: Conditional & {Item: Record<string, unknown> | undefined}): Step {
    const key = keyOf(input.Item)
    return {key, holds: this.#holds(key, input), after: () => present(input.Item ?? {})}
  }

  #deleting(input: Conditional & {Key: Record<string, unknown> | undefined}): Step {
    const key = keyOf(input.Key)
    return {key, holds: this.#holds(key, input), after: () => undefined}
  }

  #single(step: Step): Change {
    if (!step.holds) throw new ConditionalCheckFailedException(metadata)
    const [change] = this.#commit([step])
    return change as Change
  }

  #transact({TransactItems: items = []}: TransactWriteCommandInput): object {
    const steps = items.map(({Put, Update, Delete, ConditionCheck}): Step => {
      if (Put !== undefined) return this.#putting(Put)
      if (Update !== undefined) return this.#updating(Update)
      if (Delete !== undefined) return this.#deleting(Delete)
      if (ConditionCheck === undefined) throw new Error('an empty write')
      const key = keyOf(ConditionCheck.Key)
      return {key, holds: this.#holds(key, ConditionCheck), after: before => before}
    })
    if (steps.length > itemsPerTransactionMax) throw new Error(`${steps.length} writes in one transaction`)
    if (new Set(steps.map(({key}) => textOf(key))).size < steps.length) throw new Error('one transaction writes an item twice')
    if (steps.every(({holds}) => holds)) return this.#commit(steps) && {}
    const reasons = steps.map(({holds}) => ({Code: holds ? 'None' : 'ConditionalCheckFailed'}))
    throw new TransactionCanceledException({...metadata, CancellationReasons: reasons})
  }

  #commit(steps: readonly Step[]): readonly Change[] {
    const changes = steps.map(({key, after: become}) => {
      const before = this.find(key)
      const after = become(before)
      this.#items.set(key.pk, key.sk, after)
      return {before, after}
    })
    const moved = changes.filter(({before, after}) => before !== after)
    for (const change of moved) {
      if (change.before?.gsi1pk === undefined && change.after?.gsi1pk === undefined) continue
      const {later = (now: () => void) => now()} = this.#options
      later(() => this.#list(change))
    }
    this.#options.onChanges?.(moved)
    return changes
  }

  #list({before, after}: Change): void {
    const placeOf = (item: Item): [string, string] => [item.gsi1pk as string, `${item.gsi1sk} ${textOf(keyOf(item))}`]
    if (before?.gsi1pk !== undefined) this.#index.set(...placeOf(before), undefined)
    if (after?.gsi1pk !== undefined) this.#index.set(...placeOf(after), after)
  }

  // The three conditions the store asks with (table.ts): the whole partition, a prefix, a range.
  #query(input: QueryCommandInput): object {
    const {':pk': pk, ':prefix': prefix, ':first': first, ':last': last} = input.ExpressionAttributeValues as Record<string, string>
    const isIndex = input.IndexName !== undefined
    const sortKeyOf = (item: Item): string => (isIndex ? item.gsi1sk : item.sk) as string
    let found = (isIndex ? this.#index : this.#items).in(pk ?? '')
    if (prefix !== undefined) found = found.filter(item => sortKeyOf(item).startsWith(prefix))
    if (first !== undefined && last !== undefined) found = found.filter(item => sortKeyOf(item) >= first && sortKeyOf(item) <= last)
    if (input.ScanIndexForward === false) found = [...found].reverse()
    if (input.ExclusiveStartKey !== undefined) {
      const from = input.ExclusiveStartKey
      const isAfter = (item: Item): boolean => this.#isAfter(item, from, isIndex, input.ScanIndexForward === false)
      found = found.filter(isAfter)
    }
    const max = Math.min(input.Limit ?? Number.POSITIVE_INFINITY, this.#options.pageItemsMax ?? Number.POSITIVE_INFINITY)
    if (found.length <= max) return {Items: found}
    const page = found.slice(0, max)
    return {Items: page, LastEvaluatedKey: page.at(-1)}
  }

  #isAfter(item: Item, from: Item, isIndex: boolean, backwards: boolean): boolean {
    const placeOf = (it: Item): string => (isIndex ? `${it.gsi1sk} ${textOf(keyOf(it))}` : (it.sk as string))
    return backwards ? placeOf(item) < placeOf(from) : placeOf(item) > placeOf(from)
  }

  #batchGet(requests: Record<string, {Keys?: Record<string, unknown>[] | undefined}>): object {
    const found = Object.entries(requests).map(([table, {Keys = []}]) => [table, Keys.flatMap(key => this.find(keyOf(key)) ?? [])])
    return {Responses: Object.fromEntries(found)}
  }

  #batchDelete(requests: Record<string, {DeleteRequest?: {Key: Record<string, unknown> | undefined} | undefined}[]>): object {
    const keys = Object.values(requests).flatMap(all => all.map(({DeleteRequest}) => keyOf(DeleteRequest?.Key)))
    for (const key of keys) this.#commit([{key, holds: true, after: () => undefined}])
    return {}
  }
}
