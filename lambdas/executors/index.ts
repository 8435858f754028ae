// Executors: the endpoints of agents (join, sync) and of operators (list, show, drain, forget).
import {type ApiFunction, createFunction, type Frozen} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {type Executor, executorLeaseMs} from '#shared/domain/executor.ts'
import {isSilent} from '#shared/domain/lease.ts'
import type {OutputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import type {LogStore} from '#shared/ports.ts'
import {executorTokenTtlMs, joinOperations} from './join.ts'
import type {ProofDeps} from './proof.ts'
import type {SecretSources} from './secrets.ts'
import {type SyncTiming, syncOperation} from './sync.ts'

export interface ExecutorsDeps {
  readonly store: Store
  readonly log: Logger
  readonly now: () => number
  readonly logs: LogStore
  readonly timing: SyncTiming
  readonly secrets: SecretSources
  /** Lets EC2 machines join by their role. */
  readonly proofs: ProofDeps
}

type Presented = Frozen<OutputOf<'getExecutor'>>

/** Its state as people call it: what nobody has heard from is not ready, and what drains is done some time. */
const stateOf = (executor: Executor, now: number): Presented['state'] => {
  const {state, instances} = executor
  if (state === 'lost') return state
  if (isSilent(executor, now)) return 'disconnected'
  return state === 'draining' && instances === 0 ? 'drained' : state
}

/** Only what the API shows: the store’s own fields stay inside. */
const present = (executor: Executor, now: number): Presented => {
  const {id, host, zone, domain, network, tags, labels, runtimes, cpuMilli, memoryMib, pricePerHour, machineType} = executor
  const {cpuMilliUsed, memoryMibUsed, instances, hostPorts, joinedAt, leaseExpiresAt} = executor
  const size = {cpuMilli, memoryMib, pricePerHour, ...(machineType !== undefined && {machineType})}
  const descriptor = {id, host, zone, domain, network, tags, labels, runtimes, ...size}
  return {...descriptor, state: stateOf(executor, now), cpuMilliUsed, memoryMibUsed, instances, hostPorts, joinedAt, leaseExpiresAt}
}

const noExecutor = (id: string): GilliamError => new GilliamError('not_found', `There is no executor “${id}”.`)
const tryAgain = (id: string): GilliamError =>
  new GilliamError('conflict', `Executor “${id}” was changed by others several times in a row; try again.`)

const find = async (store: Store, id: string): Promise<Executor> => {
  const executor = await store.executors.get(id)
  if (executor === undefined) throw noExecutor(id)
  return executor
}

const drain = async (store: Store, id: string, undo: boolean, now: number): Promise<Executor> => {
  const changed = undo ? await store.executors.undrain(id, now) : await store.executors.drain(id, now)
  if (changed.outcome === 'ok') return changed.executor
  if (changed.outcome === 'missing') throw noExecutor(id)
  if (changed.outcome === 'conflict') throw tryAgain(id)
  throw new GilliamError('executor_lost', `Executor “${id}” is lost: it runs nothing. It is ready again when its agent joins.`)
}

const stillAlive = ({id, leaseExpiresAt}: Executor, now: number): GilliamError =>
  new GilliamError(
    'conflict',
    leaseExpiresAt > now
      ? `Executor “${id}” is alive: drain it (\`gilliam executor drain ${id}\`) and stop its agent; it is lost ${executorLeaseMs / 1_000} s later, and can be forgotten then.`
      : `The lease of executor “${id}” is over, but it is not given up yet; with its agent stopped, try again in a minute.`,
  )

const forget = async (store: Store, id: string, now: number): Promise<undefined> => {
  const forgotten = await store.executors.forget(id, now)
  if (forgotten.outcome === 'ok') return undefined
  if (forgotten.outcome === 'missing') throw noExecutor(id)
  throw forgotten.outcome === 'alive' ? stillAlive(forgotten.executor, now) : tryAgain(id)
}

export const createExecutorsFunction = ({store, log, now, logs, timing, secrets, proofs}: ExecutorsDeps): ApiFunction =>
  createFunction(
    'executors',
    {store, log, now},
    {
      ...joinOperations(store, proofs),
      syncExecutor: syncOperation({store, logs, timing, secrets, log, tokenTtlMs: executorTokenTtlMs}),
      listExecutors: async (_, call) => ({items: (await store.executors.list()).map(executor => present(executor, call.now))}),
      getExecutor: async ({params}, call) => present(await find(store, params.executor), call.now),
      drainExecutor: async ({params, body}, call) =>
        present(await drain(store.by(call.actor), params.executor, body.undo, call.now), call.now),
      forgetExecutor: ({params}, call) => forget(store.by(call.actor), params.executor, call.now),
    },
  )
