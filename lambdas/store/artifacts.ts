// Which slugs were announced and which have arrived; their content is elsewhere.
import {domainOf, typed} from './items.ts'
import {keys} from './schema.ts'
import {get, type Table, write} from './table.ts'
import type {ArtifactRecord, ArtifactStore} from './types.ts'

export const createArtifactStore = (table: Table): ArtifactStore => ({
  put: async artifact => {
    await write(table, {put: typed('artifact', keys.artifact(artifact.sha256), artifact)})
  },

  get: async sha256 => {
    const item = await get(table, keys.artifact(sha256))
    return item === undefined ? undefined : domainOf<ArtifactRecord>(item)
  },
})
