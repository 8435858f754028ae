// How many executors a stage can have until a limit of AWS, or one that we set, refuses something: default quotas as data, and the arithmetic. Pure.
import {functionSizes} from '#cdk/functions.ts'
import {executorShards} from '#lambdas/store/schema.ts'
import {type Counts, type Running, syncMs} from './price.ts'

export interface Quota {
  readonly name: string
  readonly limit: number
  readonly unit: string
  /** How much of it one executor takes. */
  readonly share: (counts: Counts, running: Running) => number
  readonly raise: string
}

const syncsPerSecond = (_: Counts, {syncSeconds}: Running): number => 1 / syncSeconds

/** Lambda lets a function URL answer so many requests a second for each call that is reserved. */
const requestsPerReserved = 10

/** Defaults of AWS as of 2025, by memory as the prices are; the first two are ours. */
export const quotas: readonly Quota[] = [
  {
    name: 'the function URL, ten a second for each call reserved',
    limit: (functionSizes.sync?.concurrency ?? 0) * requestsPerReserved,
    unit: 'requests/s',
    share: syncsPerSecond,
    raise: '`concurrency` of `sync` in `cdk/functions.ts`; agents that are refused go to the API',
  },
  {
    name: 'throttle of the stage, without the function URL',
    limit: 1_000,
    unit: 'requests/s',
    share: syncsPerSecond,
    raise: '`requestsPerSecondMax` in `cdk/constructs/api.ts`, up to what API Gateway allows',
  },
  {
    name: 'API Gateway, account and region, the same',
    limit: 10_000,
    unit: 'requests/s',
    share: syncsPerSecond,
    raise: 'Service Quotas: “Throttle rate”',
  },
  {
    name: `writes to ${executorShards} partitions of leases, 1,000 units each`,
    limit: executorShards * 1_000,
    unit: 'units/s',
    share: ({sync}, {syncSeconds}) => sync.writeUnits / syncSeconds,
    raise: 'nothing at first: DynamoDB splits hot partitions; then `executorShards`, with a migration',
  },
  {
    name: 'writes to the table',
    limit: 40_000,
    unit: 'units/s',
    share: ({sync}, {syncSeconds}) => sync.writeUnits / syncSeconds,
    raise: 'Service Quotas: “Table-level write throughput limit”; warm throughput before a jump',
  },
  {
    name: 'Lambda, calls at once',
    limit: 1_000,
    unit: 'calls',
    share: (counts, {syncSeconds}) => syncMs(counts) / 1_000 / syncSeconds,
    raise: 'Service Quotas: “Concurrent executions”; new accounts begin with 10, which comes first of all then',
  },
]

/** Executors until the limit is reached. */
export const executorsUntil = ({limit, share}: Quota, counts: Counts, running: Running): number =>
  Math.floor(limit / share(counts, running))
