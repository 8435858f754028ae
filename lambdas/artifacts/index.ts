// Slugs, and dumps of backups: where to upload one, where to download it. Content never passes through here; the blob store verifies it.
import {findSlug} from '#lambdas/middleware/slugs.ts'
import {type ApiFunction, createFunction} from '#lambdas/middleware.ts'
import type {Store} from '#lambdas/store/index.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import type {BlobStore, DumpStore} from '#shared/ports.ts'
import {agentOperations} from './agents.ts'
import {dumpOperations} from './dumps.ts'

export interface ArtifactsDeps {
  readonly store: Pick<Store, 'tokens' | 'idempotency' | 'artifacts' | 'agents' | 'backups' | 'by'>
  readonly log: Logger
  readonly now: () => number
  readonly blobs: BlobStore
  readonly dumps: DumpStore
}

type Stores = Pick<ArtifactsDeps, 'store' | 'blobs'>

const create = async (stores: Stores, {sha256, bytes}: {readonly sha256: string; readonly bytes: number}, now: number) => {
  const stored = await findSlug(stores, sha256, now)
  if (stored !== undefined) return {sha256, bytes: stored.bytes, stored: true}
  await stores.store.artifacts.put({sha256, bytes, stored: false, createdAt: now})
  const {url, headers} = await stores.blobs.upload(sha256, bytes)
  return {sha256, bytes, stored: false, uploadUrl: url, uploadHeaders: headers}
}

const get = async (stores: Stores, sha256: string, now: number) => {
  const stored = await findSlug(stores, sha256, now)
  if (stored === undefined)
    throw new GilliamError('not_found', `Slug ${sha256} is not stored; POST /v1/artifacts tells where to upload it.`)
  return {sha256, bytes: stored.bytes, stored: true, downloadUrl: await stores.blobs.downloadUrl(sha256)}
}

export const createArtifactsFunction = ({store, log, now, blobs, dumps}: ArtifactsDeps): ApiFunction =>
  createFunction(
    'artifacts',
    {store, log, now},
    {
      createArtifact: ({body}, call) => create({store, blobs}, body, call.now),
      ...agentOperations(store, blobs),
      ...dumpOperations(store, dumps),
      getArtifact: ({params}, call) => get({store, blobs}, params.sha256, call.now),
    },
  )
