// Executors: the endpoints of agents (join, sync) and of operators (list, show, drain, forget).
import {type ApiFunction, createFunction, type Frozen} from '#lambdas/middleware.ts'
import type {Moved, Store} from '#lambdas/store/index.ts'
import {type Executor, executorLeaseMs, isDiskFull} from '#shared/domain/executor.ts'
import {isSilent} from '#shared/domain/lease.ts'
import type {Pace} from '#shared/domain/pace.ts'
import type {InputOf, OutputOf} from '#shared/endpoints.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import type {LogStore} from '#shared/ports.ts'
import {executorTokenTtlMs, joinOperations} from './join.ts'
import {instancesOn} from './left.ts'
import type {ProofDeps} from './proof.ts'
import type {SecretSources} from './secrets.ts'
import {type SyncTerms, syncOperation} from './sync.ts'
import {createWishes} from './wishes.ts'

export interface ExecutorsDeps {
  readonly store: Store
  readonly log: Logger
  readonly now: () => number
  readonly logs: LogStore
  /** Until the next sync of an agent. */
  readonly timing: Pace
  readonly terms?: SyncTerms
  /** How long what the rings want is remembered, in milliseconds. */
  readonly wishesKeptMs?: number
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
  if (state === 'ready' && isDiskFull(executor)) return 'full'
  return state === 'draining' && instances === 0 ? 'drained' : state
}

/** Only what the API shows: the store’s own fields stay inside. */
const present = (executor: Executor, now: number): Presented => {
  const {id, host, zone, domain, network, tags, labels, runtimes, cpuMilli, memoryMib, pricePerHour, machineType} = executor
  const {cpuMilliUsed, memoryMibUsed, instances, hostPorts, joinedAt, leaseExpiresAt, drainBy, leaving, agent, diskFreeMib} = executor
  const size = {cpuMilli, memoryMib, pricePerHour, ...(machineType !== undefined && {machineType})}
  const descriptor = {id, host, zone, domain, network, tags, labels, runtimes, ...size}
  return {
    ...descriptor,
    state: stateOf(executor, now),
    cpuMilliUsed,
    memoryMibUsed,
    instances,
    hostPorts,
    joinedAt,
    leaseExpiresAt,
    drainBy,
    leaving,
    ...(agent !== undefined && {agent}),
    ...(diskFreeMib !== undefined && {diskFreeMib}),
  }
}

const noExecutor = (id: string): GilliamError => new GilliamError('not_found', `There is no executor “${id}”.`)
const tryAgain = (id: string): GilliamError =>
  new GilliamError('conflict', `Executor “${id}” was changed by others several times in a row; try again.`)

const find = async (store: Store, id: string): Promise<Executor> => {
  const executor = await store.executors.get(id)
  if (executor === undefined) throw noExecutor(id)
  return executor
}

/** An executor in the state that was asked for; a call by somebody. */
const moved = (id: string, changed: Moved): Executor => {
  if (changed.outcome === 'ok') return changed.executor
  if (changed.outcome === 'missing') throw noExecutor(id)
  if (changed.outcome === 'conflict') throw tryAgain(id)
  throw new GilliamError('executor_lost', `Executor “${id}” is lost: it runs nothing. It is ready again when its agent joins.`)
}

type DrainBody = InputOf<'drainExecutor'>['body']

const drain = ({executors}: Store, id: string, {undo, deadlineMs}: DrainBody, now: number): Promise<Moved> =>
  undo ? executors.undrain(id, now) : executors.drain(id, now, deadlineMs === undefined ? undefined : now + deadlineMs)

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

export const createExecutorsFunction = ({
  store,
  log,
  now,
  logs,
  timing,
  terms = {},
  wishesKeptMs,
  secrets,
  proofs,
}: ExecutorsDeps): ApiFunction =>
  createFunction(
    'executors',
    {store, log, now},
    {
      ...joinOperations(store, proofs, terms),
      syncExecutor: syncOperation({
        store,
        logs,
        timing,
        terms,
        wishes: createWishes(store.agents, wishesKeptMs),
        secrets,
        log,
        tokenTtlMs: executorTokenTtlMs,
      }),
      listExecutors: async (_, call) => ({items: (await store.executors.list()).map(executor => present(executor, call.now))}),
      getExecutor: async ({params}, call) => present(await find(store, params.executor), call.now),
      listExecutorInstances: async ({params}) => instancesOn(store, await find(store, params.executor)),
      cordonExecutor: async ({params: {executor}, body}, {actor, now: at}) => {
        const {executors} = store.by(actor)
        return present(moved(executor, await (body.undo ? executors.uncordon(executor, at) : executors.cordon(executor, at))), at)
      },
      drainExecutor: async ({params: {executor}, body}, {actor, now: at}) =>
        present(moved(executor, await drain(store.by(actor), executor, body, at)), at),
      forgetExecutor: ({params}, call) => forget(store.by(call.actor), params.executor, call.now),
    },
  )
