// Slugs: where to upload one, where to download it. Content never passes through here; the blob store verifies it.
import {type ApiFunction, createFunction} from '#lambdas/middleware.ts'
import type {ArtifactRecord, Store} from '#lambdas/store/index.ts'
import {GilliamError} from '#shared/errors.ts'
import type {Logger} from '#shared/log.ts'
import type {BlobStore} from '#shared/ports.ts'

export interface ArtifactsDeps {
  readonly store: Pick<Store, 'tokens' | 'idempotency' | 'artifacts'>
  readonly log: Logger
  readonly now: () => number
  readonly blobs: BlobStore
}

type Stores = Pick<ArtifactsDeps, 'store' | 'blobs'>

/** The artifact as stored, which is noted the first time somebody asks after its upload; undefined while its content is not there. */
const findStored = async ({store, blobs}: Stores, sha256: string, now: number): Promise<ArtifactRecord | undefined> => {
  const known = await store.artifacts.get(sha256)
  if (known?.stored === true) return known
  const bytes = await blobs.size(sha256)
  if (bytes === undefined) return undefined
  const stored = {sha256, bytes, stored: true, createdAt: known?.createdAt ?? now}
  await store.artifacts.put(stored)
  return stored
}

const create = async (stores: Stores, {sha256, bytes}: {readonly sha256: string; readonly bytes: number}, now: number) => {
  const stored = await findStored(stores, sha256, now)
  if (stored !== undefined) return {sha256, bytes: stored.bytes, stored: true}
  await stores.store.artifacts.put({sha256, bytes, stored: false, createdAt: now})
  return {sha256, bytes, stored: false, uploadUrl: await stores.blobs.uploadUrl(sha256, bytes)}
}

const get = async (stores: Stores, sha256: string, now: number) => {
  const stored = await findStored(stores, sha256, now)
  if (stored === undefined)
    throw new GilliamError('not_found', `Slug ${sha256} is not stored; POST /v1/artifacts tells where to upload it.`)
  return {sha256, bytes: stored.bytes, stored: true, downloadUrl: await stores.blobs.downloadUrl(sha256)}
}

export const createArtifactsFunction = ({store, log, now, blobs}: ArtifactsDeps): ApiFunction =>
  createFunction(
    'artifacts',
    {store, log, now},
    {
      createArtifact: ({body}, call) => create({store, blobs}, body, call.now),
      getArtifact: ({params}, call) => get({store, blobs}, params.sha256, call.now),
    },
  )
