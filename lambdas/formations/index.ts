// Formations, releases, environment, scale, rollouts and instances: the endpoints of CLI and CI. Composition only; one file per noun beside it.
import {type ApiFunction, createFunction} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import type {Expressions} from '#shared/domain/placement-rules.ts'
import type {Logger} from '#shared/log.ts'
import type {BlobStore} from '#shared/ports.ts'
import {backupOperations} from './backups.ts'
import {explainOperation} from './explain.ts'
import {fetchOperations} from './fetches.ts'
import {formationOperations} from './formations.ts'
import {instanceOperations} from './instances.ts'
import {rebalanceOperation} from './rebalance.ts'
import {releaseOperations} from './releases.ts'
import {scaleOperations} from './scale.ts'
import {sessionOperations} from './sessions.ts'
import {typeOperations} from './types.ts'
import {volumeOperations} from './volumes.ts'

export interface FormationsDeps {
  readonly store: Store
  readonly log: Logger
  readonly now: () => number
  /** Makes ids of spawned instances: `randomId` of shared/ids.ts. */
  readonly randomId: () => string
  readonly expressions: Expressions
  /** Tells whether a release’s slug was uploaded. */
  readonly blobs: Pick<BlobStore, 'size'>
  /** URL of the relay of sessions; without one, proxies that announce a relay are used. */
  readonly relay?: string
}

export const createFormationsFunction = ({store, log, now, randomId, expressions, blobs, relay = ''}: FormationsDeps): ApiFunction =>
  createFunction(
    'formations',
    {store, log, now},
    {
      ...formationOperations(store),
      ...releaseOperations(store, blobs, log),
      ...scaleOperations(store),
      ...instanceOperations(store, randomId),
      ...sessionOperations({store, randomId, relay}),
      ...volumeOperations(store),
      ...fetchOperations(store),
      ...typeOperations(store),
      ...backupOperations({store, randomId}),
      rebalance: rebalanceOperation(store, expressions),
      explain: explainOperation(store, expressions),
    },
  )
