// Makes every function of the control plane for a local stage: the same factories that the handlers on AWS call, with local ports behind them.
import {createAccessFunction} from '#lambdas/access/index.ts'
import {createArtifactsFunction} from '#lambdas/artifacts/index.ts'
import {createExecutorsFunction} from '#lambdas/executors/index.ts'
import type {ProofDeps} from '#lambdas/executors/proof.ts'
import {createFormationsFunction} from '#lambdas/formations/index.ts'
import {createLogsFunction} from '#lambdas/logs/index.ts'
import type {ApiFunction} from '#lambdas/middleware.ts'
import {createReconcilerFunction, reconcilerItemTypes} from '#lambdas/reconciler/index.ts'
import {createRegistryFunction} from '#lambdas/registry/index.ts'
import {createRoutingFunction} from '#lambdas/routing/index.ts'
import {createSchedulerFunction, schedulerItemTypes} from '#lambdas/scheduler/index.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {FunctionName} from '#shared/endpoints.ts'
import {createExpressions} from '#shared/expressions.ts'
import {randomId} from '#shared/ids.ts'
import type {Logger} from '#shared/log.ts'
import {createOpenapi} from '#shared/openapi.ts'
import type {BlobStore, DumpStore, LogStore, SecretBox} from '#shared/ports.ts'
import type {Consumer} from './event-sources.ts'
import type {GatewayFunction} from './gateway.ts'

export interface FunctionOptions {
  readonly store: Store
  readonly blobs: BlobStore
  readonly dumps: DumpStore
  readonly logs: LogStore
  /** Seals the secrets of formations. */
  readonly box: SecretBox
  readonly stage: string
  /** Lets issuers of id tokens on this machine speak plain HTTP; for tests and trials. */
  readonly loopbackIssuers?: boolean
  /** Whose EC2 machines may join by their role, and who is asked; none by default. */
  readonly proofs?: Pick<ProofDeps, 'roles' | 'ask'>
  readonly version: string
  /** URL of the relay of sessions, when it is none of the stage's own proxies. */
  readonly relay?: string
  /** How soon agents sync again while something is under way, and when nothing is. */
  readonly timing: {readonly busyMs: number; readonly idleMs: number}
  /** How soon router and proxy ask for changes again. */
  readonly nextPollMs: number
  readonly now: () => number
  readonly log: Logger
  /** Asks for a run of the reconciler for a formation at `at` (epoch ms). */
  readonly wakeAt: (formation: string, at: number) => void
}

export interface Functions {
  readonly api: Readonly<Record<FunctionName, GatewayFunction>>
  readonly scheduler: Consumer
  readonly reconciler: Consumer
  readonly ticks: {readonly scheduler: () => Promise<unknown>; readonly reconciler: () => Promise<unknown>}
  /** A time asked for by `wakeAt` has come. */
  readonly wake: (formation: string) => Promise<unknown>
}

/** A function as the gateway calls it: what Lambda passes besides the event has no meaning here. */
const local =
  (inner: ApiFunction): GatewayFunction =>
  event =>
    inner(event)

const noProofs: Pick<ProofDeps, 'roles' | 'ask'> = {roles: [], ask: async () => undefined}

export const createFunctions = (options: FunctionOptions): Functions => {
  const {store, now, blobs, dumps, logs, stage, version, timing, nextPollMs, box, loopbackIssuers = false, relay = ''} = options
  const expressions = createExpressions()
  const proofs = {stage, ...(options.proofs ?? noProofs)}
  const logOf = (name: string): Logger => options.log.child({function: name})
  const deps = (name: string) => ({store, now, log: logOf(name)})
  const scheduler = createSchedulerFunction({...deps('scheduler'), expressions})
  const reconciler = createReconcilerFunction({...deps('reconciler'), randomId, dumps, wakeAt: options.wakeAt})
  return {
    api: {
      formations: local(createFormationsFunction({...deps('formations'), randomId, expressions, blobs, relay})),
      executors: local(createExecutorsFunction({...deps('executors'), logs, timing, wishesKeptMs: 1_000, secrets: {stage, box}, proofs})),
      registry: local(createRegistryFunction({...deps('registry'), nextPollMs})),
      routing: local(createRoutingFunction(deps('routing'))),
      artifacts: local(createArtifactsFunction({...deps('artifacts'), blobs, dumps})),
      logs: local(createLogsFunction({...deps('logs'), logs})),
      access: local(
        createAccessFunction({
          ...deps('access'),
          stage,
          version,
          openapi: {...createOpenapi({version})},
          box,
          issuers: {reach: loopbackIssuers ? 'machine' : 'private'},
        }),
      ),
    },
    scheduler: {name: 'scheduler', types: schedulerItemTypes, handle: scheduler},
    reconciler: {name: 'reconciler', types: reconcilerItemTypes, handle: reconciler},
    ticks: {scheduler: () => scheduler({}), reconciler: () => reconciler({tick: true})},
    wake: formation => reconciler({wake: formation}),
  }
}
