// Whether a slug is there: a look-up that endpoints of several functions share.
import type {ArtifactRecord, Store} from '#lambdas/store/index.ts'
import type {BlobStore} from '#shared/ports.ts'

export interface Slugs {
  readonly store: Pick<Store, 'artifacts'>
  readonly blobs: Pick<BlobStore, 'size'>
}

/** The artifact as stored, which is noted the first time somebody asks after its upload; undefined while its content is not there. */
export const findSlug = async ({store, blobs}: Slugs, sha256: string, now: number): Promise<ArtifactRecord | undefined> => {
  const known = await store.artifacts.get(sha256)
  if (known?.stored === true) return known
  const bytes = await blobs.size(sha256)
  if (bytes === undefined) return undefined
  const stored = {sha256, bytes, stored: true, createdAt: known?.createdAt ?? now}
  await store.artifacts.put(stored)
  return stored
}
