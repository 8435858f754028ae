// Executors: the endpoints of agents (join, sync) and of operators (list, show, drain).
import {type ApiFunction, createFunction, type Frozen} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {type Executor, type ExecutorDescriptor, executorLeaseMs} from '#shared/domain/executor.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import type {LogStore} from '#shared/ports.ts'
import {type SyncTiming, syncOperation} from './sync.ts'

/** How long the credential of a joined executor lasts; the agent joins again when it has ended. */
export const executorTokenTtlMs = 30 * 86_400_000

export interface ExecutorsDeps {
  readonly store: Store
  readonly log: Logger
  readonly now: () => number
  readonly logs: LogStore
  readonly timing: SyncTiming
}

/** Only what the API shows: the store’s own fields stay inside. */
const present = (executor: Executor): Frozen<OutputOf<'getExecutor'>> => {
  const {id, host, zone, domain, network, tags, labels, runtimes, cpuMilli, memoryMib, pricePerHour} = executor
  const {state, cpuMilliUsed, memoryMibUsed, instances, hostPorts, joinedAt, leaseExpiresAt} = executor
  const descriptor = {id, host, zone, domain, network, tags, labels, runtimes, cpuMilli, memoryMib, pricePerHour}
  return {...descriptor, state, cpuMilliUsed, memoryMibUsed, instances, hostPorts, joinedAt, leaseExpiresAt}
}

const noExecutor = (id: string): GilliamError => new GilliamError('not_found', `There is no executor “${id}”.`)
const tryAgain = (id: string): GilliamError =>
  new GilliamError('conflict', `Executor “${id}” was changed by others several times in a row; try again.`)

const find = async (store: Store, id: string): Promise<Executor> => {
  const executor = await store.executors.get(id)
  if (executor === undefined) throw noExecutor(id)
  return executor
}

const join = async (store: Store, descriptor: ExecutorDescriptor, now: number) => {
  const joined = await store.executors.join(descriptor, now)
  if (joined.outcome === 'conflict') throw tryAgain(descriptor.id)
  const credential = {name: `executor ${descriptor.id}`, scope: 'executor', executor: descriptor.id, ttlMs: executorTokenTtlMs} as const
  const {token} = await store.tokens.create(credential, now)
  return {executor: descriptor.id, token, leaseMs: executorLeaseMs}
}

const drain = async (store: Store, id: string, undo: boolean, now: number): Promise<Executor> => {
  const changed = undo ? await store.executors.undrain(id, now) : await store.executors.drain(id, now)
  if (changed.outcome === 'ok') return changed.executor
  if (changed.outcome === 'missing') throw noExecutor(id)
  if (changed.outcome === 'conflict') throw tryAgain(id)
  throw new GilliamError('executor_lost', `Executor “${id}” is lost: it runs nothing. It is ready again when its agent joins.`)
}

export const createExecutorsFunction = ({store, log, now, logs, timing}: ExecutorsDeps): ApiFunction =>
  createFunction(
    'executors',
    {store, log, now},
    {
      joinExecutor: ({body}, call) => join(store, body, call.now),
      syncExecutor: syncOperation(store, logs, timing),
      listExecutors: async () => ({items: (await store.executors.list()).map(present)}),
      getExecutor: async ({params}) => present(await find(store, params.executor)),
      drainExecutor: async ({params, body}, call) => present(await drain(store, params.executor, body.undo, call.now)),
    },
  )
