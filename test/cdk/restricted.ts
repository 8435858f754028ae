// A store that may do what one function's role may do, and nothing else: DynamoDB's part of IAM, as far as the roles use it. Every request is checked before
// it leaves; what is refused is remembered.
import {DynamoDBClient} from '@aws-sdk/client-dynamodb'
import {DynamoDBDocumentClient} from '@aws-sdk/lib-dynamodb'
import {tableStatements} from '#cdk/grants.ts'
import {createStore, type Store} from '#lambdas/store/index.ts'
import type {TestDatabase} from '#test/store/database.ts'

type Loose = Readonly<Record<string, unknown>>

/** An action on items whose partition keys these are, of the table or of an index. */
interface Asked {
  readonly action: string
  readonly keys: readonly string[]
  readonly on: 'table' | 'index'
}

/** Before or after the document client has marshalled it. */
const textOf = (value: unknown): string => (typeof value === 'string' ? value : String((value as {S?: string}).S))
const pkOf = (item: unknown): string => textOf((item as Loose).pk)
const single = (action: string, item: unknown): Asked => ({action: `dynamodb:${action}`, keys: [pkOf(item)], on: 'table'})

const inTransaction = (item: Readonly<Record<string, {Item?: Loose; Key?: Loose}>>): Asked[] =>
  Object.entries(item).map(([kind, {Item, Key}]) => single(kind === 'ConditionCheck' ? 'ConditionCheckItem' : `${kind}Item`, Item ?? Key))

const batch = (action: string, items: readonly unknown[]): Asked => ({action: `dynamodb:${action}`, keys: items.map(pkOf), on: 'table'})

/** What a command asks for: one permission for each of a transaction's parts. */
const askedBy = (command: string, input: Loose): Asked[] => {
  const each = <T>(name: string): T[] => Object.values((input[name] ?? {}) as Record<string, T>)
  switch (command) {
    case 'GetItemCommand':
    case 'UpdateItemCommand':
    case 'DeleteItemCommand':
      return [single(command.replace('Command', ''), input.Key)]
    case 'PutItemCommand':
      return [single('PutItem', input.Item)]
    case 'QueryCommand': {
      const partition = (input.ExpressionAttributeValues as Loose)[':pk']
      return [{action: 'dynamodb:Query', keys: [textOf(partition)], on: input.IndexName === undefined ? 'table' : 'index'}]
    }
    case 'BatchGetItemCommand':
      return each<{Keys: unknown[]}>('RequestItems').map(({Keys}) => batch('BatchGetItem', Keys))
    case 'BatchWriteItemCommand':
      return each<{DeleteRequest?: {Key: unknown}; PutRequest?: {Item: unknown}}[]>('RequestItems').map(writes =>
        batch(
          'BatchWriteItem',
          writes.map(({DeleteRequest, PutRequest}) => DeleteRequest?.Key ?? PutRequest?.Item),
        ),
      )
    case 'TransactWriteItemsCommand':
      return (input.TransactItems as Parameters<typeof inTransaction>[0][]).flatMap(inTransaction)
    default:
      throw new Error(`no function should send ${command}`)
  }
}

/** `*` stands for any text: IAM's StringLike. */
const isLike = (text: string, pattern: string): boolean =>
  new RegExp(`^${pattern.replaceAll(/[^\w#*]/g, '\\$&').replaceAll('*', '.*')}$`, 's').test(text)

/** Every key must fit the statement that allows the action: ForAllValues. */
const isAllowed = (name: string, {action, keys, on}: Asked): boolean =>
  tableStatements(name).some(
    statement =>
      statement.on === on &&
      statement.actions.includes(action) &&
      keys.every(key => statement.leadingKeys.some(pattern => isLike(key, pattern))),
  )

export interface Restricted {
  readonly storeOf: (name: string) => Store
  /** `registry: dynamodb:GetItem X#3`, once each. */
  readonly refused: ReadonlySet<string>
  /** Statements that somebody made use of, as `name: action pattern`. */
  readonly used: ReadonlySet<string>
  readonly stop: () => void
}

/** Stores over `database`, one per function, each with the permissions of that function's role. */
export const restrict = ({clientConfig, table}: TestDatabase): Restricted => {
  const [refused, used] = [new Set<string>(), new Set<string>()]
  const clients: DynamoDBDocumentClient[] = []

  const check = (name: string, asked: Asked): void => {
    const {action, keys, on} = asked
    if (!isAllowed(name, asked)) {
      refused.add(
        `${name}: ${action} ${[...new Set(keys.map(key => key.replace(/#.*/, '#')))].join()}${on === 'index' ? ' of the index' : ''}`,
      )
      throw Object.assign(new Error(`${name} may not ${action} ${keys.join()}`), {name: 'AccessDeniedException'})
    }
    const statement = tableStatements(name).filter(each => each.on === on && each.actions.includes(action))
    const patterns = statement.flatMap(each => each.leadingKeys).filter(pattern => keys.some(key => isLike(key, pattern)))
    for (const pattern of patterns) used.add(`${name}: ${action} ${pattern}`)
  }

  return {
    refused,
    used,
    storeOf: name => {
      const client = DynamoDBDocumentClient.from(new DynamoDBClient(clientConfig), {marshallOptions: {removeUndefinedValues: true}})
      client.middlewareStack.add(
        (next, context) => async args => {
          for (const asked of askedBy(context.commandName ?? '', args.input as Loose)) check(name, asked)
          return next(args)
        },
        {step: 'initialize', name: 'restricted', priority: 'high'},
      )
      clients.push(client)
      return createStore({client, table})
    },
    stop: () => {
      for (const client of clients) client.destroy()
    },
  }
}
