// Counts what a client asks of DynamoDB: calls, and capacity units as the database itself reports them (ReturnConsumedCapacity). Changes nothing else.
import type {DynamoDBDocumentClient} from '@aws-sdk/lib-dynamodb'

export interface Consumption {
  readonly calls: number
  readonly readUnits: number
  readonly writeUnits: number
}

export interface Meter {
  /** What was consumed since the last call of `take`. */
  readonly take: () => Consumption
  /** When the last call was made, in milliseconds since the epoch. */
  readonly lastAt: () => number
}

const reads = new Set(['GetItemCommand', 'QueryCommand', 'BatchGetItemCommand', 'TransactGetItemsCommand', 'GetCommand', 'BatchGetCommand'])

interface Capacity {
  readonly CapacityUnits?: number
}

const unitsOf = (output: unknown): number => {
  const consumed = (output as {ConsumedCapacity?: Capacity | readonly Capacity[]}).ConsumedCapacity
  if (consumed === undefined) return 0
  return [consumed].flat().reduce((sum, each) => sum + (each.CapacityUnits ?? 0), 0)
}

/** Installs a meter on a client. Throws when a call's answer carries no consumed capacity: the figures would be too low. */
export const installMeter = (client: DynamoDBDocumentClient): Meter => {
  let total = {calls: 0, readUnits: 0, writeUnits: 0}
  let lastAt = 0
  client.middlewareStack.add(
    (next, context) => async args => {
      const name = context.commandName ?? ''
      if (name === 'DescribeTableCommand') return next(args)
      const answer = await next({...args, input: {...args.input, ReturnConsumedCapacity: 'TOTAL'}})
      const units = unitsOf(answer.output)
      if (units === 0) throw new Error(`${name} was answered without consumed capacity`)
      const isRead = reads.has(name)
      total = {
        calls: total.calls + 1,
        readUnits: total.readUnits + (isRead ? units : 0),
        writeUnits: total.writeUnits + (isRead ? 0 : units),
      }
      lastAt = Date.now()
      return answer
    },
    {step: 'initialize', name: 'meter', priority: 'high'},
  )
  return {
    take: () => {
      const taken = total
      total = {calls: 0, readUnits: 0, writeUnits: 0}
      return taken
    },
    lastAt: () => lastAt,
  }
}
